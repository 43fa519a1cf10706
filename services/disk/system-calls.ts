// Two calls that Node does not have, through koffi: holes in host files, and locks on them. Where koffi or a call is missing
// (another platform, a filesystem that cannot, a process whose permissions forbid addons) the answer says so, and callers
// do without.

import { createRequire } from 'node:module';

// linux/falloc.h
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;
// sys/file.h
const LOCK_EX = 2;
const LOCK_NB = 4;

interface Calls {
  fallocate: {
    async(
      fd: number,
      mode: number,
      offset: number,
      length: number,
      done: (error: unknown, result: number) => void,
    ): void;
  };
  flock(fd: number, operation: number): number;
  /** errno of the last call. */
  errno(): number;
  readonly EWOULDBLOCK: number;
}

let calls: Calls | null | undefined;

function load(): Calls | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load(null);
    const fallocate = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
    const flock = libc.func('int flock(int fd, int operation)');
    const { EWOULDBLOCK, EAGAIN } = koffi.os.errno as Readonly<Record<string, number>>;
    return {
      fallocate: fallocate as unknown as Calls['fallocate'],
      flock: flock as unknown as Calls['flock'],
      errno: () => koffi.errno(),
      EWOULDBLOCK: EWOULDBLOCK ?? EAGAIN ?? 11,
    };
  } catch {
    return null;
  }
}

const loaded = (): Calls | null => {
  if (calls === undefined) calls = load();
  return calls;
};

/** Gives the range back to the filesystem; it reads as zero. False: not possible here, nothing has changed. */
export function punchHole(fd: number, offset: number, length: number): Promise<boolean> {
  const system = loaded();
  if (system === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    system.fallocate.async(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length, (error, result) => {
      resolve(error == null && result === 0);
    });
  });
}

/**
 * Locks an open file against other writers that ask; the lock ends with the descriptor, also when its process dies. False:
 * somebody else has it. Where there are no locks the answer is true.
 */
export function lockFile(fd: number): boolean {
  const system = loaded();
  if (system === null || system.flock(fd, LOCK_EX | LOCK_NB) === 0) return true;
  return system.errno() !== system.EWOULDBLOCK;
}
