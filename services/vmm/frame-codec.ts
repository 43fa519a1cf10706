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

const BATCH_BYTES = 512 * 1024;

/** Gathers frames, each with its length before it, so that many leave by one write. Copies: parts are guest RAM. */
export class FrameBatch {
  #bytes = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** False: the frame does not fit behind the others; take() what is there first. */
  add(parts: readonly Uint8Array[]): boolean {
    let length = 0;
    for (const part of parts) length += part.length;
    if (this.#length + LENGTH_BYTES + length > this.#bytes.length) {
      if (this.#length > 0) return false;
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(BATCH_BYTES, LENGTH_BYTES + length));
    }
    let at = this.#bytes.writeUInt32BE(length, this.#length);
    for (const part of parts) {
      this.#bytes.set(part, at);
      at += part.length;
    }
    this.#length = at;
    return true;
  }

  /** What was gathered. The batch goes on in the memory behind it, because a write may still refer to this. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#bytes.subarray(this.#length);
    this.#length = 0;
    return taken;
  }
}
