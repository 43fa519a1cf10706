// Frames to a router's MAC address, or to that of the service address. Every node answers for them itself and routes for
// its own guests: an echo to the router's own address is replied to, a packet for another subnet goes on there, and what
// has no way on is told so at once, as a router does, so that a guest's connect fails in a moment instead of after minutes.
//
//   to a router ─► its own address? ─► answer       hop left, fits? ─► route ─► network of the next hop ─► port | tunnel
//                                                      │                          └─► another router: once more
//                                                      └─► ICMP time exceeded, unreachable, fragmentation needed

import { type Frame, readdress } from '../frame.ts';
import type { Layer, Outputs } from '../layer.ts';
import { largestPacket } from '../offload.ts';
import type { NextHop, Router } from '../router.ts';
import { type Gateway, type Network, type Port, SERVICE_IP } from '../tables.ts';
import { type Ipv4, isGroupMac, type Mac, setU16, u16, u32 } from '../wire/bytes.ts';
import { checksum } from '../wire/checksum.ts';
import { ETHERTYPE_IPV4 } from '../wire/ethernet.ts';
import {
  buildIcmp,
  FRAGMENTATION_NEEDED,
  HOST_UNREACHABLE,
  ICMP_CODE,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER,
  ICMP_TIME_EXCEEDED,
  ICMP_TYPE,
  ICMP_UNREACHABLE,
  NETWORK_UNREACHABLE,
  PORT_UNREACHABLE,
  unreachableBody,
} from '../wire/icmp.ts';
import {
  DONT_FRAGMENT,
  fragmentsOf,
  IPV4_DESTINATION,
  IPV4_FRAGMENT,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV4_TTL,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
} from '../wire/ipv4.ts';
import { GSO_NONE } from '../wire/vnet-header.ts';

export const gateway: Layer = {
  name: 'gateway',
  step(frame, port, outputs) {
    const entry = port.network.fdb.get(frame.destination);
    if (entry?.kind !== 'gateway') return true;
    new Hop(frame, entry, port, outputs).take();
    return false;
  },
};

/** What is sent back to the guest, instead of the packet going on. */
type Answer = Uint8Array | 'ignore';

/** One packet at the interface that the guest sent it to. */
class Hop {
  readonly #frame: Frame;
  readonly #entry: Gateway;
  readonly #port: Port;
  readonly #outputs: Outputs;

  constructor(frame: Frame, entry: Gateway, port: Port, outputs: Outputs) {
    this.#frame = frame;
    this.#entry = entry;
    this.#port = port;
    this.#outputs = outputs;
  }

  take(): void {
    const answer = this.#isWhole() ? this.#decide() : 'ignore';
    if (answer === undefined) return;
    if (answer === 'ignore') this.#outputs.drop('gateway-ignored', this.#frame);
    else this.#outputs.answer(this.#port, answer);
  }

  get #source(): Ipv4 {
    return u32(this.#frame.header, this.#frame.l3 + IPV4_SOURCE);
  }

  get #destination(): Ipv4 {
    return u32(this.#frame.header, this.#frame.l3 + IPV4_DESTINATION);
  }

  get #packetEnd(): number {
    const { header, l3, length } = this.#frame;
    // A large send names its own length only where it fits 16 bits.
    return this.#frame.offload.gsoType === GSO_NONE ? l3 + u16(header, l3 + IPV4_TOTAL_LENGTH) : length;
  }

  #isWhole(): boolean {
    const { etherType, l3, l4, length, header, source } = this.#frame;
    const headerEnd = l3 + (header[l3]! & 0x0f) * 4;
    const isIpv4 = etherType === ETHERTYPE_IPV4 && l3 > 0 && !isGroupMac(source) && this.#source !== 0;
    return isIpv4 && this.#packetEnd <= length && this.#packetEnd >= Math.max(l4, headerEnd);
  }

  /** Undefined: it has gone on. */
  #decide(): Answer | undefined {
    const router = this.#port.network.routers.at(this.#port.network, this.#entry.mac);
    const destination = this.#destination;
    if (destination === SERVICE_IP) return this.#service();
    if (this.#entry.ips.includes(destination) || router?.isOwn(destination)) return this.#answerOwn();
    if (router === undefined) return this.#unreachable(NETWORK_UNREACHABLE);
    return route(this.#frame, this.#port.network, router, this.#outputs, {
      refuse: (type, code, rest) => this.#error(type, code, rest),
    });
  }

  /** On the link of every network, and through every router as well. */
  #service(): Answer | undefined {
    if (this.#frame.protocol !== PROTOCOL_TCP) return this.#answerOwn();
    this.#outputs.toService(this.#port, this.#frame);
    return undefined;
  }

  #answerOwn(): Answer {
    const { header, l3, l4 } = this.#frame;
    const isFragment = (u16(header, l3 + IPV4_FRAGMENT) & 0x3fff) !== 0;
    if (isFragment) return 'ignore';
    if (this.#frame.protocol !== PROTOCOL_ICMP) return this.#unreachable(PORT_UNREACHABLE);
    const end = this.#packetEnd;
    if (end < l4 + ICMP_HEADER) return 'ignore';
    const bytes = this.#frame.bytes();
    const isEcho = header[l4 + ICMP_TYPE] === ICMP_ECHO && header[l4 + ICMP_CODE] === 0;
    if (!isEcho || checksum(bytes, l4, end) !== 0) return 'ignore';
    return buildIcmp(this.#ends(this.#destination), ICMP_ECHO_REPLY, 0, bytes.subarray(l4 + 4, end));
  }

  #unreachable(code: number): Answer {
    return this.#error(ICMP_UNREACHABLE, code, 0);
  }

  /** `rest`: the four bytes behind the checksum; of use to "fragmentation needed" (RFC 1191). */
  #error(type: number, code: number, rest: number): Answer {
    const { header, l3, l4, protocol } = this.#frame;
    const own = this.#entry.ips[0];
    // No error about an error, nor about a later fragment, nor about what went to many (RFC 1122 3.2.2).
    const isMany = this.#destination >= 0xe0000000;
    const isError = protocol === PROTOCOL_ICMP && (l4 === 0 || header[l4 + ICMP_TYPE] !== ICMP_ECHO);
    const isKnown = this.#port.senders.some((sender) => sender.mac === this.#frame.source);
    if (own === undefined || isMany || isError || l4 === 0 || !isKnown) return 'ignore';
    const body = unreachableBody(this.#frame.bytes().subarray(l3, this.#packetEnd), l4 - l3);
    setU16(body, 2, rest);
    return buildIcmp(this.#ends(own), type, code, body);
  }

  #ends(from: Ipv4) {
    const { source } = this.#frame;
    return { sourceMac: this.#entry.mac, destinationMac: source, source: from, destination: this.#source };
  }
}

interface Refusal {
  refuse(type: number, code: number, rest: number): Answer;
}

/** Sends the packet on; undefined when it has gone, or was dropped and counted. */
function route(frame: Frame, from: Network, router: Router, outputs: Outputs, { refuse }: Refusal): Answer | undefined {
  const { header, l3 } = frame;
  const ttl = header[l3 + IPV4_TTL]!;
  if (ttl <= 1) {
    outputs.drop('ttl', frame);
    return answered(refuse(ICMP_TIME_EXCEEDED, 0, 0));
  }
  const hop = router.lookUp(u32(header, l3 + IPV4_DESTINATION));
  if (hop === undefined || hop.ip >= 0xe0000000) {
    outputs.drop('no-route', frame);
    return answered(refuse(ICMP_UNREACHABLE, NETWORK_UNREACHABLE, 0));
  }
  const mac = hop.out.network.arp.get(hop.ip);
  if (mac === undefined) {
    outputs.drop('no-route', frame);
    return answered(refuse(ICMP_UNREACHABLE, HOST_UNREACHABLE, 0));
  }
  const { mtu } = hop.out.network;
  if (mtu < from.mtu && largestPacket(frame) > mtu) {
    const mayCut = (u16(header, l3 + IPV4_FRAGMENT) & DONT_FRAGMENT) === 0 && frame.offload.gsoType === GSO_NONE;
    if (!mayCut) {
      outputs.drop('too-big', frame);
      return answered(refuse(ICMP_UNREACHABLE, FRAGMENTATION_NEEDED, mtu));
    }
    for (const piece of fragmentsOf(frame.bytes(), l3, mtu)) {
      const cut = frame.withBytes(piece);
      if (cut !== undefined) goOn(readdress(cut, { source: hop.out.mac, destination: mac, ttl: ttl - 1 }), hop, mac);
    }
    return undefined;
  }
  return goOn(readdress(frame, { source: hop.out.mac, destination: mac, ttl: ttl - 1 }), hop, mac);

  function goOn(routed: Frame, { out }: NextHop, to: Mac): Answer | undefined {
    const { network } = out;
    const entry = network.fdb.get(to);
    switch (entry?.kind) {
      case 'port':
        outputs.toPort(entry, routed);
        return undefined;
      case 'vtep':
        if (network.vni === null) outputs.drop('unknown-destination', routed);
        else outputs.toVtep(entry, network.vni, routed);
        return undefined;
      case 'gateway': {
        // Another router on that network: its hop is taken here too. The TTL ends what goes in circles.
        const next = network.routers.at(network, to);
        if (next !== undefined) return route(routed, network, next, outputs, { refuse });
        outputs.drop('no-route', routed);
        return answered(refuse(ICMP_UNREACHABLE, HOST_UNREACHABLE, 0));
      }
      case undefined:
        outputs.drop('unknown-destination', routed);
        return undefined;
    }
  }
}

/** The packet was dropped and counted already: no answer is no second reason. */
const answered = (answer: Answer): Answer | undefined => (answer === 'ignore' ? undefined : answer);
