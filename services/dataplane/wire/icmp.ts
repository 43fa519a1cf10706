// ICMP (RFC 792): echo and destination unreachable. Offsets count from the start of the ICMP header.
import { type Ipv4, type Mac, setU16 } from './bytes.ts';
import { checksum } from './checksum.ts';
import { ETH_HEADER, ETHERTYPE_IPV4, writeEthernet } from './ethernet.ts';
import { IPV4_HEADER, PROTOCOL_ICMP, writeIpv4 } from './ipv4.ts';

export const ICMP_TYPE = 0;
export const ICMP_CODE = 1;
export const ICMP_CHECKSUM = 2;
export const ICMP_IDENTIFIER = 4;
export const ICMP_SEQUENCE = 6;
export const ICMP_HEADER = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const NETWORK_UNREACHABLE = 0;
export const HOST_UNREACHABLE = 1;
export const PORT_UNREACHABLE = 3;
export const FRAGMENTATION_NEEDED = 4;

export interface IcmpEnds {
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
  readonly source: Ipv4;
  readonly destination: Ipv4;
}

/** A whole frame. `rest` is what follows the checksum: identifier, sequence and data of an echo. */
export function buildIcmp(ends: IcmpEnds, type: number, code: number, rest: Uint8Array): Uint8Array {
  const l4 = ETH_HEADER + IPV4_HEADER;
  const bytes = new Uint8Array(l4 + 4 + rest.length);
  writeEthernet(bytes, ends.destinationMac, ends.sourceMac, ETHERTYPE_IPV4);
  const { source, destination } = ends;
  const totalLength = bytes.length - ETH_HEADER;
  writeIpv4(bytes, ETH_HEADER, { source, destination, protocol: PROTOCOL_ICMP, totalLength });
  bytes[l4 + ICMP_TYPE] = type;
  bytes[l4 + ICMP_CODE] = code;
  bytes.set(rest, l4 + 4);
  setU16(bytes, l4 + ICMP_CHECKSUM, checksum(bytes, l4, bytes.length));
  return bytes;
}

/** The body of an unreachable message: four unused bytes, the offending IP header and its first 8 payload bytes. */
export function unreachableBody(packet: Uint8Array, headerLength: number): Uint8Array {
  const quoted = packet.subarray(0, headerLength + 8);
  const body = new Uint8Array(4 + quoted.length);
  body.set(quoted, 4);
  return body;
}
