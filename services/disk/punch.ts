// fallocate(2) through koffi, for holes in host files. Where koffi or the call is missing (another platform, a filesystem
// without holes, a process whose permissions forbid addons) `punchHole` answers false and the caller writes zeroes.

import { createRequire } from 'node:module';

// linux/falloc.h
const FALLOC_FL_KEEP_SIZE = 0x01;
const FALLOC_FL_PUNCH_HOLE = 0x02;

type Fallocate = {
  async(fd: number, mode: number, offset: number, length: number, done: (error: unknown, result: number) => void): void;
};

let fallocate: Fallocate | null | undefined;

function load(): Fallocate | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    return koffi
      .load(null)
      .func('int fallocate(int fd, int mode, int64_t offset, int64_t length)') as unknown as Fallocate;
  } catch {
    return null;
  }
}

/** Gives the range back to the filesystem; it reads as zero. False: not possible here, nothing has changed. */
export function punchHole(fd: number, offset: number, length: number): Promise<boolean> {
  if (fallocate === undefined) fallocate = load();
  const call = fallocate;
  if (call === null) return Promise.resolve(false);
  return new Promise((resolve) => {
    call.async(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length, (error, result) => {
      resolve(error == null && result === 0);
    });
  });
}
