// A frame inside the dataplane is never bare bytes: it is a header view (at least every header that a layer reads), a
// reference to the payload behind it, and what offloads left to be done. Header and payload are views of what was
// received, and what lies in one piece is header alone; nothing is copied before a frame leaves. A layer that changes a header copies the header first.

import { type Mac, macAt, setMac, u16 } from './wire/bytes.ts';
import { ETH_DESTINATION, ETH_HEADER, ETH_SOURCE, ETH_TYPE, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from './wire/ethernet.ts';
import {
  FRAGMENT_OFFSET_MASK,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_PROTOCOL,
  IPV4_TTL,
  writeIpv4Checksum,
} from './wire/ipv4.ts';
import { IPV6_HEADER, IPV6_NEXT_HEADER } from './wire/ipv6.ts';
import { NO_OFFLOAD, type Offload } from './wire/vnet-header.ts';

/** Where a frame entered this node: a local port, or a tunnel. */
export const FROM_TUNNEL = -1;

const NO_PAYLOAD = new Uint8Array(0);

export class Frame {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
  readonly offload: Offload;
  /** Index of the local port, or FROM_TUNNEL. */
  readonly ingress: number;
  readonly destination: Mac;
  readonly source: Mac;
  readonly etherType: number;
  /** Offset of a whole IP header, or 0. */
  readonly l3: number;
  /** Offset of what follows the IP header, or 0: also for later fragments, whose payload has no header. */
  readonly l4: number;
  /** The IP protocol, or 0. */
  readonly protocol: number;

  constructor(header: Uint8Array, payload: Uint8Array, offload: Offload, ingress: number) {
    this.header = header;
    this.payload = payload;
    this.offload = offload;
    this.ingress = ingress;
    this.destination = macAt(header, ETH_DESTINATION);
    this.source = macAt(header, ETH_SOURCE);
    this.etherType = u16(header, ETH_TYPE);
    let l3 = 0;
    let l4 = 0;
    let protocol = 0;
    if (this.etherType === ETHERTYPE_IPV4) {
      const headerLength = ipv4HeaderLength(header);
      if (headerLength > 0) {
        l3 = ETH_HEADER;
        protocol = header[l3 + IPV4_PROTOCOL]!;
        if ((u16(header, l3 + IPV4_FRAGMENT) & FRAGMENT_OFFSET_MASK) === 0) l4 = l3 + headerLength;
      }
    } else if (
      this.etherType === ETHERTYPE_IPV6 &&
      header.length >= ETH_HEADER + IPV6_HEADER &&
      header[14]! >>> 4 === 6
    ) {
      l3 = ETH_HEADER;
      protocol = header[l3 + IPV6_NEXT_HEADER]!;
      l4 = l3 + IPV6_HEADER;
    }
    this.l3 = l3;
    this.l4 = l4;
    this.protocol = protocol;
  }

  /** Other bytes that came the same way; undefined when they are no frame. */
  withBytes(bytes: Uint8Array): Frame | undefined {
    return frameOf(bytes, this.ingress);
  }

  get length(): number {
    return this.header.length + this.payload.length;
  }

  /** The whole frame as one view; a copy only when header and payload do not lie side by side. */
  bytes(): Uint8Array {
    const { header, payload } = this;
    if (payload.length === 0) return header;
    if (header.buffer === payload.buffer && header.byteOffset + header.length === payload.byteOffset) {
      return new Uint8Array(header.buffer, header.byteOffset, header.length + payload.length);
    }
    const whole = new Uint8Array(this.length);
    whole.set(header);
    whole.set(payload, header.length);
    return whole;
  }
}

/** 0 when the bytes hold no whole IPv4 header. */
function ipv4HeaderLength(header: Uint8Array): number {
  if (header.length < ETH_HEADER + IPV4_HEADER || header[ETH_HEADER]! >>> 4 !== 4) return 0;
  const length = (header[ETH_HEADER]! & 0x0f) * 4;
  return length >= IPV4_HEADER && header.length >= ETH_HEADER + length ? length : 0;
}

/** Undefined for what is shorter than an Ethernet header. The frame refers to the bytes: they must not change under it. */
export function frameOf(bytes: Uint8Array, ingress: number, offload: Offload = NO_OFFLOAD): Frame | undefined {
  if (bytes.length < ETH_HEADER) return undefined;
  return new Frame(bytes, NO_PAYLOAD, offload, ingress);
}

/** More than all the headers that a layer changes. */
const HEADERS = 128;

/** The IPv4 frame as a router sends it on: other MAC addresses, another TTL. The payload is not copied. */
export function readdress(
  frame: Frame,
  { source, destination, ttl }: { source: Mac; destination: Mac; ttl: number },
): Frame {
  const whole = frame.payload.length === 0;
  const header = frame.header.slice(0, whole ? HEADERS : frame.header.length);
  const payload = whole ? frame.header.subarray(header.length) : frame.payload;
  setMac(header, ETH_DESTINATION, destination);
  setMac(header, ETH_SOURCE, source);
  header[frame.l3 + IPV4_TTL] = ttl;
  writeIpv4Checksum(header, frame.l3, (header[frame.l3]! & 0x0f) * 4);
  return new Frame(header, payload, frame.offload, frame.ingress);
}
