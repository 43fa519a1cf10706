// Compressed clusters, for reading: deflate without a header, or zstd. Output is bounded by the cluster size whatever the
// stream claims; what is shorter or longer is corrupt.

import { inflateRaw, zstdDecompress } from 'node:zlib';
import { CumuletError } from '#base';
import type { HostFile } from '../host-file.ts';
import type { Qcow2Header } from './header.ts';

/** Decompressed clusters that are kept: guests read them in small pieces. */
const KEPT_BYTES = 4 << 20;

const corrupt = (cause?: unknown) =>
  new CumuletError('invalid', 'The qcow2 image is corrupt: a compressed cluster cannot be read.', { cause });

/**
 * Length of the zstd frame that `bytes` starts with (RFC 8878, 3.1.1); its neighbour follows in the same sector, and the
 * decoder takes no such trailer.
 */
export function zstdFrameLength(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const need = (end: number): void => {
    if (end > bytes.length) throw corrupt();
  };
  need(5);
  if (view.getUint32(0, true) !== 0xfd2fb528) throw corrupt();
  const descriptor = bytes[4]!;
  const singleSegment = (descriptor & 0x20) !== 0;
  const contentSize = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  let at = 5 + (singleSegment ? 0 : 1) + [0, 1, 2, 4][descriptor & 3]! + contentSize;
  for (let last = false; !last; ) {
    need(at + 3);
    const block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    last = (block & 1) !== 0;
    const type = (block >> 1) & 3;
    at += 3 + (type === 1 ? 1 : block >> 3);
    need(at);
  }
  if ((descriptor & 0x04) !== 0) at += 4;
  need(at);
  return at;
}

export function decompress(bytes: Uint8Array, kind: 'deflate' | 'zstd', clusterSize: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, output: Buffer): void => {
      if (error !== null || output.length !== clusterSize) reject(corrupt(error ?? undefined));
      else resolve(output);
    };
    if (kind === 'deflate') inflateRaw(bytes, { maxOutputLength: clusterSize }, done);
    else zstdDecompress(bytes.subarray(0, zstdFrameLength(bytes)), { maxOutputLength: clusterSize }, done);
  });
}

export class CompressedClusters {
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #kept = new Map<number, Promise<Uint8Array>>();

  constructor(file: HostFile, header: Qcow2Header) {
    this.#file = file;
    this.#header = header;
  }

  /** The content of the cluster whose compressed bytes begin at `host`. */
  read(host: number, length: number): Promise<Uint8Array> {
    const known = this.#kept.get(host);
    if (known !== undefined) return known;
    const { clusterSize, compression } = this.#header;
    const made = (async () => {
      const bytes = new Uint8Array(length);
      await this.#file.read(host, [bytes]);
      return decompress(bytes, compression, clusterSize);
    })();
    this.#kept.set(host, made);
    made.catch(() => this.#kept.delete(host));
    if (this.#kept.size > Math.max(2, KEPT_BYTES / clusterSize)) {
      this.#kept.delete(this.#kept.keys().next().value!);
    }
    return made;
  }

  /** The host cluster at `start` is free again: what began in it is no longer there. */
  forget(start: number): void {
    for (const host of this.#kept.keys()) {
      if (host >= start && host < start + this.#header.clusterSize) this.#kept.delete(host);
    }
  }
}
