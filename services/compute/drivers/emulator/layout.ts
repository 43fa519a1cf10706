// Where the files and sockets of one guest are. Files lie in the instance's folder; sockets in a short folder of their own,
// since the path of a socket has at most 107 characters, and a state folder may be deep.

import { createHash } from 'node:crypto';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { CumuletError } from '#base';
import type { Instance } from '../../driver.ts';

/** sun_path holds 108 bytes on Linux, 104 elsewhere, the closing zero included. */
const MAX_SOCKET_PATH = process.platform === 'linux' ? 107 : 103;

export interface GuestLayout {
  readonly config: string;
  readonly pidFile: string;
  /** What the process says on stdout and stderr. */
  readonly log: string;
  readonly consoleLog: string;
  readonly configDrive: string;
  /** Folder of the sockets. */
  readonly run: string;
  readonly control: string;
  readonly console: string;
  readonly display: string;
  nic(index: number): string;
}

export function layoutOf(instance: Pick<Instance, 'id' | 'folder'>, runFolder: string): GuestLayout {
  const run = join(runFolder, instance.id);
  return {
    config: join(instance.folder, 'guest.json'),
    pidFile: join(instance.folder, 'guest.pid'),
    log: join(instance.folder, 'guest.log'),
    consoleLog: join(instance.folder, 'console.log'),
    configDrive: join(instance.folder, 'config.iso'),
    run,
    control: join(run, 'control'),
    console: join(run, 'console'),
    display: join(run, 'display'),
    nic: (index) => join(run, `nic${index}`),
  };
}

/** The folder for sockets of the guests whose state lies in `stateFolder`: the same each time, another for each state. */
export function runFolderFor(stateFolder: string, environment: NodeJS.ProcessEnv = process.env): string {
  const hash = createHash('sha256').update(stateFolder).digest('hex').slice(0, 10);
  const candidates = [environment.XDG_RUNTIME_DIR, tmpdir(), '/tmp'].filter((folder) => folder !== undefined);
  for (const folder of candidates) {
    const run = join(folder, `cumulet-${userInfo().uid}-${hash}`);
    const longest = join(run, '0'.repeat(36), 'control');
    if (folder !== '' && Buffer.byteLength(longest) <= MAX_SOCKET_PATH) return run;
  }
  throw new CumuletError('invalid', 'No folder has a path that is short enough for sockets.');
}
