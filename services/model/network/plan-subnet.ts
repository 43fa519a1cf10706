// Plans a new subnet: range, gateway and allocation pools, each checked against the others as Neutron does.

import {
  type Cidr,
  canonicalIp,
  cidrContains,
  cidrsOverlap,
  formatCidr,
  formatIp,
  type IpAddress,
  parseCidr,
  parseIp,
} from './address.ts';
import { networkError } from './errors.ts';
import type { Network } from './network.ts';
import type { AllocationPool, HostRoute, Ipv6Mode, Subnet } from './subnet.ts';

export interface SubnetRequest {
  readonly projectId: string;
  readonly cidr: string;
  readonly ipVersion?: 4 | 6;
  readonly name?: string;
  readonly description?: string;
  /** Undefined: the first address; null: none. */
  readonly gatewayIp?: string | null;
  readonly enableDhcp?: boolean;
  readonly dnsNameservers?: readonly string[];
  readonly allocationPools?: readonly AllocationPool[];
  readonly hostRoutes?: readonly HostRoute[];
  readonly ipv6AddressMode?: Ipv6Mode | null;
  readonly ipv6RaMode?: Ipv6Mode | null;
  readonly subnetPoolId?: string | null;
  readonly serviceTypes?: readonly string[];
  readonly tags?: readonly string[];
}

export interface SubnetPlanInput {
  readonly network: Network;
  /** The subnets that the network has. */
  readonly siblings: readonly Subnet[];
  readonly request: SubnetRequest;
  readonly id: string;
  readonly now: number;
}

const invalid = (why: string) => networkError('invalid', 'InvalidInput', `Invalid input for operation: ${why}.`);

interface Range {
  readonly first: bigint;
  readonly last: bigint;
}

/** The addresses that a device may have: in IPv4 without the network's own and the broadcast address (RFC 3021 spares /31). */
function hostRange(cidr: Cidr): Range {
  const small = cidr.version === 4 ? cidr.prefixLength >= 31 : cidr.prefixLength >= 127;
  if (small) return cidr;
  return { first: cidr.first + 1n, last: cidr.version === 4 ? cidr.last - 1n : cidr.last };
}

/** Whether a device of the subnet may have the address. */
export function isHostAddress(cidr: Cidr, address: IpAddress): boolean {
  const range = hostRange(cidr);
  return cidrContains(cidr, address) && address.value >= range.first && address.value <= range.last;
}

const pool = (version: 4 | 6, range: Range): AllocationPool => ({
  start: formatIp({ version, value: range.first }),
  end: formatIp({ version, value: range.last }),
});

/** All addresses that hosts may have, without the gateway's. */
export function defaultPools(cidr: Cidr, gateway: IpAddress | undefined): AllocationPool[] {
  const { first, last } = hostRange(cidr);
  if (!gateway || gateway.value < first || gateway.value > last) return [pool(cidr.version, { first, last })];
  const parts: Range[] = [
    { first, last: gateway.value - 1n },
    { first: gateway.value + 1n, last },
  ];
  return parts.filter((part) => part.first <= part.last).map((part) => pool(cidr.version, part));
}

/** The pools in order; refuses what lies outside of the range, is upside down, overlaps or holds the gateway. */
export function checkPools(
  cidr: Cidr,
  gateway: IpAddress | undefined,
  pools: readonly AllocationPool[],
): AllocationPool[] {
  const ranges: Range[] = [];
  for (const { start, end } of pools) {
    const first = parseIp(start);
    const last = parseIp(end);
    const text = `${start}-${end}`;
    if (
      !first ||
      !last ||
      first.version !== last.version ||
      first.value > last.value ||
      first.version !== cidr.version
    ) {
      throw networkError('invalid', 'InvalidAllocationPool', `The allocation pool ${text} is not valid.`);
    }
    if (!isHostAddress(cidr, first) || !isHostAddress(cidr, last)) {
      const message = `The allocation pool ${text} spans beyond the subnet cidr ${formatCidr(cidr)}.`;
      throw networkError('invalid', 'OutOfBoundsAllocationPool', message);
    }
    ranges.push({ first: first.value, last: last.value });
  }
  ranges.sort((a, b) => (a.first < b.first ? -1 : 1));
  ranges.forEach((range, at) => {
    const next = ranges[at + 1];
    if (next && range.last >= next.first) {
      const [a, b] = [pool(cidr.version, range), pool(cidr.version, next)];
      const message = `Found overlapping allocation pools: ${a.start}-${a.end}, ${b.start}-${b.end} for subnet ${formatCidr(cidr)}.`;
      throw networkError('conflict', 'OverlappingAllocationPools', message);
    }
    if (gateway && gateway.value >= range.first && gateway.value <= range.last) {
      const conflict = pool(cidr.version, range);
      const message = `Gateway ip ${formatIp(gateway)} conflicts with allocation pool ${conflict.start}-${conflict.end}.`;
      throw networkError('conflict', 'GatewayConflictWithAllocationPools', message);
    }
  });
  return ranges.map((range) => pool(cidr.version, range));
}

export function checkGateway(cidr: Cidr, text: string): IpAddress {
  const gateway = parseIp(text);
  if (!gateway || gateway.version !== cidr.version) throw invalid(`Invalid gateway_ip '${text}'`);
  // A link-local gateway lies outside of every IPv6 prefix and is right.
  const linkLocal = gateway.version === 6 && gateway.value >> 118n === 0x3fan;
  if (cidrContains(cidr, gateway) && !linkLocal && !isHostAddress(cidr, gateway) && cidr.version === 4) {
    throw invalid('Gateway is not valid on subnet');
  }
  return gateway;
}

export function checkHostRoutes(version: 4 | 6, routes: readonly HostRoute[]): HostRoute[] {
  return routes.map((route) => {
    const destination = parseCidr(route.destination);
    const nexthop = parseIp(route.nexthop);
    if (!destination || !nexthop || destination.version !== version || nexthop.version !== version) {
      throw invalid(`Invalid host route: destination '${route.destination}', nexthop '${route.nexthop}'`);
    }
    return { destination: formatCidr(destination), nexthop: formatIp(nexthop) };
  });
}

export function checkNameservers(servers: readonly string[]): string[] {
  return servers.map((server) => {
    const text = canonicalIp(server);
    if (text === undefined) throw invalid(`Error parsing dns address '${server}'`);
    return text;
  });
}

function checkIpv6Modes(request: SubnetRequest, cidr: Cidr): void {
  const { ipv6AddressMode: address, ipv6RaMode: ra } = request;
  if (!address && !ra) return;
  if (cidr.version === 4) throw invalid('ipv6_address_mode or ipv6_ra_mode is not valid for an IPv4 subnet');
  if (request.enableDhcp === false)
    throw invalid('ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False');
  if (address && ra && address !== ra) {
    throw invalid(`ipv6_ra_mode set to '${ra}' with ipv6_address_mode set to '${address}' is not valid`);
  }
  const mode = address ?? ra;
  if ((mode === 'slaac' || mode === 'dhcpv6-stateless') && cidr.prefixLength !== 64) {
    throw invalid(
      `Invalid CIDR ${formatCidr(cidr)} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64`,
    );
  }
}

export function planSubnet({ network, siblings, request, id, now }: SubnetPlanInput): Subnet {
  const cidr = parseCidr(request.cidr);
  if (!cidr) throw invalid(`'${request.cidr}' is not a valid IP subnet`);
  const ipVersion = request.ipVersion ?? cidr.version;
  if (ipVersion !== cidr.version) {
    throw invalid(`ip_version ${ipVersion} does not match the cidr ${request.cidr}`);
  }
  checkIpv6Modes(request, cidr);
  for (const sibling of siblings) {
    const other = parseCidr(sibling.cidr);
    if (other && cidrsOverlap(cidr, other)) {
      throw invalid(
        `Requested subnet with cidr: ${formatCidr(cidr)} for network: ${network.id} overlaps with another subnet`,
      );
    }
  }
  const hasRoom = cidr.first !== cidr.last;
  let gateway: IpAddress | undefined;
  if (request.gatewayIp !== undefined && request.gatewayIp !== null) gateway = checkGateway(cidr, request.gatewayIp);
  else if (request.gatewayIp === undefined && hasRoom) gateway = { version: ipVersion, value: cidr.first + 1n };
  return {
    id,
    projectId: request.projectId,
    networkId: network.id,
    name: request.name ?? '',
    description: request.description ?? '',
    tags: request.tags ?? [],
    createdAt: now,
    updatedAt: now,
    revisionNumber: 0,
    ipVersion,
    cidr: formatCidr(cidr),
    gatewayIp: gateway ? formatIp(gateway) : null,
    enableDhcp: request.enableDhcp ?? true,
    dnsNameservers: checkNameservers(request.dnsNameservers ?? []),
    allocationPools: request.allocationPools
      ? checkPools(cidr, gateway, request.allocationPools)
      : defaultPools(cidr, gateway),
    hostRoutes: checkHostRoutes(ipVersion, request.hostRoutes ?? []),
    ipv6AddressMode: request.ipv6AddressMode ?? null,
    ipv6RaMode: request.ipv6RaMode ?? null,
    subnetPoolId: request.subnetPoolId ?? null,
    serviceTypes: request.serviceTypes ?? [],
    dnsPublishFixedIp: false,
  };
}
