// help, command list, and what is said when a command does not exist.

import type { Command } from './command.ts';
import { outputOptions } from './format.ts';
import { GLOBAL_OPTIONS } from './globals.ts';
import { entries, helpText, UsageError } from './grammar.ts';
import { allCommands } from './nouns.ts';

export async function overview(): Promise<string> {
  const all = await allCommands();
  const globals = GLOBAL_OPTIONS.map((one): [string, string] => [
    `${one.short ? `-${one.short}, ` : ''}--${one.name}${one.value ? ` ${one.value}` : ''}`,
    one.help,
  ]);
  return [
    'usage: cloudctl [--os-cloud <cloud>] [options] <noun> <verb> [arguments]',
    '',
    'The command line of Cumulet. It speaks to any OpenStack cloud; `cloudctl help <command>` says more.',
    '',
    'commands:',
    ...entries(all.map((one) => [one.words, one.summary])),
    '',
    'global options:',
    ...entries(globals),
    '',
  ].join('\n');
}

/** Commands that start with the words typed (for `server --help`), or those that look like them. */
export async function unknownCommand(
  words: readonly string[],
  forHelp: boolean,
): Promise<{ known: boolean; message: string }> {
  const all = await allCommands();
  const typed = words.join(' ');
  const below = [1, 2, 3]
    .map((count) => words.slice(0, count).join(' '))
    .reverse()
    .map((prefix) => all.filter((one) => one.words.startsWith(`${prefix} `)))
    .find((some) => some.length > 0);
  if (forHelp && below)
    return { known: true, message: `${entries(below.map((one) => [one.words, one.summary])).join('\n')}\n` };
  const [first = ''] = words;
  const near = below ?? all.filter((one) => one.words.split(' ').some((word) => distance(word, first) <= 2));
  const hint = near.length > 0 ? `Did you mean one of these?\n${near.map((one) => `  ${one.words}\n`).join('')}` : '';
  return { known: false, message: `cloudctl: '${typed}' is not a cloudctl command. See 'cloudctl --help'.\n${hint}` };
}

/** Letters to change, add or remove (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

export const commands: readonly Command[] = [
  {
    words: 'help',
    summary: 'Explain a command',
    positionals: [{ name: 'command', help: 'the words of the command', many: true, optional: true }],
    output: 'none',
    async run({ io }, args) {
      const words = args.all('command');
      if (words.length === 0) {
        io.stdout(await overview());
        return 0;
      }
      const command = (await allCommands()).find((one) => one.words === words.join(' '));
      if (command) {
        io.stdout(helpText('cloudctl', command, outputOptions(command.output)));
        return 0;
      }
      const { known, message } = await unknownCommand(words, true);
      if (!known) throw new UsageError(`'${words.join(' ')}' is not a cloudctl command`);
      io.stdout(message);
      return 0;
    },
  },
  {
    words: 'command list',
    summary: 'List all commands',
    output: 'list',
    async run() {
      const all = await allCommands();
      return { columns: ['Command', 'Description'], rows: all.map((one) => [one.words, one.summary]) };
    },
  },
];
