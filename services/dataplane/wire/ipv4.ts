// IPv4 (RFC 791). Offsets count from the start of the IP header.
import { type Ipv4, setU16, setU32, u16 } from './bytes.ts';
import { checksum, sumWords } from './checksum.ts';

export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_IDENTIFICATION = 4;
export const IPV4_FRAGMENT = 6;
export const IPV4_TTL = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;
export const IPV4_HEADER = 20;

export const FRAGMENT_OFFSET_MASK = 0x1fff;
export const DONT_FRAGMENT = 0x4000;
export const MORE_FRAGMENTS = 0x2000;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;

export interface Ipv4Fields {
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly protocol: number;
  /** Of header and payload. */
  readonly totalLength: number;
  readonly ttl?: number;
}

/** Writes a header without options, with its checksum. */
export function writeIpv4(bytes: Uint8Array, at: number, fields: Ipv4Fields): void {
  bytes[at] = 0x45;
  bytes[at + 1] = 0;
  setU16(bytes, at + IPV4_TOTAL_LENGTH, fields.totalLength);
  setU16(bytes, at + IPV4_IDENTIFICATION, 0);
  setU16(bytes, at + IPV4_FRAGMENT, DONT_FRAGMENT);
  bytes[at + IPV4_TTL] = fields.ttl ?? 64;
  bytes[at + IPV4_PROTOCOL] = fields.protocol;
  setU16(bytes, at + IPV4_CHECKSUM, 0);
  setU32(bytes, at + IPV4_SOURCE, fields.source);
  setU32(bytes, at + IPV4_DESTINATION, fields.destination);
  writeIpv4Checksum(bytes, at, IPV4_HEADER);
}

export function writeIpv4Checksum(bytes: Uint8Array, at: number, headerLength: number): void {
  setU16(bytes, at + IPV4_CHECKSUM, 0);
  setU16(bytes, at + IPV4_CHECKSUM, checksum(bytes, at, at + headerLength));
}

/** The part of a TCP or UDP checksum that comes from the addresses (RFC 9293 3.1). */
export const ipv4PseudoSum = (bytes: Uint8Array, at: number, protocol: number, length: number): number =>
  sumWords(bytes, at + IPV4_SOURCE, at + IPV4_HEADER, protocol + length);

/** The frame in pieces that fit the MTU, each with its header (RFC 791 3.2). `l3` is where its IP header begins. */
export function* fragmentsOf(frame: Uint8Array, l3: number, mtu: number): Generator<Uint8Array> {
  const headerLength = (frame[l3]! & 0x0f) * 4;
  const l4 = l3 + headerLength;
  const end = l3 + u16(frame, l3 + IPV4_TOTAL_LENGTH);
  const before = u16(frame, l3 + IPV4_FRAGMENT);
  const room = (mtu - headerLength) & ~7;
  for (let from = l4; from < end; from += room) {
    const to = Math.min(from + room, end);
    const piece = new Uint8Array(l4 + to - from);
    piece.set(frame.subarray(0, l4));
    piece.set(frame.subarray(from, to), l4);
    setU16(piece, l3 + IPV4_TOTAL_LENGTH, headerLength + to - from);
    const offset = (before & FRAGMENT_OFFSET_MASK) + (from - l4) / 8;
    setU16(piece, l3 + IPV4_FRAGMENT, (before & MORE_FRAGMENTS) | (to < end ? MORE_FRAGMENTS : 0) | offset);
    writeIpv4Checksum(piece, l3, headerLength);
    yield piece;
  }
}
