// Completion: the scripts ask the program itself, so they never go stale.

import type { Command } from './command.ts';
import { outputOptions } from './format.ts';
import { GLOBAL_OPTIONS } from './globals.ts';
import { allCommands } from './nouns.ts';

const BASH = `_cloudctl() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen -W "$(cloudctl complete -- "\${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
  [ "\${#COMPREPLY[@]}" -gt 0 ] || compopt -o default
}
complete -F _cloudctl cloudctl
`;

const ZSH = `#compdef cloudctl
_cloudctl() {
  local -a candidates
  candidates=(\${(f)"$(cloudctl complete -- \${words[2,CURRENT-1]} 2>/dev/null)"})
  (( $#candidates )) && compadd -a candidates || _files
}
compdef _cloudctl cloudctl
`;

const FISH = `complete -c cloudctl -f -a '(cloudctl complete -- (commandline -opc)[2..-1] 2>/dev/null)'
complete -c cloudctl -l file -r -F
`;

/** What may follow the words typed so far. */
export function candidates(all: readonly Command[], typed: readonly string[]): string[] {
  const words = typed.filter((word) => !word.startsWith('-'));
  const command = all
    .filter((one) => one.words.split(' ').every((word, index) => words[index] === word))
    .sort((a, b) => b.words.length - a.words.length)[0];
  const last = typed.at(-1) ?? '';
  if (command) {
    const own = [...(command.options ?? []), ...outputOptions(command.output)];
    const option = own.find((one) => `--${one.name}` === last || (one.short && `-${one.short}` === last));
    if (option?.value) return [...(option.choices ?? [])];
    const longer = nextWords(all, words);
    return [...longer, ...[...own, ...GLOBAL_OPTIONS].map((one) => `--${one.name}`)];
  }
  return nextWords(all, words);
}

function nextWords(all: readonly Command[], words: readonly string[]): string[] {
  const next = all
    .map((one) => one.words.split(' '))
    .filter((parts) => parts.length > words.length && words.every((word, index) => parts[index] === word))
    .map((parts) => parts[words.length] ?? '');
  return [...new Set(next)].sort();
}

export const commands: readonly Command[] = [
  {
    words: 'complete',
    summary: 'Print a completion script: eval "$(cloudctl complete)"',
    options: [{ name: 'shell', value: '<shell>', help: 'for which shell', choices: ['bash', 'zsh', 'fish'] }],
    positionals: [{ name: 'word', help: 'words typed so far: prints what may follow', many: true, optional: true }],
    output: 'none',
    async run({ io }, args) {
      if (args.all('word').length > 0 || process.argv.at(-1) === '--') {
        io.stdout(
          candidates(await allCommands(), args.all('word'))
            .map((one) => `${one}\n`)
            .join(''),
        );
        return 0;
      }
      io.stdout({ bash: BASH, zsh: ZSH, fish: FISH }[args.text('shell') ?? 'bash'] ?? BASH);
      return 0;
    },
  },
];
