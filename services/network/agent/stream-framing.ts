// Frames on a byte stream, as QEMU's `-netdev stream` has them: a 4-byte big-endian length, then the frame. With framing
// `vnet-hdr` the length counts the 12-byte virtio_net_hdr that comes first. Both ends are read as they come: in any pieces.

import { wire } from '#dataplane';

export type Framing = 'vnet-hdr' | 'ethernet';

export const LENGTH_PREFIX = 4;
/** A large send has up to 64 KiB of IP packet; with its headers nothing is longer than this. */
export const MAX_FRAME = 65_535 + 14 + wire.VNET_HEADER;

/** Cuts a stream into frames. What a frame refers to is the chunk that it came in. */
export class FrameReader {
  #carry: Buffer | undefined;
  readonly #onFrame: (frame: Buffer) => void;

  constructor(onFrame: (frame: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /** False when the peer does not keep to the format: nothing after it can be trusted. */
  push(chunk: Buffer): boolean {
    let bytes = chunk;
    if (this.#carry !== undefined) {
      bytes = Buffer.concat([this.#carry, chunk]);
      this.#carry = undefined;
    }
    let at = 0;
    while (bytes.length - at >= LENGTH_PREFIX) {
      const length = bytes.readUInt32BE(at);
      if (length > MAX_FRAME) return false;
      const end = at + LENGTH_PREFIX + length;
      if (end > bytes.length) break;
      this.#onFrame(bytes.subarray(at + LENGTH_PREFIX, end));
      at = end;
    }
    if (at < bytes.length) this.#carry = bytes.subarray(at);
    return true;
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

  add(header: Uint8Array, payload: Uint8Array, framing: Framing): void {
    const bytes = this.#bytes;
    const extra = framing === 'vnet-hdr' ? wire.VNET_HEADER : 0;
    let at = bytes.writeUInt32BE(extra + header.length + payload.length, this.#length);
    if (extra > 0) wire.writeVnetHeader(bytes, at, wire.NO_OFFLOAD);
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
