// TCP segments (RFC 9293 3.1) in IPv4 frames: read from a frame, and built as one.

import type { Frame } from '../frame.ts';
import { type Ipv4, type Mac, setU16, setU32, u16, u32 } from '../wire/bytes.ts';
import { checksum, fold, sumWords } from '../wire/checksum.ts';
import { ETH_HEADER, ETHERTYPE_IPV4, writeEthernet } from '../wire/ethernet.ts';
import { IPV4_HEADER, IPV4_SOURCE, IPV4_TOTAL_LENGTH, ipv4PseudoSum, PROTOCOL_TCP, writeIpv4 } from '../wire/ipv4.ts';
import {
  TCP_ACK,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FIN,
  TCP_FLAGS,
  TCP_HEADER,
  TCP_PSH,
  TCP_RST,
  TCP_SEQUENCE,
  TCP_SYN,
} from '../wire/tcp.ts';
import { GSO_NONE, GSO_TCPV4, NO_OFFLOAD, type Offload } from '../wire/vnet-header.ts';

export { TCP_ACK as ACK, TCP_FIN as FIN, TCP_PSH as PSH, TCP_RST as RST, TCP_SYN as SYN };

const ACKNOWLEDGMENT = 8;
const WINDOW = 14;
const NO_BYTES = new Uint8Array(0);

const OPTION = { END: 0, NOP: 1, MSS: 2, WINDOW_SCALE: 3 } as const;

export interface Segment {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  /** As it stands in the header: not scaled. */
  readonly window: number;
  readonly payload: Uint8Array;
  /** Options of a SYN. */
  readonly mss?: number | undefined;
  readonly windowScale?: number | undefined;
}

/** The segment of a whole TCP frame with a right checksum; the payload is a view of the frame. Undefined otherwise. */
export function readSegment(frame: Frame): Segment | undefined {
  const { l3, l4, protocol, offload } = frame;
  if (protocol !== PROTOCOL_TCP || l4 === 0) return undefined;
  const bytes = frame.bytes();
  const end = offload.gsoType === GSO_NONE ? l3 + u16(bytes, l3 + IPV4_TOTAL_LENGTH) : bytes.length;
  if (end > bytes.length || end < l4 + TCP_HEADER) return undefined;
  const data = l4 + (bytes[l4 + TCP_DATA_OFFSET]! >>> 4) * 4;
  if (data < l4 + TCP_HEADER || data > end) return undefined;
  // A sum that was left to the card is none yet: the bytes have not left this host.
  const isSummed = offload.checksumStart === 0;
  if (isSummed && checksum(bytes, l4, end, ipv4PseudoSum(bytes, l3, PROTOCOL_TCP, end - l4)) !== 0) return undefined;
  const flags = bytes[l4 + TCP_FLAGS]!;
  return {
    seq: u32(bytes, l4 + TCP_SEQUENCE),
    ack: u32(bytes, l4 + ACKNOWLEDGMENT),
    flags,
    window: u16(bytes, l4 + WINDOW),
    payload: data === end ? NO_BYTES : bytes.subarray(data, end),
    ...((flags & TCP_SYN) !== 0 ? readOptions(bytes.subarray(l4 + TCP_HEADER, data)) : {}),
  };
}

function readOptions(options: Uint8Array): { mss?: number; windowScale?: number } {
  const found: { mss?: number; windowScale?: number } = {};
  for (let at = 0; at < options.length; ) {
    const kind = options[at]!;
    if (kind === OPTION.END) break;
    if (kind === OPTION.NOP) {
      at++;
      continue;
    }
    const length = options[at + 1] ?? 0;
    if (length < 2 || at + length > options.length) break;
    if (kind === OPTION.MSS && length === 4) found.mss = u16(options, at + 2);
    // A shift above 14 counts as 14 (RFC 7323 2.3).
    if (kind === OPTION.WINDOW_SCALE && length === 3) found.windowScale = Math.min(options[at + 2]!, 14);
    at += length;
  }
  return found;
}

export interface TcpEnds {
  readonly sourceMac: Mac;
  readonly destinationMac: Mac;
  readonly source: Ipv4;
  readonly destination: Ipv4;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/**
 * The frame of a segment, and what is left to be done to it: one that is larger than `mss` is to be cut, and no checksum
 * is computed here that a card or the switch would compute again.
 */
export function buildTcp(ends: TcpEnds, segment: Segment, mss: number): { bytes: Uint8Array; offload: Offload } {
  const options = writtenOptions(segment);
  const l3 = ETH_HEADER;
  const l4 = l3 + IPV4_HEADER;
  const headerLength = TCP_HEADER + options.length;
  const { source, destination } = ends;
  const length = headerLength + segment.payload.length;
  const bytes = new Uint8Array(l4 + length);
  writeEthernet(bytes, ends.destinationMac, ends.sourceMac, ETHERTYPE_IPV4);
  const totalLength = Math.min(IPV4_HEADER + length, 0xffff);
  writeIpv4(bytes, l3, { source, destination, protocol: PROTOCOL_TCP, totalLength });
  setU16(bytes, l4, ends.sourcePort);
  setU16(bytes, l4 + 2, ends.destinationPort);
  setU32(bytes, l4 + TCP_SEQUENCE, segment.seq);
  setU32(bytes, l4 + ACKNOWLEDGMENT, segment.ack);
  bytes[l4 + TCP_DATA_OFFSET] = (headerLength / 4) << 4;
  bytes[l4 + TCP_FLAGS] = segment.flags;
  setU16(bytes, l4 + WINDOW, segment.window);
  bytes.set(options, l4 + TCP_HEADER);
  bytes.set(segment.payload, l4 + headerLength);
  if (segment.payload.length <= mss) {
    setU16(bytes, l4 + TCP_CHECKSUM, checksum(bytes, l4, bytes.length, ipv4PseudoSum(bytes, l3, PROTOCOL_TCP, length)));
    return { bytes, offload: NO_OFFLOAD };
  }
  // The pseudo header's sum, which whoever cuts it completes (virtio 1.2, 5.1.6.2).
  const pseudo = sumWords(bytes, l3 + IPV4_SOURCE, l3 + IPV4_HEADER, PROTOCOL_TCP + length);
  setU16(bytes, l4 + TCP_CHECKSUM, fold(pseudo));
  return { bytes, offload: { gsoType: GSO_TCPV4, gsoSize: mss, checksumStart: l4, checksumOffset: TCP_CHECKSUM } };
}

function writtenOptions({ mss, windowScale }: Segment): Uint8Array {
  const options: number[] = [];
  if (mss !== undefined) options.push(OPTION.MSS, 4, mss >>> 8, mss & 0xff);
  if (windowScale !== undefined) options.push(OPTION.NOP, OPTION.WINDOW_SCALE, 3, windowScale);
  return Uint8Array.from(options);
}

/** What answers a segment that no connection wants (RFC 9293 3.10.7.1); undefined: a reset is never answered. */
export function resetFor(segment: Segment): Segment | undefined {
  if ((segment.flags & TCP_RST) !== 0) return undefined;
  const base = { window: 0, payload: NO_BYTES };
  if ((segment.flags & TCP_ACK) !== 0) return { ...base, seq: segment.ack, ack: 0, flags: TCP_RST };
  const counted = segment.payload.length + ((segment.flags & TCP_SYN) !== 0 ? 1 : 0) + (segment.flags & TCP_FIN);
  return { ...base, seq: 0, ack: (segment.seq + counted) >>> 0, flags: TCP_RST | TCP_ACK };
}
