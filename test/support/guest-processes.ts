// Guest processes in the process table.

import { readdir, readFile } from 'node:fs/promises';

/** Pids of guests whose config file lies under `folder`. A process that is only waiting to be reaped does not count. */
export async function findGuests(folder: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const args = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      const config = args[args.indexOf('--guest') + 1] ?? '';
      return args.includes('--guest') && config.startsWith(folder) ? pid : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}
