// The device's side of a split virtqueue (virtio 1.2, 2.7), with indirect descriptors and event indexes.
//
// A guest may write anything into its rings at any time. Every address is checked against RAM when its descriptor is
// read, a chain has at most as many descriptors as the queue (or an indirect table) has room for, so a loop ends, and
// each descriptor is read once: what was checked is what is used.

import type { GuestMemory } from '../board/guest-memory.ts';
import { VirtioFault } from './registers.ts';

const DESC_BYTES = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AVAIL_F_NO_INTERRUPT = 1;
const USED_F_NO_NOTIFY = 1;
/** Largest indirect table taken: far above what drivers make (seg_max + 2). */
const MAX_INDIRECT = 1024;

export interface QueueAddresses {
  readonly size: number;
  readonly maxSize: number;
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
}

/** A buffer that the driver has made available. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly Uint8Array<SharedArrayBuffer>[];
  readonly writable: readonly Uint8Array<SharedArrayBuffer>[];
  readonly readableBytes: number;
  readonly writableBytes: number;
}

export interface VirtqueueStateV1 {
  readonly kind: 'virtqueue';
  readonly version: 1;
  readonly nextAvail: number;
  readonly nextUsed: number;
  readonly signalledUsed: number;
}

export class Virtqueue {
  readonly size: number;
  readonly #ram: GuestMemory;
  readonly #eventIdx: boolean;
  readonly #desc: number;
  readonly #avail: number;
  readonly #used: number;
  /** Free-running 16-bit indexes, as in the rings. */
  #nextAvail = 0;
  #nextUsed = 0;
  /** The used index at the last decision whether to interrupt. */
  #signalledUsed = 0;

  constructor(ram: GuestMemory, at: QueueAddresses, eventIdx: boolean) {
    const { size } = at;
    if (size < 1 || size > at.maxSize || (size & (size - 1)) !== 0) {
      throw new VirtioFault(`queue size ${size} is not a power of two up to ${at.maxSize}`);
    }
    this.size = size;
    this.#ram = ram;
    this.#eventIdx = eventIdx;
    this.#desc = part(ram, 'descriptor table', at.desc, size * DESC_BYTES, 16);
    this.#avail = part(ram, 'available ring', at.driver, 6 + size * 2, 2);
    this.#used = part(ram, 'used ring', at.device, 6 + size * 8, 4);
  }

  /** How many buffers the driver has made available and nobody has taken. */
  available(): number {
    const index = Atomics.load(this.#ram.words16, (this.#avail + 2) >>> 1);
    const count = (index - this.#nextAvail) & 0xffff;
    if (count > this.size) throw new VirtioFault(`available index jumps by ${count} in a queue of ${this.size}`);
    return count;
  }

  /** Takes the next available buffer. */
  pop(): Chain | undefined {
    if (this.available() === 0) return undefined;
    const head = this.#ram.words16[(this.#avail + 4 + (this.#nextAvail & (this.size - 1)) * 2) >>> 1]!;
    if (head >= this.size) throw new VirtioFault(`descriptor ${head} in a queue of ${this.size}`);
    this.#nextAvail = (this.#nextAvail + 1) & 0xffff;
    const chain = { head, readable: [], writable: [], readableBytes: 0, writableBytes: 0 };
    this.#walk(chain, this.#desc, this.size, head, this.size, false);
    return chain;
  }

  /** Gives back the last `count` buffers taken, unused: they are available again. */
  unpop(count: number): void {
    this.#nextAvail = (this.#nextAvail - count) & 0xffff;
  }

  /** Returns a buffer with `written` bytes of its writable part filled. */
  push(chain: Chain, written: number): void {
    this.put(chain, written);
    this.publish();
  }

  /** Puts a buffer into the used ring; the driver sees it, and those put before, after publish(). */
  put(chain: Chain, written: number): void {
    let left = written;
    for (const segment of chain.writable) {
      if (left <= 0) break;
      const length = Math.min(left, segment.length);
      this.#ram.onWritten(segment.byteOffset, length);
      left -= length;
    }
    const at = (this.#used + 4 + (this.#nextUsed & (this.size - 1)) * 8) >>> 2;
    this.#ram.words32[at] = chain.head;
    this.#ram.words32[at + 1] = written;
    this.#ram.onWritten(at * 4, 8);
    this.#nextUsed = (this.#nextUsed + 1) & 0xffff;
  }

  publish(): void {
    // The store of the index publishes the element (2.7.8.2).
    Atomics.store(this.#ram.words16, (this.#used + 2) >>> 1, this.#nextUsed);
    this.#ram.onWritten(this.#used, 4);
  }

  /** Whether the driver wants an interrupt for what was pushed since the last question (2.7.7.2, 2.7.10). */
  needsInterrupt(): boolean {
    const old = this.#signalledUsed;
    const now = this.#nextUsed;
    if (now === old) return false;
    this.#signalledUsed = now;
    if (!this.#eventIdx) {
      return (Atomics.load(this.#ram.words16, this.#avail >>> 1) & AVAIL_F_NO_INTERRUPT) === 0;
    }
    const event = Atomics.load(this.#ram.words16, (this.#avail + 4 + this.size * 2) >>> 1);
    return ((now - event - 1) & 0xffff) < ((now - old) & 0xffff);
  }

  /** Asks for a notify at the next buffer that the driver makes available. The caller looks once more afterwards: the driver may have been quicker. */
  wantNotify(): void {
    const event = this.#used + 4 + this.size * 8;
    // Behind what is there already: some of it may have been left, because it was not enough.
    const available = Atomics.load(this.#ram.words16, (this.#avail + 2) >>> 1);
    if (this.#eventIdx) Atomics.store(this.#ram.words16, event >>> 1, available);
    else Atomics.store(this.#ram.words16, this.#used >>> 1, 0);
    this.#ram.onWritten(this.#eventIdx ? event : this.#used, 2);
  }

  /** No notify is needed while the device works on the queue. */
  suppressNotify(): void {
    if (this.#eventIdx) return;
    Atomics.store(this.#ram.words16, this.#used >>> 1, USED_F_NO_NOTIFY);
    this.#ram.onWritten(this.#used, 2);
  }

  save(): VirtqueueStateV1 {
    const { version, kind } = { version: 1, kind: 'virtqueue' } as const;
    return { kind, version, nextAvail: this.#nextAvail, nextUsed: this.#nextUsed, signalledUsed: this.#signalledUsed };
  }

  restore(state: VirtqueueStateV1): void {
    this.#nextAvail = state.nextAvail;
    this.#nextUsed = state.nextUsed;
    this.#signalledUsed = state.signalledUsed;
  }

  #walk(chain: Building, table: number, entries: number, first: number, limit: number, indirect: boolean): void {
    let index = first;
    for (let steps = 0; ; steps++) {
      if (steps >= limit) throw new VirtioFault('descriptor chain is longer than its table: a loop');
      if (index >= entries) throw new VirtioFault(`next descriptor ${index} in a table of ${entries}`);
      const at = (table + index * DESC_BYTES) >>> 2;
      const low = this.#ram.words32[at]!;
      const high = this.#ram.words32[at + 1]!;
      const length = this.#ram.words32[at + 2]!;
      const rest = this.#ram.words32[at + 3]!;
      const flags = rest & 0xffff;
      const address = high * 0x1_0000_0000 + low;
      if ((flags & DESC_F_INDIRECT) !== 0) {
        if (indirect) throw new VirtioFault('an indirect descriptor inside an indirect table');
        if ((flags & DESC_F_NEXT) !== 0) throw new VirtioFault('an indirect descriptor with a next one');
        const count = length / DESC_BYTES;
        if (!Number.isInteger(count) || count < 1 || count > MAX_INDIRECT)
          throw new VirtioFault(`an indirect table of ${length} bytes`);
        const inner = this.#ram.offset(address, length);
        if (inner < 0 || (inner & 3) !== 0) throw new VirtioFault(`an indirect table at ${address.toString(16)}`);
        this.#walk(chain, inner, count, 0, count, true);
        return;
      }
      this.#segment(chain, address, length, (flags & DESC_F_WRITE) !== 0);
      if ((flags & DESC_F_NEXT) === 0) return;
      index = rest >>> 16;
    }
  }

  #segment(chain: Building, address: number, length: number, writable: boolean): void {
    const offset = this.#ram.offset(address, length);
    if (offset < 0) throw new VirtioFault(`a buffer of ${length} bytes at ${address.toString(16)}, outside RAM`);
    if (writable) {
      chain.writable.push(this.#ram.view(offset, length));
      chain.writableBytes += length;
    } else {
      if (chain.writable.length > 0) throw new VirtioFault('a readable descriptor after a writable one');
      chain.readable.push(this.#ram.view(offset, length));
      chain.readableBytes += length;
    }
    // Buffers may overlap; without a limit on their sum, one chain could make a device copy without end.
    if (chain.readableBytes + chain.writableBytes > this.#ram.size) throw new VirtioFault('a buffer larger than RAM');
  }
}

interface Building {
  head: number;
  readable: Uint8Array<SharedArrayBuffer>[];
  writable: Uint8Array<SharedArrayBuffer>[];
  readableBytes: number;
  writableBytes: number;
}

function part(ram: GuestMemory, name: string, gpa: number, length: number, align: number): number {
  const offset = ram.offset(gpa, length);
  if (offset < 0) throw new VirtioFault(`the ${name} at ${gpa.toString(16)} lies outside RAM`);
  if (offset % align !== 0) throw new VirtioFault(`the ${name} at ${gpa.toString(16)} is not aligned to ${align}`);
  return offset;
}
