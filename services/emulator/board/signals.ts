// From harts to the I/O thread: a notify is posted (a bit in a shared word, and a bell), only the reset of a virtio
// device is waited for, because its driver frees the memory of the rings next.
//
//   hart: or(pending) ─► add(bell) ─► notify          I/O thread: waitAsync(bell) ─► take(slot) ─► walk the queues

import type { Arena } from './arena.ts';
import { MAX_VIRTIO_SLOTS } from './memory-map.ts';

/** Bit of a slot's word beside those of its queues: the driver set DRIVER_OK. */
export const SLOT_DRIVER_OK = 1 << 30;

/** Bits of the board's own word. */
export const BOARD_SIGNAL = { SERIAL: 1, ALARM: 2, POWER: 4 } as const;

/**
 * What a guest may ask of its power supply. A failure carries a code for the message; `stuck` is what is asked for it: the
 * hart can execute nothing any more.
 */
export type PowerRequest =
  | { kind: 'power-off' }
  | { kind: 'reset' }
  | { kind: 'failure'; code: number }
  | { kind: 'stuck'; hart: number };

const POWER_OFF = 1;
const POWER_RESET = 2;
const POWER_FAILURE = 3;
const POWER_STUCK = 4;

const BELL = 0;
const BOARD = 1;
const POWER = 2;
const SLOTS = 16;
const RESETS = SLOTS + MAX_VIRTIO_SLOTS;

export class Signals {
  readonly #words: Int32Array<SharedArrayBuffer>;
  /** Harts and devices share one thread: a reset is carried out at once instead of waited for. */
  onLocalReset: ((slot: number) => void) | undefined;

  constructor(arena: Arena) {
    this.#words = arena.int32(RESETS + MAX_VIRTIO_SLOTS);
  }

  notifyQueue(slot: number, queue: number): void {
    this.#post(SLOTS + slot, 1 << queue);
  }

  driverOk(slot: number): void {
    this.#post(SLOTS + slot, SLOT_DRIVER_OK);
  }

  board(signal: number): void {
    this.#post(BOARD, signal);
  }

  power(request: PowerRequest): void {
    // The first request counts: two harts may both call SRST.
    Atomics.compareExchange(this.#words, POWER, 0, powerWord(request));
    this.board(BOARD_SIGNAL.POWER);
  }

  powerRequest(): PowerRequest | undefined {
    const word = Atomics.load(this.#words, POWER);
    if (word === 0) return undefined;
    switch (word & 0xff) {
      case POWER_FAILURE:
        return { kind: 'failure', code: word >>> 8 };
      case POWER_STUCK:
        return { kind: 'stuck', hart: word >>> 8 };
      case POWER_RESET:
        return { kind: 'reset' };
      default:
        return { kind: 'power-off' };
    }
  }

  clearPower(): void {
    Atomics.store(this.#words, POWER, 0);
  }

  /** On a hart's thread: returns when the I/O thread holds nothing of the slot's queues any more. */
  resetSlot(slot: number): void {
    if (this.onLocalReset !== undefined) {
      this.onLocalReset(slot);
      return;
    }
    Atomics.store(this.#words, RESETS + slot, 1);
    this.#ring();
    while (Atomics.load(this.#words, RESETS + slot) === 1) Atomics.wait(this.#words, RESETS + slot, 1, 1000);
  }

  resetWanted(slot: number): boolean {
    return Atomics.load(this.#words, RESETS + slot) === 1;
  }

  resetDone(slot: number): void {
    Atomics.store(this.#words, RESETS + slot, 0);
    Atomics.notify(this.#words, RESETS + slot);
  }

  takeSlot(slot: number): number {
    return Atomics.load(this.#words, SLOTS + slot) === 0 ? 0 : Atomics.exchange(this.#words, SLOTS + slot, 0);
  }

  takeBoard(): number {
    return Atomics.exchange(this.#words, BOARD, 0);
  }

  /** The bell's count: read it before looking for work, then wait on what was read. */
  bell(): number {
    return Atomics.load(this.#words, BELL);
  }

  /** Resolves when the bell has been rung since it read `seen`. */
  async waitBell(seen: number): Promise<void> {
    const waiting = Atomics.waitAsync(this.#words, BELL, seen);
    if (waiting.async) await waiting.value;
  }

  #post(word: number, bits: number): void {
    if ((Atomics.or(this.#words, word, bits) & bits) !== bits) this.#ring();
  }

  #ring(): void {
    Atomics.add(this.#words, BELL, 1);
    Atomics.notify(this.#words, BELL);
  }
}

function powerWord(request: PowerRequest): number {
  switch (request.kind) {
    case 'failure':
      return POWER_FAILURE | (request.code << 8);
    case 'stuck':
      return POWER_STUCK | (request.hart << 8);
    case 'reset':
      return POWER_RESET;
    case 'power-off':
      return POWER_OFF;
  }
}
