// A short account of all that harts have done: registers and counters of a hart at the end of each of its slices, mixed
// into 64 bits. Two runs that executed the same instructions have the same hash; one instruction more, another value in one
// register at the end of one slice, and it differs.

import { F, hartOffset, W, X } from '../hart/layout.ts';

const WORDS: readonly (keyof typeof W)[] = [
  'pc',
  'retired',
  'mstatus',
  'mepc',
  'mcause',
  'sepc',
  'scause',
  'stval',
  'satp',
];

const BEGIN_LOW = 0x811c_9dc5 | 0;
const BEGIN_HIGH = 0x9dc5_811c | 0;

export class TraceHash {
  readonly #words: Int32Array;
  #low = BEGIN_LOW;
  #high = BEGIN_HIGH;

  constructor(state: ArrayBufferLike) {
    this.#words = new Int32Array(state);
  }

  /** After a slice of the hart. */
  take(hart: number): void {
    const base = hartOffset(hart) >> 2;
    this.#mix(hart);
    for (let at = X >> 2; at < (F >> 2) + 64; at++) this.#mix(this.#words[base + at]!);
    for (const word of WORDS) {
      const at = base + (W[word] >> 2);
      this.#mix(this.#words[at]!);
      this.#mix(this.#words[at + 1]!);
    }
  }

  get text(): string {
    return [this.#high, this.#low].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }

  /** Two lanes of FNV-1a with different primes; the second also turns, so that order counts in each bit. */
  #mix(value: number): void {
    this.#low = Math.imul(this.#low ^ value, 0x0100_0193);
    const turned = (this.#high << 5) | (this.#high >>> 27);
    this.#high = Math.imul(turned ^ value, 0x85eb_ca6b) + 0x9e37_79b9;
  }
}
