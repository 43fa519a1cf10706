// IPv6 (RFC 8200): the fixed header. Extension headers are not walked: what lies behind one has no known layer 4.
import { sumWords } from './checksum.ts';

export const IPV6_PAYLOAD_LENGTH = 4;
export const IPV6_NEXT_HEADER = 6;
export const IPV6_HOP_LIMIT = 7;
export const IPV6_SOURCE = 8;
export const IPV6_DESTINATION = 24;
export const IPV6_HEADER = 40;

/** The part of a TCP, UDP or ICMPv6 checksum that comes from the addresses (RFC 8200 8.1). */
export const ipv6PseudoSum = (bytes: Uint8Array, at: number, protocol: number, length: number): number =>
  sumWords(bytes, at + IPV6_SOURCE, at + IPV6_HEADER, protocol + length);
