// A subnet: a range of addresses of one network. Written by the API alone. That two subnets of a network do not overlap
// is decided under a change of the network's record, so that two writers cannot both be right.

import type { Kind } from '../kind.ts';
import type { NetworkResource } from './network.ts';

export interface AllocationPool {
  readonly start: string;
  readonly end: string;
}

export interface HostRoute {
  readonly destination: string;
  readonly nexthop: string;
}

export type Ipv6Mode = 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless';

export interface Subnet extends NetworkResource {
  readonly networkId: string;
  readonly ipVersion: 4 | 6;
  readonly cidr: string;
  readonly gatewayIp: string | null;
  readonly enableDhcp: boolean;
  readonly dnsNameservers: readonly string[];
  readonly allocationPools: readonly AllocationPool[];
  readonly hostRoutes: readonly HostRoute[];
  readonly ipv6AddressMode: Ipv6Mode | null;
  readonly ipv6RaMode: Ipv6Mode | null;
  readonly subnetPoolId: string | null;
  readonly serviceTypes: readonly string[];
  readonly dnsPublishFixedIp: boolean;
}

export const SUBNET: Kind<Subnet> = { name: 'subnet', id: (subnet) => subnet.id };

/** Whether guests make their own addresses from the prefix, so that none is drawn from a pool. */
export const isAutoAddressed = (subnet: Subnet): boolean =>
  subnet.ipVersion === 6 && (subnet.ipv6AddressMode === 'slaac' || subnet.ipv6AddressMode === 'dhcpv6-stateless');
