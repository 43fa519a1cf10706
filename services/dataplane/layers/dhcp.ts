// DHCP (RFC 2131) answered next to the guest: what a port gets is known before it asks, so the server keeps no leases and
// works on isolated networks too. A port with no IPv4 address, or on a subnet without DHCP, gets no answer.
//
//   DISCOVER ─► OFFER     REQUEST for its address ─► ACK     REQUEST for another ─► NAK     INFORM ─► ACK without address

import type { Frame } from '../frame.ts';
import type { Layer } from '../layer.ts';
import { type Ipv4Subnet, type Lease, type Port, SERVICE_IP, SERVICE_MAC } from '../tables.ts';
import { BROADCAST, type Ipv4, u16 } from '../wire/bytes.ts';
import {
  buildDhcpReply,
  type ClasslessRoute,
  DHCP,
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  type DhcpOptions,
  type DhcpRequest,
  encodeClasslessRoutes,
  OPTION,
  parseDhcp,
  u32Bytes,
} from '../wire/dhcp.ts';
import { ETHERTYPE_IPV4 } from '../wire/ethernet.ts';
import { PROTOCOL_UDP } from '../wire/ipv4.ts';
import { buildUdp, UDP_DESTINATION, UDP_HEADER } from '../wire/udp.ts';

/** Neutron's dhcp_lease_duration. */
export const LEASE_SECONDS = 86_400;

const LIMITED_BROADCAST: Ipv4 = 0xffffffff;

export const dhcp: Layer = {
  name: 'dhcp',
  step(frame, port, outputs) {
    if (!isToServer(frame)) return true;
    const request = parseDhcp(frame.bytes().subarray(frame.l4 + UDP_HEADER));
    if (request === undefined) outputs.drop('dhcp-malformed', frame);
    else {
      const answer = answerTo(request, port);
      if (answer === undefined) outputs.drop('dhcp-ignored', frame);
      else outputs.answer(port, answer);
    }
    return false;
  },
};

const isToServer = (frame: Frame): boolean =>
  frame.protocol === PROTOCOL_UDP &&
  frame.etherType === ETHERTYPE_IPV4 &&
  frame.l4 > 0 &&
  frame.header.length >= frame.l4 + UDP_HEADER &&
  u16(frame.header, frame.l4 + UDP_DESTINATION) === DHCP_SERVER_PORT;

/** The router's address where there is one; the service address answers on every network. */
const serverIdOf = (subnet: Ipv4Subnet): Ipv4 => (subnet.isRouted ? (subnet.gateway ?? SERVICE_IP) : SERVICE_IP);

const isOwnId = (id: Ipv4, subnet: Ipv4Subnet): boolean => id === SERVICE_IP || id === subnet.gateway;

function answerTo(request: DhcpRequest, port: Port): Uint8Array | undefined {
  const { lease } = port;
  if (lease === undefined || request.chaddr !== port.mac || request.giaddr !== 0) return undefined;
  switch (request.type) {
    case DHCP.DISCOVER:
      return reply(request, port, lease, DHCP.OFFER);
    case DHCP.REQUEST: {
      // The client has chosen another server's offer (4.3.2). Ours may have come before its subnet was routed, or after.
      if (request.serverId !== undefined && !isOwnId(request.serverId, lease.subnet)) return undefined;
      const wanted = request.requestedAddress ?? request.ciaddr;
      return reply(request, port, lease, wanted === lease.ip ? DHCP.ACK : DHCP.NAK);
    }
    case DHCP.INFORM:
      return reply(request, port, lease, DHCP.ACK);
    default:
      return undefined;
  }
}

function reply(request: DhcpRequest, port: Port, lease: Lease, type: number): Uint8Array {
  const { serverId } = request;
  const isKnown = serverId !== undefined && isOwnId(serverId, lease.subnet);
  const server = isKnown ? serverId : serverIdOf(lease.subnet);
  const isNak = type === DHCP.NAK;
  const isInform = request.type === DHCP.INFORM;
  const options: DhcpOptions = [
    [OPTION.SERVER_ID, u32Bytes(server)],
    ...(isNak || isInform ? [] : leaseOptions()),
    ...(isNak ? [] : parameters(port, lease.subnet)),
  ];
  const payload = buildDhcpReply(request, {
    type,
    yiaddr: isNak || isInform ? 0 : lease.ip,
    siaddr: isNak ? 0 : server,
    options,
  });
  // 4.1: to the address that the client has; else broadcast when it asks for that, or to the address it is given.
  const known = isNak ? 0 : request.ciaddr;
  const toAll = isNak || (known === 0 && request.broadcast);
  return buildUdp(
    {
      sourceMac: SERVICE_MAC,
      destinationMac: toAll ? BROADCAST : port.mac,
      source: server,
      destination: toAll ? LIMITED_BROADCAST : known || lease.ip,
      sourcePort: DHCP_SERVER_PORT,
      destinationPort: DHCP_CLIENT_PORT,
    },
    payload,
  );
}

const leaseOptions = (): DhcpOptions => [
  [OPTION.LEASE_TIME, u32Bytes(LEASE_SECONDS)],
  [OPTION.RENEWAL_TIME, u32Bytes(LEASE_SECONDS / 2)],
  [OPTION.REBINDING_TIME, u32Bytes((LEASE_SECONDS / 8) * 7)],
];

function parameters(port: Port, subnet: Ipv4Subnet): DhcpOptions {
  const options: [number, Uint8Array][] = [
    [OPTION.SUBNET_MASK, u32Bytes(subnet.prefix.mask)],
    [OPTION.BROADCAST, u32Bytes((subnet.prefix.network | ~subnet.prefix.mask) >>> 0)],
    [OPTION.MTU, Uint8Array.of(subnet.mtu >>> 8, subnet.mtu)],
    [OPTION.CLASSLESS_ROUTES, encodeClasslessRoutes(routesOf(subnet)).subarray(0, 255)],
  ];
  if (subnet.gateway !== undefined) options.push([OPTION.ROUTER, u32Bytes(subnet.gateway)]);
  if (subnet.dns.length > 0) options.push([OPTION.DNS, u32Bytes(...subnet.dns)]);
  if (port.hostname !== '') options.push([OPTION.HOST_NAME, text(port.hostname)]);
  if (subnet.domain !== '') options.push([OPTION.DOMAIN_NAME, text(subnet.domain)]);
  return options;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value).subarray(0, 255);

/**
 * A client that takes option 121 ignores option 3 (RFC 3442), so the default route is here too. The service address is on
 * the link of every network: no router is needed to reach it.
 */
function routesOf(subnet: Ipv4Subnet): ClasslessRoute[] {
  const routes: ClasslessRoute[] = [{ network: SERVICE_IP, length: 32, nexthop: 0 }];
  for (const { prefix, nexthop } of subnet.routes)
    routes.push({ network: prefix.network, length: prefix.length, nexthop });
  if (subnet.gateway !== undefined) routes.push({ network: 0, length: 0, nexthop: subnet.gateway });
  return routes;
}
