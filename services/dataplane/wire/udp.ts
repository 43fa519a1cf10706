// UDP (RFC 768). Offsets count from the start of the UDP header.
import { type Ipv4, type Mac, setU16 } from './bytes.ts';
import { checksum } from './checksum.ts';
import { ETH_HEADER, ETHERTYPE_IPV4, writeEthernet } from './ethernet.ts';
import { IPV4_HEADER, ipv4PseudoSum, PROTOCOL_UDP, writeIpv4 } from './ipv4.ts';

export const UDP_SOURCE = 0;
export const UDP_DESTINATION = 2;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;
export const UDP_HEADER = 8;

export interface UdpEnds {
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A whole frame, checksums included. */
export function buildUdp(ends: UdpEnds, payload: Uint8Array): Uint8Array {
  const length = UDP_HEADER + payload.length;
  const l3 = ETH_HEADER;
  const l4 = l3 + IPV4_HEADER;
  const bytes = new Uint8Array(l4 + length);
  writeEthernet(bytes, ends.destinationMac, ends.sourceMac, ETHERTYPE_IPV4);
  const { source, destination } = ends;
  writeIpv4(bytes, l3, { source, destination, protocol: PROTOCOL_UDP, totalLength: IPV4_HEADER + length });
  setU16(bytes, l4 + UDP_SOURCE, ends.sourcePort);
  setU16(bytes, l4 + UDP_DESTINATION, ends.destinationPort);
  setU16(bytes, l4 + UDP_LENGTH, length);
  bytes.set(payload, l4 + UDP_HEADER);
  // A checksum of 0 would mean none: RFC 768 sends all ones instead.
  const sum = checksum(bytes, l4, bytes.length, ipv4PseudoSum(bytes, l3, PROTOCOL_UDP, length)) || 0xffff;
  setU16(bytes, l4 + UDP_CHECKSUM, sum);
  return bytes;
}
