// Bytes that arrived ahead of others: kept until the gap before them is closed. Bounded by the receive window, which the
// connection checks, and by the number of pieces, so that one-byte pieces cannot fill memory.

import { add, distance, isBefore } from './sequence.ts';

interface Piece {
  readonly seq: number;
  readonly bytes: Uint8Array;
}

const MAX_PIECES = 256;

export class Reassembly {
  /** By sequence number; they may overlap. */
  readonly #pieces: Piece[] = [];

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  /** Copies what it keeps: the bytes are a view of a frame. */
  keep(seq: number, bytes: Uint8Array): void {
    if (this.#pieces.length >= MAX_PIECES) return;
    const at = this.#pieces.findIndex((piece) => isBefore(seq, piece.seq));
    const piece = { seq, bytes: bytes.slice() };
    if (at < 0) this.#pieces.push(piece);
    else this.#pieces.splice(at, 0, piece);
  }

  /** What follows `next` without a gap, or undefined. */
  take(next: number): Uint8Array | undefined {
    for (;;) {
      const piece = this.#pieces[0];
      if (piece === undefined || isBefore(next, piece.seq)) return undefined;
      this.#pieces.shift();
      const known = distance(piece.seq, next);
      if (distance(next, add(piece.seq, piece.bytes.length)) > 0) return piece.bytes.subarray(known);
    }
  }
}
