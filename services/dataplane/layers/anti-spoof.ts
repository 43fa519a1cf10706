// A port with port security sends as itself alone: its MAC address and its addresses, or those of its allowed address
// pairs. As Neutron, it may also send from no address while it has none (DHCP, duplicate address detection) and from the
// IPv6 link-local address that goes with its MAC address.

import type { DropReason } from '../counters.ts';
import type { Frame } from '../frame.ts';
import type { Layer } from '../layer.ts';
import { mayUseIpv4, mayUseIpv6, type Port, type Sender } from '../tables.ts';
import { ARP_SENDER_IP, ARP_SENDER_MAC, isArpIpv4 } from '../wire/arp.ts';
import { macAt, u16, u32 } from '../wire/bytes.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from '../wire/dhcp.ts';
import { ETH_HEADER, ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from '../wire/ethernet.ts';
import { IPV4_SOURCE, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { IPV6_HEADER, IPV6_SOURCE } from '../wire/ipv6.ts';
import { UDP_DESTINATION, UDP_SOURCE } from '../wire/udp.ts';

export const antiSpoof: Layer = {
  name: 'anti-spoof',
  step(frame, port, outputs) {
    if (!port.portSecurity) return true;
    const reason = refusal(frame, port);
    if (reason !== undefined) outputs.drop(reason, frame);
    return reason === undefined;
  },
};

function refusal(frame: Frame, port: Port): DropReason | undefined {
  // Few senders: the port itself and its pairs. Several may have the same MAC address.
  const { senders } = port;
  const isSender = (sender: Sender): boolean => sender.mac === frame.source;
  if (!senders.some(isSender)) return 'source-mac';
  const { header } = frame;
  switch (frame.etherType) {
    case ETHERTYPE_IPV4: {
      if (frame.l3 === 0) return 'malformed';
      const source = u32(header, frame.l3 + IPV4_SOURCE);
      if (source === 0) return isDhcpRequest(frame) ? undefined : 'source-ip';
      if (!senders.some((sender) => isSender(sender) && mayUseIpv4(sender, source))) return 'source-ip';
      return isDhcpReply(frame) ? 'dhcp-server' : undefined;
    }
    case ETHERTYPE_ARP: {
      if (!isArpIpv4(header, ETH_HEADER)) return 'malformed';
      if (macAt(header, ETH_HEADER + ARP_SENDER_MAC) !== frame.source) return 'arp-sender';
      const source = u32(header, ETH_HEADER + ARP_SENDER_IP);
      // A probe (RFC 5227) asks from no address.
      if (source === 0) return undefined;
      return senders.some((sender) => isSender(sender) && mayUseIpv4(sender, source)) ? undefined : 'arp-sender';
    }
    case ETHERTYPE_IPV6: {
      if (header.length < ETH_HEADER + IPV6_HEADER || frame.l3 === 0) return 'malformed';
      const at = frame.l3 + IPV6_SOURCE;
      if (isUnspecified(header, at)) return undefined;
      return senders.some((sender) => isSender(sender) && mayUseIpv6(sender, header, at)) ? undefined : 'source-ip';
    }
    default:
      return 'ethertype';
  }
}

const hasUdpPorts = (frame: Frame): boolean =>
  frame.protocol === PROTOCOL_UDP && frame.l4 > 0 && frame.header.length >= frame.l4 + 4;

const isDhcpRequest = (frame: Frame): boolean =>
  hasUdpPorts(frame) && u16(frame.header, frame.l4 + UDP_DESTINATION) === DHCP_SERVER_PORT;

const isDhcpReply = (frame: Frame): boolean =>
  hasUdpPorts(frame) &&
  u16(frame.header, frame.l4 + UDP_SOURCE) === DHCP_SERVER_PORT &&
  u16(frame.header, frame.l4 + UDP_DESTINATION) === DHCP_CLIENT_PORT;

const isUnspecified = (header: Uint8Array, at: number): boolean =>
  u32(header, at) === 0 && u32(header, at + 4) === 0 && u32(header, at + 8) === 0 && u32(header, at + 12) === 0;
