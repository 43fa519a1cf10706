// The board's shared memory: registers of devices that more than one thread touches. Every thread builds the same Board
// over the same buffer in the same order, so the n-th piece handed out is the same piece everywhere. In a machine the
// buffer is the harts' state memory, whose first part belongs to the board (hart/layout.ts).

import { CumuletError } from '#base';
import { MACHINE_WORDS_SIZE } from '../hart/layout.ts';

/** What the board takes of the buffer. */
export const ARENA_BYTES = MACHINE_WORDS_SIZE;

export class Arena {
  readonly #buffer: SharedArrayBuffer;
  #next = 0;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
  }

  int32(count: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.#buffer, this.#take(count * 4), count);
  }

  float64(count: number): Float64Array<SharedArrayBuffer> {
    return new Float64Array(this.#buffer, this.#take(count * 8), count);
  }

  bigint64(count: number): BigInt64Array<SharedArrayBuffer> {
    return new BigInt64Array(this.#buffer, this.#take(count * 8), count);
  }

  bytes(count: number): Uint8Array<SharedArrayBuffer> {
    return new Uint8Array(this.#buffer, this.#take(count), count);
  }

  /** 64-byte steps: words of two devices never share a cache line. */
  #take(bytes: number): number {
    const at = this.#next;
    this.#next = (at + bytes + 63) & ~63;
    if (this.#next > ARENA_BYTES) throw new CumuletError('internal', 'the board has outgrown its shared memory');
    return at;
  }
}
