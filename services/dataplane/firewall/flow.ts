// What a firewall looks at in a packet: who speaks to whom. One Flow is filled over and over, so that a frame costs no
// objects; its fields are good until the next `read`.

import type { Frame } from '../frame.ts';
import { u16 } from '../wire/bytes.ts';
import { ICMP_CODE, ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_HEADER, ICMP_IDENTIFIER, ICMP_TYPE } from '../wire/icmp.ts';
import {
  FRAGMENT_OFFSET_MASK,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_HEADER,
  IPV4_IDENTIFICATION,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  MORE_FRAGMENTS,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from '../wire/ipv4.ts';
import { IPV6_DESTINATION, IPV6_HEADER, IPV6_NEXT_HEADER, IPV6_SOURCE } from '../wire/ipv6.ts';
import { TCP_FLAGS } from '../wire/tcp.ts';

export type Direction = 'egress' | 'ingress';

/** As a guest sees it: egress is what it sends. */
export const isEgress = (direction: Direction): boolean => direction === 'egress';

const PROTOCOL_DCCP = 33;
const PROTOCOL_SCTP = 132;
const PROTOCOL_UDPLITE = 136;
const WITH_PORTS = new Set([PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_DCCP, PROTOCOL_SCTP, PROTOCOL_UDPLITE]);

const ICMPV6_ECHO = 128;
const ICMPV6_ECHO_REPLY = 129;
/** Destination unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792). */
const ICMP_ERRORS = new Set([3, 4, 5, 11, 12]);

export class Flow {
  header: Uint8Array = new Uint8Array(0);
  version: 4 | 6 = 4;
  protocol = 0;
  /** Offsets of the addresses in `header`. */
  sourceAt = 0;
  destinationAt = 0;
  /** Whether ports, or an ICMP type, could be read: not in a later fragment, nor in a header that is cut short. */
  hasL4 = false;
  sourcePort = 0;
  destinationPort = 0;
  icmpType = 0;
  icmpCode = 0;
  tcpFlags = 0;
  /** Where the packet that an ICMP error is about begins, or 0. */
  quotedAt = 0;
  /** First of several pieces, or a later one. */
  isFragment = false;
  isLaterFragment = false;
  fragmentId = 0;

  /** False: no IP packet. */
  read(frame: Frame): boolean {
    if (frame.l3 === 0) return false;
    return this.readPacket(frame.header, frame.l3);
  }

  /** The packet whose IP header begins at `l3`; what is quoted in an ICMP error may be cut short. */
  readPacket(header: Uint8Array, l3: number): boolean {
    this.header = header;
    this.hasL4 = this.isFragment = this.isLaterFragment = false;
    this.sourcePort = this.destinationPort = this.icmpType = this.icmpCode = this.tcpFlags = this.quotedAt = 0;
    const version = header[l3]! >>> 4;
    let l4: number;
    if (version === 4 && header.length >= l3 + IPV4_HEADER) {
      const length = (header[l3]! & 0x0f) * 4;
      if (length < IPV4_HEADER) return false;
      l4 = l3 + length;
      this.version = 4;
      this.protocol = header[l3 + IPV4_PROTOCOL]!;
      this.sourceAt = l3 + IPV4_SOURCE;
      this.destinationAt = l3 + IPV4_DESTINATION;
      const fragment = u16(header, l3 + IPV4_FRAGMENT);
      this.fragmentId = u16(header, l3 + IPV4_IDENTIFICATION);
      this.isLaterFragment = (fragment & FRAGMENT_OFFSET_MASK) !== 0;
      this.isFragment = this.isLaterFragment || (fragment & MORE_FRAGMENTS) !== 0;
    } else if (version === 6 && header.length >= l3 + IPV6_HEADER) {
      l4 = l3 + IPV6_HEADER;
      this.version = 6;
      this.protocol = header[l3 + IPV6_NEXT_HEADER]!;
      this.sourceAt = l3 + IPV6_SOURCE;
      this.destinationAt = l3 + IPV6_DESTINATION;
    } else {
      return false;
    }
    if (!this.isLaterFragment) this.#readL4(l4);
    return true;
  }

  #readL4(l4: number): void {
    const { header, protocol } = this;
    if (WITH_PORTS.has(protocol)) {
      if (header.length < l4 + 4) return;
      this.hasL4 = true;
      this.sourcePort = u16(header, l4);
      this.destinationPort = u16(header, l4 + 2);
      if (protocol === PROTOCOL_TCP && header.length > l4 + TCP_FLAGS) this.tcpFlags = header[l4 + TCP_FLAGS]!;
    } else if (this.isIcmp) {
      if (header.length < l4 + ICMP_HEADER) return;
      this.hasL4 = true;
      this.icmpType = header[l4 + ICMP_TYPE]!;
      this.icmpCode = header[l4 + ICMP_CODE]!;
      // An echo and its reply are one flow, known by the identifier.
      if (this.isEcho) this.sourcePort = this.destinationPort = u16(header, l4 + ICMP_IDENTIFIER);
      if (this.#isError) this.quotedAt = l4 + ICMP_HEADER;
    }
  }

  get isIcmp(): boolean {
    return this.protocol === (this.version === 4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6);
  }

  get isEcho(): boolean {
    const { icmpType } = this;
    return this.version === 4
      ? icmpType === ICMP_ECHO || icmpType === ICMP_ECHO_REPLY
      : icmpType === ICMPV6_ECHO || icmpType === ICMPV6_ECHO_REPLY;
  }

  get isEchoReply(): boolean {
    return this.icmpType === (this.version === 4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY);
  }

  get #isError(): boolean {
    return this.version === 4 ? ICMP_ERRORS.has(this.icmpType) : this.icmpType < ICMPV6_ECHO;
  }

  /** Known by both directions alike: the guest's end and the other end, in this order. */
  key(direction: Direction): string {
    const out = isEgress(direction);
    const [local, remote] = out ? [this.sourceAt, this.destinationAt] : [this.destinationAt, this.sourceAt];
    const [localPort, remotePort] = out
      ? [this.sourcePort, this.destinationPort]
      : [this.destinationPort, this.sourcePort];
    return this.addressKey(local) + this.addressKey(remote) + String.fromCharCode(localPort, remotePort, this.protocol);
  }

  /** Pieces of one packet have this in common (RFC 791 3.2). */
  fragmentKey(): string {
    return (
      this.addressKey(this.sourceAt) +
      this.addressKey(this.destinationAt) +
      String.fromCharCode(this.fragmentId, this.protocol)
    );
  }

  /** An address as a string of 16-bit units: a key of a Map. */
  addressKey(at: number): string {
    const { header } = this;
    if (this.version === 4) return String.fromCharCode(u16(header, at), u16(header, at + 2));
    let key = '';
    for (let i = 0; i < 16; i += 2) key += String.fromCharCode(u16(header, at + i));
    return key;
  }
}
