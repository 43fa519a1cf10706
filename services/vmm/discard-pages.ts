// Pages of guest RAM given back to the host (madvise(2), through koffi). Where koffi or the call is missing they stay: the
// balloon works, and nothing is gained by it.

import { createRequire } from 'node:module';

/** asm-generic/mman-common.h */
const MADV_DONTNEED = 4;

/** A function that gives back a range of `memory`, by offset. */
export function pageDiscarder(memory: Uint8Array): (offset: number, length: number) => void {
  if (process.platform !== 'linux') return () => undefined;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const madvise = koffi.load(null).func('int madvise(void *address, size_t length, int advice)');
    return (offset, length) => {
      madvise(memory.subarray(offset, offset + length), length, MADV_DONTNEED);
    };
  } catch {
    return () => undefined;
  }
}
