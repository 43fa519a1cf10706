// New qcow2 images: version 3, 16-bit refcounts, nothing allocated. The file is complete when it appears under its name.

import { randomBytes } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { CumuletError } from '#base';
import { HostFile } from '../host-file.ts';
import { encodeHeader, l1EntriesFor } from './header.ts';

export interface NewQcow2 {
  readonly sizeBytes: number;
  /** A power of two from 512 to 2 MiB. */
  readonly clusterSize?: number;
  /** As it is written into the image: absolute, or relative to the image's folder. */
  readonly backingFile?: string;
  readonly backingFormat?: 'raw' | 'qcow2';
}

/** Throws 'already_exists' when there is a file of that name. */
export async function createQcow2File(path: string, image: NewQcow2): Promise<void> {
  const clusterSize = image.clusterSize ?? 65_536;
  const clusterBits = Math.log2(clusterSize);
  if (!Number.isInteger(clusterBits) || clusterBits < 9 || clusterBits > 21) {
    throw new CumuletError('invalid', `A qcow2 cluster of ${clusterSize} bytes is not possible.`);
  }
  const { sizeBytes } = image;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw new CumuletError('invalid', `A disk of ${sizeBytes} bytes is not possible.`);
  }
  const l1Size = Math.max(1, l1EntriesFor(sizeBytes, clusterSize));
  if (l1Size * 8 > 32 << 20) {
    throw new CumuletError('too_large', `A qcow2 image of ${sizeBytes} bytes needs a larger cluster size.`);
  }
  const l1Clusters = Math.ceil((l1Size * 8) / clusterSize);
  // Header, one table cluster, the blocks that count all of these, the L1 table.
  const counted = (clusterSize * 8) / 16;
  let blocks = 1;
  while (2 + blocks + l1Clusters > blocks * counted) blocks += 1;
  if (blocks > clusterSize / 8) {
    throw new CumuletError('too_large', `A qcow2 image of ${sizeBytes} bytes needs a larger cluster size.`);
  }
  const l1At = 2 + blocks;
  const header = encodeHeader({
    clusterBits,
    size: sizeBytes,
    l1Size,
    l1Offset: l1At * clusterSize,
    refcountTableOffset: clusterSize,
    refcountTableClusters: 1,
    backingFile: image.backingFile,
    backingFormat: image.backingFormat,
  });
  const table = Buffer.alloc(clusterSize);
  for (let i = 0; i < blocks; i += 1) table.writeBigUInt64BE(BigInt((2 + i) * clusterSize), i * 8);
  const counts = Buffer.alloc(blocks * clusterSize);
  for (let i = 0; i < l1At + l1Clusters; i += 1) counts.writeUInt16BE(1, i * 2);
  await whole(path, async (file) => {
    await file.write(0, [header, table, counts]);
    await file.truncate((l1At + l1Clusters) * clusterSize);
  });
}

/** Writes a file beside `path` and moves it there when it is complete. */
export async function whole(path: string, fill: (file: HostFile) => Promise<void>): Promise<void> {
  const claim = await HostFile.open(path, 'wx+');
  await claim.close();
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`;
  try {
    const file = await HostFile.open(draft, 'wx+');
    try {
      await fill(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await Promise.all([rm(draft, { force: true }), rm(path, { force: true })]);
    throw error;
  }
}
