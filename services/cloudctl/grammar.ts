// The grammar of the command line: object, verb, positional arguments, options anywhere. Options behave as argparse
// users know them: `--name value`, `--name=value`, a unique beginning is enough, `--` ends them.

export interface Option {
  /** Without the dashes: `flavor`. */
  readonly name: string;
  readonly short?: string;
  readonly help: string;
  /** Shown in the usage: `<flavor>`. An option without it is a switch. */
  readonly value?: string;
  readonly repeat?: boolean;
  readonly required?: boolean;
  readonly choices?: readonly string[];
  readonly integer?: boolean;
}

export interface Positional {
  readonly name: string;
  readonly help: string;
  readonly many?: boolean;
  readonly optional?: boolean;
}

export interface Syntax {
  /** `server create`. */
  readonly words: string;
  readonly summary: string;
  readonly positionals?: readonly Positional[];
  readonly options?: readonly Option[];
}

/** The caller typed something that the grammar does not have: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export class Arguments {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The last value given. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** A value that the grammar requires. */
  must(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`the following arguments are required: ${name}`);
    return value;
  }

  all(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  integer(name: string): number | undefined {
    const value = this.text(name);
    return value === undefined ? undefined : Number(value);
  }

  /** `--property k=v`, as often as it was given. */
  pairs(name: string): Record<string, string> {
    const result: Record<string, string> = {};
    for (const one of this.all(name)) {
      const at = one.indexOf('=');
      if (at < 1) throw new UsageError(`argument --${name}: Expected 'key=value' type, but got: ${one}`);
      result[one.slice(0, at)] = one.slice(at + 1);
    }
    return result;
  }

  /** `--nic net-id=x,v4-fixed-ip=y`: comma separated pairs, one object for each time it was given. */
  records(name: string): Record<string, string>[] {
    return this.all(name).map((one) => {
      const record: Record<string, string> = {};
      for (const part of one.split(',')) {
        const at = part.indexOf('=');
        if (at < 1) throw new UsageError(`argument --${name}: Expected 'key=value' type, but got: ${part}`);
        record[part.slice(0, at)] = part.slice(at + 1);
      }
      return record;
    });
  }
}

function find(options: readonly Option[], given: string): Option {
  const exact = options.find((one) => one.name === given);
  if (exact) return exact;
  const matches = options.filter((one) => one.name.startsWith(given));
  const [first, second] = matches;
  if (!first) throw new UsageError(`unrecognized arguments: --${given}`);
  if (second) {
    const names = matches.map((one) => `--${one.name}`).join(', ');
    throw new UsageError(`ambiguous option: --${given} could match ${names}`);
  }
  return first;
}

function check(option: Option, value: string): string {
  const label = `--${option.name}`;
  if (option.choices && !option.choices.includes(value)) {
    const choices = option.choices.map((one) => `'${one}'`).join(', ');
    throw new UsageError(`argument ${label}: invalid choice: '${value}' (choose from ${choices})`);
  }
  if (option.integer && !/^-?\d+$/.test(value)) {
    throw new UsageError(`argument ${label}: invalid int value: '${value}'`);
  }
  return value;
}

/** Splits a command line into options and the rest; everything after `--` is rest. */
export function scan(
  argv: readonly string[],
  options: readonly Option[],
): { values: Map<string, string[]>; rest: string[] } {
  const values = new Map<string, string[]>();
  const rest: string[] = [];
  const add = (option: Option, value: string): void => {
    const list = values.get(option.name);
    if (list) list.push(value);
    else values.set(option.name, [value]);
  };
  const input = [...argv];
  for (let word = input.shift(); word !== undefined; word = input.shift()) {
    if (word === '--') {
      rest.push(...input);
      break;
    }
    if (word === '-' || !word.startsWith('-') || /^-\d+$/.test(word)) {
      rest.push(word);
      continue;
    }
    const { option, inline } = recognize(word, options);
    if (option.value === undefined) {
      if (inline !== undefined)
        throw new UsageError(`argument --${option.name}: ignored explicit argument '${inline}'`);
      add(option, 'true');
      continue;
    }
    const value = inline ?? input.shift();
    if (value === undefined || (inline === undefined && looksLikeOption(value, options))) {
      throw new UsageError(
        `argument ${option.short ? `-${option.short}/` : ''}--${option.name}: expected one argument`,
      );
    }
    add(option, check(option, value));
  }
  return { values, rest };
}

function recognize(word: string, options: readonly Option[]): { option: Option; inline?: string } {
  if (word.startsWith('--')) {
    const at = word.indexOf('=');
    const option = find(options, at < 0 ? word.slice(2) : word.slice(2, at));
    return { option, inline: at < 0 ? undefined : word.slice(at + 1) };
  }
  const option = options.find((one) => one.short === word[1]);
  if (!option) throw new UsageError(`unrecognized arguments: ${word}`);
  return { option, inline: word.length > 2 ? word.slice(2) : undefined };
}

/** A value may start with a dash (a name, a negative number) as long as it is no option of ours. */
function looksLikeOption(value: string, options: readonly Option[]): boolean {
  if (value === '--') return true;
  if (!value.startsWith('--')) return false;
  return options.some((one) => one.name === value.slice(2).split('=')[0]);
}

/** Binds the words after the command to its positional arguments and checks what is required. */
export function bind(syntax: Syntax, values: Map<string, string[]>, rest: readonly string[]): Arguments {
  const words = [...rest];
  const missing: string[] = [];
  const positionals = syntax.positionals ?? [];
  for (const positional of positionals) {
    const taken = positional.many ? words.splice(0) : words.splice(0, 1);
    if (taken.length > 0) values.set(positional.name, taken);
    else if (!positional.optional) missing.push(`<${positional.name}>`);
  }
  for (const option of syntax.options ?? []) {
    if (option.required && !values.has(option.name)) missing.push(`--${option.name}`);
  }
  if (missing.length > 0) throw new UsageError(`the following arguments are required: ${missing.join(', ')}`);
  if (words.length > 0) throw new UsageError(`unrecognized arguments: ${words.join(' ')}`);
  return new Arguments(values);
}

export function usage(program: string, syntax: Syntax): string {
  const parts = [`usage: ${program} ${syntax.words}`];
  for (const option of syntax.options ?? []) {
    const text = option.value ? `--${option.name} ${option.value}` : `--${option.name}`;
    parts.push(option.required ? text : `[${text}]`);
  }
  for (const positional of syntax.positionals ?? []) {
    const text = positional.many ? `<${positional.name}> [<${positional.name}> ...]` : `<${positional.name}>`;
    parts.push(positional.optional ? `[${text}]` : text);
  }
  return wrap(parts, 8);
}

function wrap(parts: readonly string[], indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const part of parts) {
    if (line !== '' && line.length + 1 + part.length > 96) {
      lines.push(line);
      line = ' '.repeat(indent) + part;
    } else {
      line = line === '' ? part : `${line} ${part}`;
    }
  }
  return [...lines, line].join('\n');
}

export function helpText(program: string, syntax: Syntax, common: readonly Option[]): string {
  const lines = [usage(program, syntax), '', `${syntax.summary}`, ''];
  if (syntax.positionals?.length) {
    lines.push('positional arguments:', ...entries(syntax.positionals.map((one) => [`<${one.name}>`, one.help])), '');
  }
  if (syntax.options?.length) lines.push('options:', ...entries(syntax.options.map(optionEntry)), '');
  if (common.length > 0) lines.push('output:', ...entries(common.map(optionEntry)), '');
  return lines.join('\n');
}

const optionEntry = (option: Option): readonly [string, string] => {
  const short = option.short ? `-${option.short}, ` : '';
  const repeat = option.repeat ? ' (repeat for more)' : '';
  const choices = option.choices ? `: ${option.choices.join(', ')}` : '';
  return [`${short}--${option.name}${option.value ? ` ${option.value}` : ''}`, `${option.help}${choices}${repeat}`];
};

export function entries(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(34, Math.max(0, ...pairs.map(([left]) => left.length)) + 2);
  return pairs.map(([left, right]) =>
    left.length >= width ? `  ${left}\n  ${' '.repeat(width)}${right}` : `  ${left.padEnd(width)}${right}`,
  );
}
