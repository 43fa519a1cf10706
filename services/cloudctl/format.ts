// Output as users of the OpenStack command line script against it: a list is columns and rows, a show is fields and
// values. json and yaml carry values as they are; table, value, csv and shell carry text.

import { ClientError } from '#client';
import type { Option } from './grammar.ts';

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
}

export type Fields = Readonly<Record<string, unknown>>;

/** A value that reads better in a table than its data does: `private=10.0.0.5`. */
export class Shown {
  readonly value: unknown;
  readonly text: string;

  constructor(value: unknown, text: string) {
    this.value = value;
    this.text = text;
  }
}

const OUTPUT_OPTIONS: readonly Option[] = [
  {
    name: 'format',
    short: 'f',
    value: '<format>',
    help: 'output format',
    choices: ['table', 'json', 'yaml', 'csv', 'value', 'shell'],
  },
  { name: 'column', short: 'c', value: '<column>', help: 'show only this column', repeat: true },
  { name: 'sort-column', value: '<column>', help: 'sort the list by this column', repeat: true },
  { name: 'sort-ascending', help: 'sort upwards' },
  { name: 'sort-descending', help: 'sort downwards' },
  { name: 'max-width', value: '<characters>', help: 'widest table', integer: true },
  { name: 'fit-width', help: 'fit the table to the terminal' },
  { name: 'print-empty', help: 'print a table even if it has no rows' },
  { name: 'noindent', help: 'JSON on one line' },
  { name: 'quote', value: '<mode>', help: 'quoting of csv', choices: ['all', 'minimal', 'none', 'nonnumeric'] },
  { name: 'prefix', value: '<prefix>', help: 'put before each variable name of the shell format' },
];

/** The output options of a command, by what it puts out. */
export function outputOptions(kind: 'list' | 'show' | 'none'): readonly Option[] {
  if (kind === 'none') return [];
  return kind === 'list' ? OUTPUT_OPTIONS : OUTPUT_OPTIONS.filter((one) => !one.name.startsWith('sort-'));
}

export interface FormatOptions {
  readonly format?: string;
  readonly columns: readonly string[];
  readonly sort: readonly string[];
  readonly descending: boolean;
  readonly width?: number;
  readonly printEmpty: boolean;
  readonly indent: boolean;
  readonly quote: string;
  readonly prefix: string;
}

const data = (value: unknown): unknown => (value instanceof Shown ? value.value : value) ?? null;

/** As Python prints it: scripts compare with what the original tool prints. */
export function pythonText(value: unknown, nested = false): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'string') return nested ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'` : value;
  if (Array.isArray(value)) return `[${value.map((one) => pythonText(one, true)).join(', ')}]`;
  if (typeof value === 'object') {
    const pairs = Object.entries(value).map(([key, one]) => `${pythonText(key, true)}: ${pythonText(one, true)}`);
    return `{${pairs.join(', ')}}`;
  }
  return String(value);
}

/** For people: a mapping as k='v', a list with commas. */
function human(value: unknown): string {
  if (value instanceof Shown) return value.text;
  if (Array.isArray(value))
    return value.map((one) => (typeof one === 'object' ? human(one) : pythonText(one))).join(', ');
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, one]) => `${key}='${pythonText(one)}'`)
      .join(', ');
  }
  return pythonText(value);
}

function select(columns: readonly string[], wanted: readonly string[]): number[] {
  if (wanted.length === 0) return columns.map((_, index) => index);
  const found = wanted
    .map((name) => columns.findIndex((column) => column.toLowerCase() === name.toLowerCase()))
    .filter((index) => index >= 0);
  if (found.length === 0) {
    throw new ClientError(
      `No recognized column names in ${pythonText(wanted)}. Recognized columns are ${pythonText(columns)}.`,
    );
  }
  return found;
}

function compare(a: unknown, b: unknown): number {
  const [left, right] = [data(a), data(b)];
  if (left === right) return 0;
  if (left === null) return 1;
  if (right === null) return -1;
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  return pythonText(left) < pythonText(right) ? -1 : 1;
}

export async function formatList(table: Table, options: FormatOptions): Promise<string> {
  let rows = [...table.rows];
  for (const name of [...options.sort].reverse()) {
    const index = table.columns.findIndex((column) => column.toLowerCase() === name.toLowerCase());
    if (index < 0) continue;
    rows = rows.toSorted((a, b) => compare(a[index], b[index]) * (options.descending ? -1 : 1));
  }
  const indexes = select(table.columns, options.columns);
  const columns = indexes.map((index) => table.columns[index] ?? '');
  const cells = rows.map((row) => indexes.map((index) => row[index]));
  switch (options.format ?? 'table') {
    case 'json':
      return json(
        cells.map((row) => Object.fromEntries(columns.map((column, i) => [column, data(row[i])]))),
        options,
      );
    case 'yaml':
      return yaml(cells.map((row) => Object.fromEntries(columns.map((column, i) => [column, data(row[i])]))));
    case 'csv':
      return csv(columns, cells, options.quote);
    case 'value':
      return lines(cells.map((row) => row.map((cell) => pythonText(data(cell))).join(' ')));
    case 'shell':
      throw new ClientError('The format shell is for one thing at a time; choose another for a list.');
    default:
      if (cells.length === 0 && !options.printEmpty) return '\n';
      return drawTable(columns, cells, options.width);
  }
}

export async function formatShow(fields: Fields, options: FormatOptions): Promise<string> {
  const names = Object.keys(fields);
  const chosen = select(names, options.columns).map((index) => names[index] ?? '');
  const plain = Object.fromEntries(chosen.map((name) => [name, data(fields[name])]));
  switch (options.format ?? 'table') {
    case 'json':
      return json(plain, options);
    case 'yaml':
      return yaml(plain);
    case 'value':
      return lines(chosen.map((name) => pythonText(plain[name])));
    case 'shell':
      return lines(chosen.map((name) => shellLine(options.prefix + name, plain[name])));
    case 'csv':
      throw new ClientError('The format csv is for lists; choose another to show one thing.');
    default:
      return drawTable(
        ['Field', 'Value'],
        chosen.map((name) => [name, new Shown(null, human(fields[name]))]),
        options.width,
      );
  }
}

const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('');

const json = (value: unknown, options: FormatOptions): string =>
  `${JSON.stringify(value, null, options.indent ? 2 : undefined)}\n`;

async function yaml(value: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(value, { sortMapEntries: true, lineWidth: 0, singleQuote: true, indentSeq: false });
}

function csv(columns: readonly string[], rows: readonly (readonly unknown[])[], mode: string): string {
  const quote = (value: unknown): string => {
    const plain = data(value);
    const text = plain === null ? '' : pythonText(plain);
    const special = /[",\r\n]/.test(text);
    const quoted = `"${text.replaceAll('"', '""')}"`;
    if (mode === 'none') return text;
    if (mode === 'minimal') return special ? quoted : text;
    // Python counts True and False among the numbers.
    return mode === 'nonnumeric' && (typeof plain === 'number' || typeof plain === 'boolean') ? text : quoted;
  };
  return lines([columns, ...rows].map((row) => row.map(quote).join(',')));
}

function shellLine(name: string, value: unknown): string {
  const variable = name.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_');
  return `${variable}="${pythonText(value).replaceAll(/[\\"$`]/g, '\\$&')}"`;
}

/** Numbers to the right, the rest to the left, as PrettyTable draws it. */
function drawTable(columns: readonly string[], rows: readonly (readonly unknown[])[], width?: number): string {
  const right = columns.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === 'number'));
  const texts = rows.map((row) => row.map((cell) => human(cell).split('\n')));
  let widths = columns.map((column, i) =>
    Math.max(column.length, ...texts.flatMap((row) => row[i]?.map((line) => line.length) ?? [])),
  );
  if (width !== undefined) widths = shrink(widths, width);
  const pad = (text: string, i: number): string => {
    const size = widths[i] ?? 0;
    return right[i] ? text.padStart(size) : text.padEnd(size);
  };
  const rule = `+${widths.map((size) => '-'.repeat(size + 2)).join('+')}+`;
  const draw = (cells: readonly (readonly string[])[]): string[] => {
    const folded = cells.map((cell, i) => cell.flatMap((line) => fold(line, widths[i] ?? 1)));
    const height = Math.max(...folded.map((cell) => cell.length));
    return Array.from(
      { length: height },
      (_, line) => `| ${folded.map((cell, i) => pad(cell[line] ?? '', i)).join(' | ')} |`,
    );
  };
  return lines([rule, ...draw(columns.map((column) => [column])), rule, ...texts.flatMap(draw), rule]);
}

/** Takes from the widest columns until the table fits; no column gets narrower than 8. */
function shrink(widths: readonly number[], total: number): number[] {
  const result = [...widths];
  const size = (): number => result.reduce((sum, one) => sum + one + 3, 1);
  while (size() > total) {
    const widest = result.indexOf(Math.max(...result));
    if ((result[widest] ?? 0) <= 8) break;
    result[widest] = (result[widest] ?? 0) - 1;
  }
  return result;
}

function fold(line: string, width: number): string[] {
  if (line.length <= width) return [line];
  const pieces: string[] = [];
  let rest = line;
  while (rest.length > width) {
    const space = rest.lastIndexOf(' ', width);
    const cut = space > width / 2 ? space : width;
    pieces.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  return [...pieces, rest];
}
