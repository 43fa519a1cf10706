// Ends every guest of a state folder and forgets everything in it. A process is ended only when its own command line names
// a guest configuration inside the folder: a pid from a file may long be somebody else's.

import { existsSync } from 'node:fs';
import { readdir, readFile, realpath, rm } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { CumuletError } from '#base';
import { runFolderFor } from '#compute';

const GUEST_PROGRAM = join('services', 'vmm', 'main.ts');

/** Pids of the guest processes whose configuration lies in the folder. */
async function guestsOf(folder: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(join('/proc', entry, 'cmdline'), 'utf8').catch(() => '');
    const words = line.split('\0');
    const isGuest = words.some((word) => word.endsWith(GUEST_PROGRAM));
    if (isGuest && words.some((word) => word.startsWith(folder + sep))) found.push(Number(entry));
  }
  return found;
}

async function killAll(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  for (const pid of pids) {
    while (existsSync(`/proc/${pid}`) && !(await isZombie(pid)))
      await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function isZombie(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
}

/** How many guests were ended. The cloud itself must not run. Throws 'invalid' for a folder that is no state folder. */
export async function cleanState(state: string): Promise<number> {
  if (!existsSync(state)) return 0;
  const folder = await realpath(state);
  const entries = await readdir(folder);
  const known = ['store', 'passwords.json', 'images', 'openrc', 'compile'];
  if (entries.length > 0 && !entries.some((entry) => known.includes(entry) || entry.startsWith('node-'))) {
    throw new CumuletError('invalid', `${state} does not look like the state of a cloud: nothing was removed.`);
  }
  const guests = await guestsOf(folder);
  await killAll(guests);
  for (const entry of entries) {
    // Where a node keeps its guests' sockets is worked out from the node's folder.
    for (const path of new Set([join(folder, entry), join(state, entry)])) {
      await rm(runFolderFor(path), { recursive: true, force: true });
    }
  }
  await rm(folder, { recursive: true, force: true });
  return guests.length;
}
