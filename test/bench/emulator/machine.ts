// An emulator that is measured, from outside: each line of the guest's console is stamped with the host's clock and with
// the CPU time of the emulator's process (all its threads, compilers included) as it arrives. The guest's own clock,
// which may drift, only tells it when to stop.

import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** How an emulator is started. */
export interface Candidate {
  readonly name: string;
  readonly program: string;
  /** Arguments for a machine with so many harts. */
  arguments(guest: { readonly kernel: string; readonly initrd: string; readonly harts: number }): string[];
}

const CONSOLE = 'console=ttyS0 quiet';
const MEMORY_MIB = '512';

export const qemu = (program: string): Candidate => ({
  name: 'QEMU',
  program,
  arguments: ({ kernel, initrd, harts }) => [
    ...['-M', 'virt', '-accel', `tcg,thread=${harts > 1 ? 'multi' : 'single'}`, '-m', MEMORY_MIB, '-smp', `${harts}`],
    ...['-nographic', '-no-reboot', '-kernel', kernel, '-initrd', initrd, '-append', CONSOLE],
  ],
});

export const emulator = (name: string, program: string, extra: readonly string[]): Candidate => ({
  name,
  program,
  arguments: ({ kernel, initrd, harts }) => [
    ...['--kernel', kernel, '--initrd', initrd, '--append', CONSOLE, '--memory', MEMORY_MIB, '--harts', `${harts}`],
    ...extra,
  ],
});

/** Seconds since the process started, and CPU seconds that it has used. */
export interface Stamp {
  readonly wall: number;
  readonly cpu: number;
}

export interface Measured {
  readonly amount: number;
  readonly wall: number;
  readonly cpu: number;
}

const HERTZ = 100;

/** CPU seconds of a process and of those that it started. */
function cpuSeconds(pid: number): number {
  let ticks = 0;
  try {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
      .slice(11, 13);
    ticks = Number(user) + Number(system);
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    for (const child of children === '' ? [] : children.split(' ')) ticks += cpuSeconds(Number(child)) * HERTZ;
  } catch {
    // It has ended.
  }
  return ticks / HERTZ;
}

/** Nanoseconds are there by thread only; threads that have ended are missing, so this is for short intervals. */
export function cpuNanoseconds(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // The thread has ended.
    }
  }
  return sum;
}

export class Machine {
  readonly candidate: Candidate;
  readonly #child: ChildProcess;
  readonly #began = performance.now();
  readonly #lines: { readonly text: string; readonly stamp: Stamp }[] = [];
  #partial = '';
  #all = '';
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(candidate: Candidate, guest: { kernel: string; initrd: string; harts: number }) {
    this.candidate = candidate;
    this.#child = spawn(candidate.program, candidate.arguments(guest), { stdio: ['pipe', 'pipe', 'pipe'] });
    const end = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#child.on('error', (error) => {
      this.#all += error.message;
      end();
    });
    this.#child.on('close', end);
    this.#child.stdin!.on('error', () => undefined);
    this.#child.stderr!.on('data', (bytes: Buffer) => {
      this.#all += bytes.toString();
    });
    this.#child.stdout!.on('data', (bytes: Buffer) => this.#take(bytes.toString('latin1').replaceAll('\r', '')));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  #take(text: string): void {
    this.#all = (this.#all + text).slice(-20_000);
    this.#partial += text;
    const lines = this.#partial.split('\n');
    this.#partial = lines.pop()!;
    if (lines.length === 0) return;
    const stamp = { wall: (performance.now() - this.#began) / 1000, cpu: cpuSeconds(this.pid) };
    for (const line of lines) this.#lines.push({ text: line, stamp });
    this.#wake();
  }

  /** The stamp of the next line that matches, and what was printed up to it. */
  async until(pattern: RegExp, seconds: number): Promise<{ match: RegExpExecArray; stamp: Stamp; before: string }> {
    const deadline = performance.now() + seconds * 1000;
    let before = '';
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
        const match = pattern.exec(line.text);
        if (match) return { match, stamp: line.stamp, before };
        before += `${line.text}\n`;
        if (/^@@fail|Kernel panic/.test(line.text)) throw this.#failure(line.text);
      }
      const left = deadline - performance.now();
      if (this.#ended) throw this.#failure('it ended');
      if (left <= 0) throw this.#failure(`nothing came within ${seconds} s`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #failure(why: string): Error {
    return new Error(`${this.candidate.name}: ${why}; the console's end:\n${this.#all.slice(-1500)}`);
  }

  /** Runs one row in the guest. */
  async row(name: string, seconds: number, copies: number): Promise<Measured & { readonly printed: string }> {
    this.#child.stdin!.write(`row ${name} ${seconds} ${copies}\n`);
    const begin = await this.until(/^@@begin/, 120 + 20 * seconds);
    const end = await this.until(/^@@end ([\d.]+)/, 120 + 20 * seconds);
    return {
      amount: Number(end.match[1]),
      wall: end.stamp.wall - begin.stamp.wall,
      cpu: end.stamp.cpu - begin.stamp.cpu,
      printed: end.before,
    };
  }

  /** MiB resident now. */
  residentMiB(): number {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))![1]) / 1024;
  }

  async end(): Promise<void> {
    if (!this.#ended) this.#child.kill('SIGKILL');
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}
