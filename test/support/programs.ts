// Programs that tests start: found on the PATH or refused with the command that installs them; on ports that were free a
// moment ago and in folders of their own; gone when the test is.

import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where Debian puts daemons; it is not on every user's PATH. */
const SBIN = ['/usr/sbin', '/sbin'];

export function findProgram(program: string, debianPackage: string): string {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...SBIN]) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  throw new Error(`This test needs the program ${program}. Install it: sudo apt-get install ${debianPackage}`);
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export interface RunningProgram {
  readonly pid: number;
  /** What it printed so far. */
  output(): string;
  /** False once it has ended. */
  isRunning(): boolean;
  /** Ends it and waits for that. */
  end(signal?: NodeJS.Signals): Promise<void>;
}

export function startProgram(path: string, args: readonly string[], folder: string): RunningProgram {
  const child: ChildProcess = spawn(path, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let running = true;
  const collect = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-100_000);
  };
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      running = false;
      resolve();
    });
    child.once('exit', () => {
      running = false;
      resolve();
    });
  });
  return {
    pid: child.pid ?? 0,
    output: () => output,
    isRunning: () => running,
    end: async (signal = 'SIGTERM') => {
      if (running) child.kill(signal);
      const force = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(force);
    },
  };
}

export function tempFolder(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `cumulet-${name}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}
