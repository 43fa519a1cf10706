// Which pages of RAM have been written to since the last look: what live migration and incremental snapshots copy. Off, it
// costs nothing: harts note a page when they get permission to write to it (a write entry of the TLB, mmu/walk.ts), which is
// where the switch is looked at; devices tell what they wrote (GuestMemory.onWritten).
//
// A round: take() swaps the bits for zeros, then every hart must give up its write entries (REQUEST.WRITES) before the pages
// are read. So a store through an older entry comes before the copy of its page, or its page is noted again:
//
//   I/O thread   take() ─► request(WRITES) ─► all have answered ─► read the pages taken
//   hart              ...stores by old entries...  │ flushWrites │  store ─► TLB miss ─► bit ─► entry
//
// Harts note a page before they write to it, others afterwards; both are right, for a bit that is set between take() and
// the answer belongs to the next round.

import { DIRTY_BITS, DIRTY_ON, PAGE_SIZE } from '../hart/layout.ts';

export class DirtyLog {
  readonly pages: number;
  readonly #on: Int32Array<SharedArrayBuffer>;
  readonly #bits: Int32Array<SharedArrayBuffer>;

  constructor(state: SharedArrayBuffer, ramBytes: number) {
    this.pages = ramBytes / PAGE_SIZE;
    this.#on = new Int32Array(state, DIRTY_ON, 1);
    this.#bits = new Int32Array(state, DIRTY_BITS, Math.ceil(this.pages / 32));
  }

  get on(): boolean {
    return Atomics.load(this.#on, 0) !== 0;
  }

  /** Nothing is noted yet. Entries of TLBs are older than the log: the caller lets all harts answer WRITES. */
  start(): void {
    this.#bits.fill(0);
    Atomics.store(this.#on, 0, 1);
  }

  stop(): void {
    Atomics.store(this.#on, 0, 0);
  }

  /** These bytes of RAM have been written to, by anything but a hart. */
  note(offset: number, length: number): void {
    if (length <= 0 || Atomics.load(this.#on, 0) === 0) return;
    const last = Math.floor((offset + length - 1) / PAGE_SIZE);
    for (let page = Math.floor(offset / PAGE_SIZE); page <= last; page++) {
      Atomics.or(this.#bits, page >>> 5, 1 << (page & 31));
    }
  }

  /** The pages noted since the last call, page 0 in bit 0 of byte 0, and none is noted any more. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = new Int32Array(this.#bits.length);
    for (let word = 0; word < taken.length; word++) {
      if (this.#bits[word] !== 0) taken[word] = Atomics.exchange(this.#bits, word, 0);
    }
    return new Uint8Array(taken.buffer);
  }
}

/** Runs of pages in a bitmap of take(): [offset, length] in bytes of RAM. */
export function* dirtyRuns(bitmap: Uint8Array, ramBytes: number): Generator<readonly [number, number]> {
  const pages = Math.min(bitmap.length * 8, ramBytes / PAGE_SIZE);
  let start = -1;
  for (let page = 0; page < pages; page++) {
    if (start < 0 && (page & 7) === 0 && bitmap[page >> 3] === 0) {
      page += 7;
      continue;
    }
    const dirty = (bitmap[page >> 3]! & (1 << (page & 7))) !== 0;
    if (dirty && start < 0) start = page;
    if (!dirty && start >= 0) {
      yield [start * PAGE_SIZE, (page - start) * PAGE_SIZE];
      start = -1;
    }
  }
  if (start >= 0) yield [start * PAGE_SIZE, (pages - start) * PAGE_SIZE];
}
