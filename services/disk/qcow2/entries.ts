// L1 and L2 entries, bit by bit. An entry is two 32-bit halves here: 64-bit integers as BigInt would cost an allocation for
// each lookup.
//
//   L1        63 COPIED | 55..9 offset of an L2 table
//   L2        63 COPIED | 62 compressed = 0 | 55..9 offset of a data cluster | 0 reads as zero (version 3)
//   L2 comp.  62 compressed = 1 | x+ sectors beyond the first | ..x-1 offset in bytes, x = 62 - (cluster bits - 8)

import { CumuletError } from '#base';

/** The only user of the cluster: it may be written in place. */
const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
const OFFSET_HIGH = 0x00ff_ffff;
const OFFSET_LOW = 0xffff_fe00;
const ZERO = 1;

export type Mapping =
  | { readonly kind: 'unallocated' }
  /** Reads as zero; `host` when a cluster is kept for it. */
  | { readonly kind: 'zero'; readonly host: number | undefined; readonly copied: boolean }
  | { readonly kind: 'data'; readonly host: number; readonly copied: boolean }
  | { readonly kind: 'compressed'; readonly host: number; readonly length: number };

const UNALLOCATED: Mapping = { kind: 'unallocated' };
const PLAIN_ZERO: Mapping = { kind: 'zero', host: undefined, copied: false };

const corrupt = (why: string) => new CumuletError('invalid', `The qcow2 image is corrupt: ${why}.`);

/** Bytes from the halves of an entry; throws for what no file can hold or what lies inside a cluster. */
function hostOffset(high: number, low: number, clusterSize: number, what: string): number {
  const offset = (high & OFFSET_HIGH) * 2 ** 32 + ((low & OFFSET_LOW) >>> 0);
  if (offset > Number.MAX_SAFE_INTEGER) throw corrupt(`${what} has an absurd offset`);
  if (offset % clusterSize !== 0) throw corrupt(`${what} is not at a cluster`);
  return offset;
}

export function decodeL1(table: Buffer, index: number, clusterSize: number): { host: number; copied: boolean } {
  const high = table.readUInt32BE(index * 8);
  const low = table.readUInt32BE(index * 8 + 4);
  return { host: hostOffset(high, low, clusterSize, 'an L2 table'), copied: (high & COPIED) !== 0 };
}

export function decodeL2(table: Buffer, index: number, clusterBits: number, version: 2 | 3): Mapping {
  const high = table.readUInt32BE(index * 8);
  const low = table.readUInt32BE(index * 8 + 4);
  if (high === 0 && low === 0) return UNALLOCATED;
  if ((high & COMPRESSED) !== 0) {
    const descriptor = ((BigInt(high) << 32n) | BigInt(low)) & ((1n << 62n) - 1n);
    const split = BigInt(62 - (clusterBits - 8));
    const host = descriptor & ((1n << split) - 1n);
    if (host > BigInt(Number.MAX_SAFE_INTEGER)) throw corrupt('a compressed cluster has an absurd offset');
    const sectors = Number(descriptor >> split) + 1;
    return { kind: 'compressed', host: Number(host), length: sectors * 512 - (Number(host) & 511) };
  }
  const host = hostOffset(high, low, 2 ** clusterBits, 'a data cluster');
  const copied = (high & COPIED) !== 0;
  if (version === 3 && (low & ZERO) !== 0) {
    return host === 0 ? PLAIN_ZERO : { kind: 'zero', host, copied };
  }
  return host === 0 ? UNALLOCATED : { kind: 'data', host, copied };
}

function put(table: Buffer, index: number, flags: number, host: number, low: number): void {
  table.writeUInt32BE((flags | Math.floor(host / 2 ** 32)) >>> 0, index * 8);
  table.writeUInt32BE(((host % 2 ** 32) | low) >>> 0, index * 8 + 4);
}

export const encodeTable = {
  /** An L1 entry or a data cluster that only this image uses. */
  owned: (table: Buffer, index: number, host: number) => put(table, index, COPIED, host, 0),
  zero: (table: Buffer, index: number, keep: number | undefined) =>
    put(table, index, keep === undefined ? 0 : COPIED, keep ?? 0, ZERO),
  unallocated: (table: Buffer, index: number) => put(table, index, 0, 0, 0),
} as const;
