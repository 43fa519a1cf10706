// Runs bin/emulator (or QEMU with the same guest) and talks to its console. A stage that is not reached fails with its
// name and with what the guest printed last.

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const EMULATOR = fileURLToPath(new URL('../../bin/emulator', import.meta.url));

export class Console {
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #name: string;
  #text = '';
  #errors = '';
  /** Where the next expectation begins: each looks at what came after the one before. */
  #read = 0;
  #code: number | null | undefined;
  readonly #waiting = new Set<() => void>();

  constructor(program: string, args: readonly string[], cwd?: string) {
    this.#name = program;
    this.#child = spawn(program, args, { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
    const wake = (): void => {
      for (const callback of [...this.#waiting]) callback();
    };
    this.#child.stdout!.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
      wake();
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#errors += text;
      wake();
    });
    this.#child.stdin!.on('error', () => undefined);
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => {
        this.#code = code;
        wake();
        resolve(code);
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get text(): string {
    return this.#text;
  }

  get errors(): string {
    return this.#errors;
  }

  /** Waits until the guest prints what matches, after all that was matched before. */
  async stage(name: string, pattern: RegExp, milliseconds = 60_000): Promise<RegExpExecArray> {
    const deadline = performance.now() + milliseconds;
    for (;;) {
      const match = pattern.exec(this.#text.slice(this.#read));
      if (match !== null) {
        this.#read += match.index + match[0].length;
        return match;
      }
      const left = deadline - performance.now();
      if (this.#code !== undefined || left <= 0) {
        const why = this.#code === undefined ? `within ${milliseconds} ms` : `: ${this.#name} ended with ${this.#code}`;
        throw new Error(`stage "${name}" was not reached ${why}\n${this.#errors}\n${this.#text.slice(-2000)}`);
      }
      await this.#change(left);
    }
  }

  type(text: string): void {
    this.#child.stdin!.write(text, 'latin1');
  }

  /** Types a shell command and returns what it printed. */
  async shell(command: string, milliseconds = 30_000): Promise<string> {
    // The marks are put together by the shell: the echo of the typed line, however it is wrapped, does not hold them.
    const mark = Math.random().toString(36).slice(2, 8);
    this.type(`echo begin""${mark}; ${command}; echo end""${mark} $?\n`);
    const pattern = new RegExp(`begin${mark}\\r?\\n([\\s\\S]*?)end${mark} (\\d+)`);
    const [, printed, status] = await this.stage(`command "${command}"`, pattern, milliseconds);
    if (status !== '0') throw new Error(`"${command}" ended with ${status}: ${printed}`);
    return printed!.replaceAll('\r', '');
  }

  async end(): Promise<void> {
    if (this.#code === undefined) this.#child.kill('SIGKILL');
    await this.exited;
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#waiting.add(done);
    });
  }
}
