// Guest processes as the host sees them. A pid alone says nothing: it may have been given to somebody else. A guest is a
// process whose command line names its config file, and a signal is sent only after looking at that again.

import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { messageOf } from '#base';

const run = promisify(execFile);

/** What stands before the config file on a guest's command line. */
export const GUEST_FLAG = '--guest';

/** The config file of the guest that runs as `pid`; undefined: no such process, a dead one, or not a guest. */
export async function guestConfigOf(pid: number): Promise<string | undefined> {
  const args = process.platform === 'linux' ? await linuxArgs(pid) : await psArgs(pid);
  const flag = args.indexOf(GUEST_FLAG);
  return flag < 0 ? undefined : args[flag + 1];
}

async function linuxArgs(pid: number): Promise<string[]> {
  try {
    // A zombie has an empty command line.
    return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
  } catch {
    return [];
  }
}

async function psArgs(pid: number): Promise<string[]> {
  try {
    return (await run('ps', ['-ww', '-o', 'args=', '-p', String(pid)])).stdout.trim().split(' ');
  } catch {
    return [];
  }
}

/** Running guests, as pids by config file: all whose config file `belongs`. Linux only; elsewhere pid files must do. */
export async function findGuests(belongs: (config: string) => boolean): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (process.platform !== 'linux') return found;
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  await Promise.all(
    pids.map(async (name) => {
      const config = await guestConfigOf(Number(name));
      if (config !== undefined && belongs(config)) found.set(config, Number(name));
    }),
  );
  return found;
}

export async function readPidFile(path: string): Promise<number | undefined> {
  const pid = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
  return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
}

export class GuestProcess {
  readonly pid: number;
  readonly #config: string;

  constructor(pid: number, config: string) {
    this.pid = pid;
    this.#config = config;
  }

  async alive(): Promise<boolean> {
    return (await guestConfigOf(this.pid)) === this.#config;
  }

  /** True when it is gone within the time. */
  async gone(milliseconds: number): Promise<boolean> {
    const deadline = performance.now() + milliseconds;
    for (let pause = 2; await this.alive(); pause = Math.min(pause * 2, 50)) {
      if (performance.now() > deadline) return false;
      await sleep(pause);
    }
    return true;
  }

  /** SIGKILL, and waits until it is gone. Throws when it will not go. */
  async kill(): Promise<void> {
    if (!(await this.alive())) return;
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch (error) {
      if (await this.alive()) throw new Error(`guest process ${this.pid} cannot be ended: ${messageOf(error)}`);
    }
    if (!(await this.gone(10_000))) throw new Error(`guest process ${this.pid} does not end`);
  }
}
