// The header of an image file: read, judged.

import type { HostFile } from '../host-file.ts';
import { checkFeatures, checkHeader, parseHeader, type Qcow2Header } from './header.ts';

/** The largest cluster, which is the most that a header may take. */
const MAX_HEADER = 1 << 21;

/** Reads the header of an open file and judges it. */
export async function readHeader(file: HostFile, write: boolean): Promise<Qcow2Header> {
  const start = new Uint8Array(Math.min(file.size, 4096));
  await file.read(0, [start]);
  let header = start;
  if (start.length >= 24) {
    const bits = new DataView(start.buffer).getUint32(20);
    const cluster = bits <= 21 ? 2 ** bits : 0;
    if (cluster > start.length && cluster <= MAX_HEADER && start.length < file.size) {
      header = new Uint8Array(Math.min(file.size, cluster));
      await file.read(0, [header]);
    }
  }
  const parsed = parseHeader(header);
  checkFeatures(parsed, write);
  checkHeader(parsed, file.size);
  return parsed;
}
