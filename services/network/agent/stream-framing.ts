// Frames on a byte stream, as QEMU's `-netdev stream` has them: a 4-byte big-endian length, then the frame. With framing
// `vnet-hdr` the length counts the 12-byte virtio_net_hdr that comes first. Both ends are read as they come: in any pieces.

import { wire } from '#dataplane';

export type Framing = 'vnet-hdr' | 'ethernet';

export const LENGTH_PREFIX = 4;
/** A large send has up to 64 KiB of IP packet; with its headers nothing is longer than this. */
export const MAX_FRAME = 65_535 + 14 + wire.VNET_HEADER;

/** Cuts a stream into frames. What a frame refers to is the chunk that it came in. */
export class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  readonly #onFrame: (frame: Buffer) => void;

  constructor(onFrame: (frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  feed(chunk: Buffer): void {
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    this.#at = 0;
  }

  /**
   * Hands on whole frames, at most `budget` of them. `more`: whole frames may be left. `broken`: the peer does not keep
   * to the format, and nothing after it can be trusted.
   */
  read(budget: number): 'all' | 'more' | 'broken' {
    const bytes = this.#bytes;
    for (let count = 0; bytes.length - this.#at >= LENGTH_PREFIX; count++) {
      const length = bytes.readUInt32BE(this.#at);
      if (length > MAX_FRAME) return 'broken';
      const start = this.#at + LENGTH_PREFIX;
      const end = start + length;
      if (end > bytes.length) break;
      if (count === budget) return 'more';
      this.#at = end;
      this.#onFrame(bytes.subarray(start, end));
    }
    return 'all';
  }
}

const BATCH_BYTES = 512 * 1024;

/** Gathers frames into one piece of memory, so that many leave by one write. */
export class FrameBatch {
  #bytes = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Whether a frame of this size, in two parts, still fits. */
  fits(size: number): boolean {
    return this.#length + LENGTH_PREFIX + wire.VNET_HEADER + size <= this.#bytes.length;
  }

  add(header: Uint8Array, payload: Uint8Array, framing: Framing, offload: wire.Offload = wire.NO_OFFLOAD): void {
    const bytes = this.#bytes;
    const extra = framing === 'vnet-hdr' ? wire.VNET_HEADER : 0;
    let at = bytes.writeUInt32BE(extra + header.length + payload.length, this.#length);
    if (extra > 0) wire.writeVnetHeader(bytes, at, offload);
    at += extra;
    bytes.set(header, at);
    bytes.set(payload, at + header.length);
    this.#length = at + header.length + payload.length;
  }

  /** What was gathered; the batch goes on in the memory behind it, because a write may still refer to this. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#bytes = this.#bytes.subarray(this.#length);
    this.#length = 0;
    return taken;
  }

  /** Empty memory, large enough for any frame. */
  renew(): void {
    this.#bytes = Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#length = 0;
  }
}
