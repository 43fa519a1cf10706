// Child processes that run a TypeScript file of test/ under the same Node, for tests that kill them.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Child {
  readonly process: ChildProcess;
  /** What it has printed, by line. */
  readonly lines: string[];
  readonly ended: Promise<number | null>;
  kill(): Promise<void>;
}

/** `file` is relative to test/. */
export function startChild(file: string, ...args: string[]): Child {
  const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  // Once the pipe is read to its end, not when the process is gone: its last lines count.
  const read = new Promise<void>((resolve) => reader.once('close', resolve));
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code))).then(
    async (code) => {
      await read;
      return code;
    },
  );
  return {
    process: child,
    lines,
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
