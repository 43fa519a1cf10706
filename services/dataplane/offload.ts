// Completes what a guest left to its network card, before a frame goes where the work cannot be left on: checksums are
// written, and a large send is cut into segments. A guest writes the offsets: whatever does not fit its frame is refused.

import type { Frame } from './frame.ts';
import { setU16, setU32, u16, u32 } from './wire/bytes.ts';
import { checksum } from './wire/checksum.ts';
import {
  IPV4_HEADER,
  IPV4_IDENTIFICATION,
  IPV4_TOTAL_LENGTH,
  ipv4PseudoSum,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  writeIpv4Checksum,
} from './wire/ipv4.ts';
import { IPV6_PAYLOAD_LENGTH, ipv6PseudoSum } from './wire/ipv6.ts';
import {
  TCP_CHECKSUM,
  TCP_CWR,
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_PSH,
  TCP_SEQUENCE,
} from './wire/tcp.ts';
import { UDP_CHECKSUM, UDP_HEADER, UDP_LENGTH } from './wire/udp.ts';
import { GSO_ECN, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 } from './wire/vnet-header.ts';

/** The frames that go out for this one, each whole and with its checksums; undefined when the offload makes no sense. */
export function completeOffload(frame: Frame): Uint8Array[] | undefined {
  const { offload } = frame;
  if (offload.gsoType !== GSO_NONE) return segment(frame);
  const bytes = frame.bytes();
  if (offload.checksumStart === 0) return [bytes];
  const at = offload.checksumStart + offload.checksumOffset;
  if (at + 2 > bytes.length) return undefined;
  const completed = bytes.slice();
  // The field holds the pseudo header's sum already (virtio 1.2, 5.1.6.2): the rest is summed over it.
  const sum = checksum(completed, offload.checksumStart, completed.length);
  const isUdp = frame.protocol === PROTOCOL_UDP && frame.l4 === offload.checksumStart;
  setU16(completed, at, isUdp ? sum || 0xffff : sum);
  return [completed];
}

/**
 * Whether another guest's card may be left to do it: a checksum inside the frame, or the segments of a TCP packet as a
 * driver of Linux would write it. What is not so is completed here, or refused.
 */
export function isSoundForTcp(frame: Frame): boolean {
  const { offload, l3, l4, header } = frame;
  const { checksumStart, checksumOffset } = offload;
  if (checksumStart !== 0 && checksumStart + checksumOffset + 2 > frame.length) return false;
  const type = offload.gsoType & ~GSO_ECN;
  if (offload.gsoType === GSO_NONE) return true;
  if (type !== GSO_TCPV4 && type !== GSO_TCPV6) return false;
  if (frame.protocol !== PROTOCOL_TCP || l4 === 0 || offload.gsoSize === 0 || header.length < l4 + TCP_HEADER)
    return false;
  if ((header[l3]! >>> 4 === 4) !== (type === GSO_TCPV4)) return false;
  const headers = transportHeader(frame);
  return (
    headers >= TCP_HEADER && l4 + headers <= header.length && checksumStart === l4 && checksumOffset === TCP_CHECKSUM
  );
}

/** The length of the largest IP packet that this frame becomes: what an MTU is compared with. */
export function largestPacket(frame: Frame): number {
  const { offload, l4, length } = frame;
  if (offload.gsoType === GSO_NONE || l4 === 0) return length - 14;
  return Math.min(length, l4 + transportHeader(frame) + offload.gsoSize) - 14;
}

function transportHeader(frame: Frame): number {
  if (frame.protocol === PROTOCOL_UDP) return UDP_HEADER;
  return (frame.header[frame.l4 + TCP_DATA_OFFSET]! >>> 4) * 4;
}

function segment(frame: Frame): Uint8Array[] | undefined {
  const { l3, l4, offload } = frame;
  const type = offload.gsoType & ~GSO_ECN;
  const isTcp = type === GSO_TCPV4 || type === GSO_TCPV6;
  const fits = isTcp ? frame.protocol === PROTOCOL_TCP : type === GSO_UDP_L4 && frame.protocol === PROTOCOL_UDP;
  if (!fits || l4 === 0 || offload.gsoSize === 0) return undefined;
  if (frame.header.length < l4 + (isTcp ? TCP_HEADER : UDP_HEADER)) return undefined;
  const headers = l4 + transportHeader(frame);
  if (headers > frame.header.length || (isTcp && headers < l4 + TCP_HEADER)) return undefined;
  const whole = frame.bytes();
  const isIpv4 = whole[l3]! >>> 4 === 4;
  const sequence = u32(whole, l4 + TCP_SEQUENCE);
  const flags = whole[l4 + TCP_FLAGS]!;
  const identification = isIpv4 ? u16(whole, l3 + IPV4_IDENTIFICATION) : 0;
  const segments: Uint8Array[] = [];
  for (let from = headers; from < whole.length; from += offload.gsoSize) {
    const to = Math.min(from + offload.gsoSize, whole.length);
    const bytes = new Uint8Array(headers + to - from);
    bytes.set(whole.subarray(0, headers));
    bytes.set(whole.subarray(from, to), headers);
    if (isIpv4) {
      setU16(bytes, l3 + IPV4_TOTAL_LENGTH, bytes.length - l3);
      setU16(bytes, l3 + IPV4_IDENTIFICATION, (identification + segments.length) & 0xffff);
      writeIpv4Checksum(bytes, l3, l4 - l3 < IPV4_HEADER ? IPV4_HEADER : l4 - l3);
    } else {
      setU16(bytes, l3 + IPV6_PAYLOAD_LENGTH, bytes.length - l4);
    }
    if (isTcp) {
      setU32(bytes, l4 + TCP_SEQUENCE, (sequence + from - headers) >>> 0);
      // FIN and PSH belong to the last segment, CWR to the first (RFC 3168 6.1.2).
      let kept = flags;
      if (to < whole.length) kept &= ~(TCP_FIN | TCP_PSH);
      if (from > headers) kept &= ~TCP_CWR;
      bytes[l4 + TCP_FLAGS] = kept;
    } else {
      setU16(bytes, l4 + UDP_LENGTH, bytes.length - l4);
    }
    writeTransportChecksum(bytes, l3, l4, isTcp, isIpv4);
    segments.push(bytes);
  }
  return segments;
}

function writeTransportChecksum(bytes: Uint8Array, l3: number, l4: number, isTcp: boolean, isIpv4: boolean): void {
  const at = l4 + (isTcp ? TCP_CHECKSUM : UDP_CHECKSUM);
  const protocol = isTcp ? PROTOCOL_TCP : PROTOCOL_UDP;
  const length = bytes.length - l4;
  setU16(bytes, at, 0);
  const pseudo = isIpv4 ? ipv4PseudoSum(bytes, l3, protocol, length) : ipv6PseudoSum(bytes, l3, protocol, length);
  const sum = checksum(bytes, l4, bytes.length, pseudo);
  setU16(bytes, at, isTcp ? sum : sum || 0xffff);
}

/** Whether the checksum of the whole IPv4 TCP or UDP frame is right. For tests and for tracing. */
export function hasRightChecksum(frame: Frame): boolean {
  const bytes = frame.bytes();
  const length = bytes.length - frame.l4;
  const pseudo = ipv4PseudoSum(bytes, frame.l3, frame.protocol, length);
  return frame.l4 > 0 && checksum(bytes, frame.l4, bytes.length, pseudo) === 0;
}
