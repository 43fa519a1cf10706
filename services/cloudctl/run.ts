// From words to an exit status: 0 done, 1 the call failed, 2 the command line is wrong. Data goes to stdout, everything
// else to stderr.

import type { CloudClient, Observer } from '#client';
import type { Command, Context, Io } from './command.ts';
import { type Fields, type FormatOptions, formatList, formatShow, outputOptions } from './format.ts';
import { GLOBAL_OPTIONS, type Globals, readGlobals } from './globals.ts';
import { bind, helpText, type Option, scan, UsageError, usage } from './grammar.ts';
import { NOUNS, nounOf } from './nouns.ts';

export const PROGRAM = 'cloudctl';

/** Replaces what reaches the network and the disk: tests pass their own. */
export type Connect = (globals: Globals, io: Io, observer: Observer) => Promise<CloudClient>;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

export async function runCli(argv: readonly string[], io: Io, connect: Connect): Promise<number> {
  const found = await findCommand(argv, io);
  if (typeof found === 'number') return found;
  const { command, words } = found;
  let parsed: ReturnType<typeof scan>;
  const options = optionsOf(command);
  try {
    parsed = scan(argv, options);
    if (parsed.values.has('help')) {
      io.stdout(helpText(PROGRAM, command, outputOptions(command.output)));
      return 0;
    }
    return await execute(command, parsed, words, io, connect);
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr(`${usage(PROGRAM, command)}\n${PROGRAM} ${command.words}: error: ${error.message}\n`);
      return EXIT_USAGE;
    }
    throw error;
  }
}

function optionsOf(command: Command): Option[] {
  // A command's own option wins over a global one of the same name.
  const own = [...(command.options ?? []), ...outputOptions(command.output)];
  const names = new Set(own.map((one) => one.name));
  const letters = new Set(own.map((one) => one.short));
  return [
    ...own,
    ...GLOBAL_OPTIONS.filter((one) => !names.has(one.name)).map((one) =>
      one.short && letters.has(one.short) ? { ...one, short: undefined } : one,
    ),
  ];
}

/** Finds the command by the words that are not options; global options may stand before them. */
async function findCommand(argv: readonly string[], io: Io): Promise<{ command: Command; words: number } | number> {
  const words = plainWords(argv);
  const [first] = words;
  if (first === undefined) {
    if (argv.includes('--version')) {
      io.stdout(`${PROGRAM} 0.1.0\n`);
      return 0;
    }
    const { overview } = await import('./help.ts');
    const asked = argv.includes('--help') || argv.includes('-h');
    (asked ? io.stdout : io.stderr)(await overview());
    return asked ? 0 : EXIT_USAGE;
  }
  const noun = nounOf(words);
  const load = noun === undefined ? undefined : NOUNS[noun];
  if (load) {
    const { commands } = await load();
    const command = commands
      .filter((one) => one.words.split(' ').every((word, index) => words[index] === word))
      .sort((a, b) => b.words.length - a.words.length)[0];
    if (command) return { command, words: command.words.split(' ').length };
  }
  const { unknownCommand } = await import('./help.ts');
  if (argv.includes('--help') || argv.includes('-h')) {
    const text = await unknownCommand(words, true);
    if (text.known) {
      io.stdout(text.message);
      return 0;
    }
  }
  io.stderr((await unknownCommand(words, false)).message);
  return EXIT_USAGE;
}

/** The words of a command line without options and the values of global ones. */
function plainWords(argv: readonly string[]): string[] {
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? '';
    if (word === '--') break;
    if (!word.startsWith('-')) {
      words.push(word);
      continue;
    }
    if (word.includes('=')) continue;
    const option = GLOBAL_OPTIONS.find((one) => `--${one.name}` === word);
    // Before the command only global options can stand; behind it a value cannot disturb finding it.
    if (option?.value) i += 1;
  }
  return words;
}

async function execute(
  command: Command,
  { values, rest }: ReturnType<typeof scan>,
  words: number,
  io: Io,
  connect: Connect,
): Promise<number> {
  const args = bind(command, values, rest.slice(words));
  const globals = readGlobals(args);
  const timings: string[][] = [];
  const observer: Observer = {};
  if (globals.debug) Object.assign(observer, (await import('./debug.ts')).debugObserver(io.stderr));
  if (globals.timing)
    observer.timing = (request, ms) => timings.push([`${request.method} ${request.url}`, (ms / 1000).toFixed(6)]);
  let cloud: Promise<CloudClient> | undefined;
  let line = false;
  const endProgress = (): void => {
    if (line) io.stderr('\r\x1b[K');
    line = false;
  };
  const context: Context = {
    io,
    cloud: () => {
      cloud ??= connect(globals, io, observer);
      return cloud;
    },
    say: (text) => {
      endProgress();
      if (!globals.quiet) io.stderr(`${text}\n`);
    },
    progress: (text) => {
      if (globals.quiet || !io.stderrIsTerminal) return;
      line = true;
      io.stderr(`\r\x1b[K${text}`);
    },
    endProgress,
  };
  try {
    return await output(command, args, context);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    endProgress();
    io.stderr(`${explain(error, globals)}\n`);
    return EXIT_FAILED;
  } finally {
    endProgress();
    if (globals.timing) io.stderr(timings.map(([url, seconds]) => `${seconds}  ${url}\n`).join(''));
    if (cloud) (await cloud.catch(() => undefined))?.close();
  }
}

async function output(command: Command, args: Parameters<Command['run']>[1], context: Context): Promise<number> {
  const { io } = context;
  const options: FormatOptions = {
    format: args.text('format'),
    columns: args.all('column'),
    sort: args.all('sort-column'),
    descending: args.has('sort-descending'),
    width: args.integer('max-width') ?? (args.has('fit-width') ? io.columns : undefined),
    printEmpty: args.has('print-empty'),
    indent: !args.has('noindent'),
    quote: args.text('quote') ?? 'nonnumeric',
    prefix: args.text('prefix') ?? '',
  };
  switch (command.output) {
    case 'list':
      io.stdout(await formatList(await command.run(context, args), options));
      return 0;
    case 'show':
      await show(await command.run(context, args), io, options);
      return 0;
    case 'none':
      return (await command.run(context, args)) ?? 0;
  }
}

async function show(fields: Fields | undefined, io: Io, options: FormatOptions): Promise<void> {
  if (fields) io.stdout(await formatShow(fields, options));
}

function explain(error: unknown, globals: Globals): string {
  if (!(error instanceof Error)) return String(error);
  const { code, requestId } = error as Error & { code?: unknown; requestId?: unknown };
  let text = error.message;
  if (typeof code === 'number' && code >= 400 && typeof requestId === 'string') text += ` (HTTP ${code})`;
  if (typeof requestId === 'string') text += ` (Request-ID: ${requestId})`;
  return globals.debug && error.stack ? `${text}\n${error.stack}` : text;
}
