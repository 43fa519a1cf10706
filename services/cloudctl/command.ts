// What a command is, and what it is given to work with.

import type { CloudClient } from '#client';
import type { Fields, Table } from './format.ts';
import type { Arguments, Syntax } from './grammar.ts';

export interface Io {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly home?: string;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly columns?: number;
}

export interface Context {
  readonly io: Io;
  /** The cloud that the options name. Nothing is sent before the first call on it. */
  cloud(): Promise<CloudClient>;
  /** A line for people, on stderr; silent with -q. */
  say(text: string): void;
  /** Shows a line that the next one replaces; only on a terminal. */
  progress(text: string): void;
  /** Ends the line that progress() wrote. */
  endProgress(): void;
}

export interface ListCommand extends Syntax {
  readonly output: 'list';
  run(context: Context, args: Arguments): Promise<Table>;
}

export interface ShowCommand extends Syntax {
  readonly output: 'show';
  /** Undefined: the command has printed all there is. */
  run(context: Context, args: Arguments): Promise<Fields | undefined>;
}

export interface PlainCommand extends Syntax {
  readonly output: 'none';
  /** May answer an exit status; undefined is 0. */
  run(context: Context, args: Arguments): Promise<number | undefined>;
}

export type Command = ListCommand | ShowCommand | PlainCommand;
