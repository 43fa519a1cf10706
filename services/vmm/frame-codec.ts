// Frames on a stream: a 4-byte big-endian length before each, as QEMU's `-netdev stream` (docs/decisions/0003). Pure.

import { CumuletError } from '#base';

export const LENGTH_BYTES = 4;

/** Cuts a stream into frames. A length that no frame has ends the stream: nothing after it can be trusted. */
export class FrameReader {
  readonly #min: number;
  readonly #max: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(min: number, max: number) {
    this.#min = min;
    this.#max = max;
  }

  /** Frames are views of `chunk` where they can be: valid during the call. Throws 'invalid' at a bad length. */
  push(chunk: Buffer, frame: (bytes: Buffer) => void): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= LENGTH_BYTES) {
      const length = bytes.readUInt32BE(0);
      if (length < this.#min || length > this.#max) {
        throw new CumuletError('invalid', `a frame of ${length} bytes (${this.#min} to ${this.#max} are possible)`);
      }
      if (bytes.length < LENGTH_BYTES + length) break;
      frame(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + length));
      bytes = bytes.subarray(LENGTH_BYTES + length);
    }
    // A copy: the chunk's memory is not kept alive by a few bytes.
    this.#rest = bytes.length === 0 ? Buffer.alloc(0) : Buffer.from(bytes);
  }
}

/** A frame with its length before it. Copies: `parts` are guest RAM and will change. */
export function encodeFrame(parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + length);
  bytes.writeUInt32BE(length, 0);
  let at = LENGTH_BYTES;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
