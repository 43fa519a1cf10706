// VXLAN (RFC 7348 section 5): an 8-byte header before the inner frame, carried by UDP port 4789.
import { setU32, u16, u32 } from './bytes.ts';

export const VXLAN_PORT = 4789;
export const VXLAN_HEADER = 8;
/** The I flag: the VNI is valid. */
const FLAG_VNI = 0x08;

export function writeVxlan(bytes: Uint8Array, at: number, vni: number): void {
  setU32(bytes, at, FLAG_VNI << 24);
  setU32(bytes, at + 4, vni << 8);
}

/** The VNI of a datagram; undefined when it is not VXLAN. Reserved bits are ignored, as the RFC demands. */
export function readVni(datagram: Uint8Array): number | undefined {
  if (datagram.length < VXLAN_HEADER || (datagram[0]! & FLAG_VNI) === 0) return undefined;
  return u32(datagram, 4) >>> 8;
}

/** The range that section 5 recommends for source ports: the dynamic ports. */
export const SOURCE_PORT_FIRST = 49152;
export const SOURCE_PORT_COUNT = 16384;

/**
 * A hash of the inner flow: frames of one flow keep their order, different flows spread over the underlay's paths.
 * `l3` and `l4` are the offsets of the inner IPv4 header and what follows it, or 0.
 */
export function flowHash(header: Uint8Array, l3: number, l4: number): number {
  let hash = u32(header, 2) ^ Math.imul(u32(header, 8), 0x9e3779b1) ^ u16(header, 12);
  if (l3 > 0 && header[l3]! >>> 4 === 4) {
    hash = Math.imul(hash ^ u32(header, l3 + 12), 0x85ebca6b) ^ u32(header, l3 + 16) ^ header[l3 + 9]!;
    if (l4 > 0 && header.length >= l4 + 4) hash = Math.imul(hash ^ u32(header, l4), 0xc2b2ae35);
  }
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

export const sourcePortOf = (hash: number): number => SOURCE_PORT_FIRST + (hash % SOURCE_PORT_COUNT);
