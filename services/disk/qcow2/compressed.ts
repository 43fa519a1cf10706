// Compressed clusters, for reading: deflate without a header, or zstd. Output is bounded by the cluster size whatever the
// stream claims; what is shorter or longer is corrupt.

import { inflateRaw, zstdDecompress } from 'node:zlib';
import { CumuletError } from '#base';

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
