// Time is passed in. Wall time is for people and records (UTC, microseconds); monotonic time is for deadlines, so that a
// laptop that slept or a clock that was set expires nobody.

import { performance } from 'node:perf_hooks';

export interface Clock {
  /** UTC, in microseconds since 1970. */
  now(): number;
  /** Milliseconds on a clock that only goes forward. Its origin means nothing. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
  monotonic: () => performance.now(),
};

/** A clock that a test moves by hand. */
export class ManualClock implements Clock {
  #micros: number;
  #monotonic = 0;

  constructor(startMicros = Date.UTC(2026, 0, 2, 3, 4, 5) * 1000) {
    this.#micros = startMicros;
  }

  now(): number {
    return this.#micros;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  advance(milliseconds: number): void {
    this.#micros += milliseconds * 1000;
    this.#monotonic += milliseconds;
  }
}
