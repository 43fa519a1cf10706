// Frames to a router's MAC address, or to that of the service address. Every node answers for them itself: an echo to
// the router's own address is replied to, and what has no way on is told so at once, as a router does, so that a guest's
// connect fails in a moment instead of after minutes.

import type { Frame } from '../frame.ts';
import type { Layer } from '../layer.ts';
import type { Gateway, Port } from '../tables.ts';
import { type Ipv4, isGroupMac, u16, u32 } from '../wire/bytes.ts';
import { checksum } from '../wire/checksum.ts';
import { ETHERTYPE_IPV4 } from '../wire/ethernet.ts';
import {
  buildIcmp,
  ICMP_CODE,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_HEADER,
  ICMP_TYPE,
  ICMP_UNREACHABLE,
  NETWORK_UNREACHABLE,
  PORT_UNREACHABLE,
  unreachableBody,
} from '../wire/icmp.ts';
import { IPV4_DESTINATION, IPV4_FRAGMENT, IPV4_SOURCE, IPV4_TOTAL_LENGTH, PROTOCOL_ICMP } from '../wire/ipv4.ts';

export const gateway: Layer = {
  name: 'gateway',
  step(frame, port, outputs) {
    const entry = port.network.fdb.get(frame.destination);
    if (entry?.kind !== 'gateway') return true;
    const answer = answerTo(frame, entry, port);
    if (answer === undefined) outputs.drop('gateway-ignored', frame);
    else outputs.answer(port, answer);
    return false;
  },
};

function answerTo(frame: Frame, entry: Gateway, port: Port): Uint8Array | undefined {
  const { header, l3, l4 } = frame;
  const own = entry.ips[0];
  if (frame.etherType !== ETHERTYPE_IPV4 || l4 === 0 || own === undefined || isGroupMac(frame.source)) return undefined;
  const source = u32(header, l3 + IPV4_SOURCE);
  const destination = u32(header, l3 + IPV4_DESTINATION);
  const packetEnd = l3 + u16(header, l3 + IPV4_TOTAL_LENGTH);
  const isFragment = (u16(header, l3 + IPV4_FRAGMENT) & 0x3fff) !== 0;
  if (source === 0 || isFragment || packetEnd > frame.length || packetEnd < l4) return undefined;
  const ends = (from: Ipv4) => ({
    sourceMac: entry.mac,
    destinationMac: frame.source,
    source: from,
    destination: source,
  });
  const isIcmp = frame.protocol === PROTOCOL_ICMP;
  if (isIcmp && packetEnd < l4 + ICMP_HEADER) return undefined;
  const bytes = frame.bytes();
  if (entry.ips.includes(destination)) {
    if (!isIcmp) return unreachable(PORT_UNREACHABLE);
    const isEcho = header[l4 + ICMP_TYPE] === ICMP_ECHO && header[l4 + ICMP_CODE] === 0;
    if (!isEcho || checksum(bytes, l4, packetEnd) !== 0) return undefined;
    return buildIcmp(ends(destination), ICMP_ECHO_REPLY, 0, bytes.subarray(l4 + 4, packetEnd));
  }
  // No error about an error, nor about what went to many (RFC 1122 3.2.2).
  const isMany = destination >= 0xe0000000 || !port.senders.some((sender) => sender.mac === frame.source);
  if (isMany || (isIcmp && header[l4 + ICMP_TYPE] !== ICMP_ECHO)) return undefined;
  return unreachable(NETWORK_UNREACHABLE);

  function unreachable(code: number): Uint8Array {
    const body = unreachableBody(bytes.subarray(l3, packetEnd), l4 - l3);
    return buildIcmp(ends(own ?? 0), ICMP_UNREACHABLE, code, body);
  }
}
