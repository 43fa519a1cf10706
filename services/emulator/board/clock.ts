// mtime: ticks of 10 MHz that every thread reads alike. It stands still while the machine is paused, and goes on from
// the saved value after a restore, so that a guest never sees its timers jump. The host's clock is passed in.

import { TIMEBASE_HZ } from '../hart/contract.ts';
import type { Arena } from './arena.ts';

const TICKS_PER_MS = TIMEBASE_HZ / 1000;

/** Milliseconds, forward only, with the same origin on every thread. */
export type HostTime = () => number;

const OFFSET = 0;
const FROZEN_AT = 1;

export class GuestClock {
  readonly #words: Float64Array<SharedArrayBuffer>;
  readonly #host: HostTime;

  constructor(arena: Arena, host: HostTime) {
    this.#words = arena.float64(2);
    this.#host = host;
  }

  /** Written by one thread, before any hart runs: mtime is `ticks` and stands. */
  set(ticks: number): void {
    this.#words[FROZEN_AT] = ticks;
    this.#words[OFFSET] = 1;
  }

  /** Ticks since power-on (or what the guest made of it). */
  now(): number {
    const frozen = this.#words[FROZEN_AT]!;
    return frozen >= 0 ? frozen : Math.floor(this.#host() * TICKS_PER_MS + this.#words[OFFSET]!);
  }

  freeze(): void {
    if (this.#words[FROZEN_AT]! < 0) this.#words[FROZEN_AT] = this.now();
  }

  thaw(): void {
    const frozen = this.#words[FROZEN_AT]!;
    if (frozen < 0) return;
    this.#words[OFFSET] = frozen - Math.floor(this.#host() * TICKS_PER_MS);
    this.#words[FROZEN_AT] = -1;
  }

  /** M-mode software writes mtime. */
  write(ticks: number): void {
    if (this.#words[FROZEN_AT]! >= 0) this.#words[FROZEN_AT] = ticks;
    else this.#words[OFFSET] = ticks - Math.floor(this.#host() * TICKS_PER_MS);
  }
}
