// Calls that Node does not have, through koffi: holes in host files, locks on them, and reads of what is in memory already. Where koffi or a call is missing
// (another platform, a filesystem that cannot, a process whose permissions forbid addons) the answer says so, and callers
// do without.

import { createRequire } from 'node:module';

// linux/falloc.h
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;
// sys/file.h
const LOCK_EX = 2;
const LOCK_NB = 4;
// linux/fs.h
const RWF_NOWAIT = 0x08;
/** Buffers of one readCached at most. */
const MAX_CACHED_BUFFERS = 256;

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
  preadv2(fd: number, iov: Uint32Array, count: number, offset: number, flags: number): number;
  address(bytes: Uint8Array): bigint;
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
    const preadv2 = libc.func('int64_t preadv2(int fd, void *iov, int count, int64_t offset, int flags)');
    const { EWOULDBLOCK, EAGAIN } = koffi.os.errno as Readonly<Record<string, number>>;
    return {
      fallocate: fallocate as unknown as Calls['fallocate'],
      flock: flock as unknown as Calls['flock'],
      preadv2: preadv2 as unknown as Calls['preadv2'],
      address: (bytes) => koffi.address(bytes) as bigint,
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

/** struct iovec, each an address and a length of 64 bits, as halves. */
const iov = new Uint32Array(4 * MAX_CACHED_BUFFERS);
/** Where shared memory lies. It stays there, and asking costs more than reading 4 KiB. */
const addresses = new WeakMap<SharedArrayBuffer, number>();

function addressOf(system: Calls, buffer: SharedArrayBuffer): number {
  let address = addresses.get(buffer);
  if (address === undefined) {
    // User space addresses have 47 bits: a number holds them.
    address = Number(system.address(new Uint8Array(buffer)));
    addresses.set(buffer, address);
  }
  return address;
}

/**
 * Reads on this thread what the host has in its page cache, and never waits for a disk. Returns how many bytes it read: 0
 * when there are none at once, or this cannot be asked here. The buffers lie in shared memory, which does not move.
 */
export function readCached(fd: number, into: readonly Uint8Array[], position: number): number {
  if (into.length > MAX_CACHED_BUFFERS) return 0;
  const system = loaded();
  if (system === null) return 0;
  let at = 0;
  for (const { buffer, byteOffset, length } of into) {
    if (!(buffer instanceof SharedArrayBuffer)) return 0;
    const address = addressOf(system, buffer) + byteOffset;
    iov[at] = address;
    iov[at + 1] = address / 0x1_0000_0000;
    iov[at + 2] = length;
    iov[at + 3] = 0;
    at += 4;
  }
  return Math.max(0, system.preadv2(fd, iov, into.length, position, RWF_NOWAIT));
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
