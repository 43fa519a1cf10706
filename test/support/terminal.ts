// A command on a real terminal: a pseudo-terminal of script(1), whose size we set and whose keys we press.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from './programs.ts';
import { must } from './run.ts';
import { waitUntil } from './wait.ts';

export interface TerminalOptions {
  readonly env: NodeJS.ProcessEnv;
  /** A folder of the caller's, for the name of the terminal. */
  readonly folder: string;
  readonly columns: number;
  readonly rows: number;
}

export class Terminal {
  readonly #child: ChildProcess;
  readonly #nameFile: string;
  readonly exited: Promise<number | null>;
  #screen = '';

  /** Runs a line of shell. */
  constructor(command: string, { env, folder, columns, rows }: TerminalOptions) {
    this.#nameFile = join(folder, 'tty');
    const line = `tty > ${this.#nameFile}; stty cols ${columns} rows ${rows}; ${command}`;
    this.#child = spawn(findProgram('script', 'bsdutils'), ['-qec', line, '/dev/null'], {
      env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' },
      cwd: folder,
    });
    this.exited = new Promise((resolve) => this.#child.once('close', resolve));
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        this.#screen += chunk.toString('latin1');
      });
  }

  /** Everything printed so far. */
  get screen(): string {
    return this.#screen;
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await waitUntil(() => existsSync(this.#nameFile) && readFileSync(this.#nameFile, 'utf8').endsWith('\n'));
    const name = readFileSync(this.#nameFile, 'utf8').trim();
    await must('stty', ['-F', name, 'cols', String(columns), 'rows', String(rows)]);
  }

  /** Resolves when `condition` holds; a terminal that has ended before says what it showed. */
  async until(condition: () => unknown, milliseconds = 30_000): Promise<void> {
    let over = false;
    void this.exited.then(() => {
      over = true;
    });
    await waitUntil(() => {
      if (condition()) return true;
      if (over) throw new Error(`the terminal has ended; it showed: ${this.#screen}`);
      return false;
    }, milliseconds);
  }

  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
