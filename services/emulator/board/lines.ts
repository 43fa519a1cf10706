// How other threads reach a hart: the words that hart/contract.ts names, in the hart's shared state.

import type { HartWords } from '../hart/contract.ts';

export interface HartLines {
  /** Raises or lowers LINE bits; wakes the hart when one rises. */
  set(bits: number, on: boolean): void;
  /** The LINE bits that are up. */
  get(): number;
  /** Raises REQUEST bits and wakes the hart. */
  request(bits: number): void;
  /** REQUEST bits that the hart has not answered yet. */
  requests(): number;
  clearRequest(bits: number): void;
  /** Wakes a hart that waits for something outside its lines (a start by another hart). */
  wake(): void;
  /** Blocks this thread until wake(), or until `milliseconds` passed; `seen` is what wakes() said before the caller looked. */
  sleep(seen: number, milliseconds: number): void;
  wakes(): number;
}

export class SharedHartLines implements HartLines {
  readonly #words: Int32Array;
  readonly #lines: number;
  readonly #requests: number;
  readonly #wake: number;

  constructor(state: SharedArrayBuffer, words: HartWords) {
    this.#words = new Int32Array(state);
    this.#lines = words.lines >> 2;
    this.#requests = words.requests >> 2;
    this.#wake = words.wake >> 2;
  }

  set(bits: number, on: boolean): void {
    if (!on) {
      Atomics.and(this.#words, this.#lines, ~bits);
    } else if ((Atomics.or(this.#words, this.#lines, bits) & bits) !== bits) {
      this.wake();
    }
  }

  get(): number {
    return Atomics.load(this.#words, this.#lines);
  }

  request(bits: number): void {
    Atomics.or(this.#words, this.#requests, bits);
    this.wake();
  }

  requests(): number {
    return Atomics.load(this.#words, this.#requests);
  }

  clearRequest(bits: number): void {
    Atomics.and(this.#words, this.#requests, ~bits);
  }

  wake(): void {
    Atomics.add(this.#words, this.#wake, 1);
    Atomics.notify(this.#words, this.#wake);
  }

  wakes(): number {
    return Atomics.load(this.#words, this.#wake);
  }

  sleep(seen: number, milliseconds: number): void {
    Atomics.wait(this.#words, this.#wake, seen, milliseconds);
  }
}
