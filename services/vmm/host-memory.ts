// Guest RAM as the host's kernel sees it, through koffi: files mapped over it, pages that were touched, huge pages. Where
// koffi or a call is missing (another platform, another libc, a process whose permissions forbid addons), the answer says so
// and callers do without.

import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';

const PAGE = 4096;

// asm-generic/mman-common.h
const PROT_READ_WRITE = 3;
const MAP_PRIVATE = 2;
const MAP_FIXED = 0x10;
const MADV_HUGEPAGE = 14;

interface Calls {
  mmap(address: bigint, length: number, protection: number, flags: number, fd: number, offset: number): bigint;
  madvise(address: bigint, length: number, advice: number): number;
  address(memory: Uint8Array): bigint;
}

let calls: Calls | null | undefined;

function load(): Calls | null {
  if (process.platform !== 'linux') return null;
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const libc = koffi.load(null);
    const mmap = libc.func(
      'intptr_t mmap(uintptr_t at, size_t length, int protection, int flags, int fd, int64_t offset)',
    );
    const madvise = libc.func('int madvise(uintptr_t at, size_t length, int advice)');
    return {
      mmap: (...of) => BigInt(mmap(...of) as number | bigint),
      madvise: madvise as unknown as Calls['madvise'],
      address: (memory) => BigInt(koffi.address(memory) as number | bigint),
    };
  } catch {
    return null;
  }
}

const loaded = (): Calls | null => {
  calls ??= load();
  return calls;
};

/** Where page-aligned memory lies, or undefined. */
function place(memory: Uint8Array): { libc: Calls; at: bigint } | undefined {
  const libc = loaded();
  if (libc === null || memory.length === 0 || memory.length % PAGE !== 0) return undefined;
  const at = libc.address(memory);
  return at % BigInt(PAGE) === 0n ? { libc, at } : undefined;
}

/**
 * The file's bytes from `offset` take the place of this memory, copy-on-write: what is written to it stays here. The file must
 * never be shortened while the mapping lives. False: nothing has happened, the caller reads the file instead.
 */
export function mapFile(memory: Uint8Array, fd: number, offset: number): boolean {
  const found = place(memory);
  if (found === undefined) return false;
  const at = found.libc.mmap(found.at, memory.length, PROT_READ_WRITE, MAP_PRIVATE | MAP_FIXED, fd, offset);
  return at === found.at;
}

/** Pages that are touched from now on may be huge ones. */
export function adviseHugePages(memory: Uint8Array): void {
  const found = place(memory);
  found?.libc.madvise(found.at, memory.length, MADV_HUGEPAGE);
}

// Documentation/admin-guide/mm/pagemap.rst: a 64-bit word for each page.
const PRESENT_OR_SWAPPED = 0xc000_0000;
/** Of a mapped file, and nothing has been written to it here. */
const OF_FILE = 0x2000_0000;
const WORDS_A_READ = 64 * 1024;

/**
 * Runs of pages ([offset, length] in bytes) that this process has made its own by touching them. The others are zero, or
 * what a mapped file has there. Undefined: the host does not say.
 */
export function ownPages(memory: Uint8Array): [number, number][] | undefined {
  const found = place(memory);
  if (found === undefined) return undefined;
  let fd: number;
  try {
    fd = openSync('/proc/self/pagemap', 'r');
  } catch {
    return undefined;
  }
  try {
    const first = Number(found.at / BigInt(PAGE));
    const pages = memory.length / PAGE;
    const words = new Uint32Array(2 * Math.min(pages, WORDS_A_READ));
    const bytes = new Uint8Array(words.buffer);
    const runs: [number, number][] = [];
    let run: [number, number] | undefined;
    for (let page = 0; page < pages; ) {
      const count = Math.min(WORDS_A_READ, pages - page);
      const read = readSync(fd, bytes, 0, count * 8, (first + page) * 8);
      if (read !== count * 8) return undefined;
      for (let index = 0; index < count; index++) {
        const word = words[2 * index + 1]!;
        if ((word & PRESENT_OR_SWAPPED) === 0 || (word & OF_FILE) !== 0) {
          run = undefined;
        } else if (run === undefined) {
          run = [(page + index) * PAGE, PAGE];
          runs.push(run);
        } else {
          run[1] += PAGE;
        }
      }
      page += count;
    }
    return runs;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}
