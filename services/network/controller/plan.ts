// From intent to what hosts are told. Pure: records in, one network's part of the state of each host out. A host is told
// of a network when it has a port of it, or of a network that routers join to it: each host routes for its own guests.

import type { networkV1 } from '#gen';
import { isInfrastructurePort, type Network, type Port, ROUTER_INTERFACE, type Subnet } from '#model';

export interface NetworkIntent {
  readonly network: Network;
  /** Of the network. */
  readonly subnets: readonly Subnet[];
  /** Of the network. */
  readonly ports: readonly Port[];
  /** Hosts that have ports of networks which routers join to this one. */
  readonly joinedHosts: ReadonlySet<string>;
  /** `address:port` of each host's tunnel endpoint; '' while it is not known. */
  vtepOf(host: string): string;
}

/** Neutron's default domain of names inside a network. */
const DEFAULT_DOMAIN = 'openstacklocal';

const ipsOf = (port: Port): string[] => port.fixedIps.map((ip) => ip.ipAddress);

export function planHosts(intent: NetworkIntent): Map<string, networkV1.Network> {
  const { network } = intent;
  const subnets = [...intent.subnets].sort(byId);
  const guests = intent.ports.filter((port) => port.binding.hostId !== '' && !isInfrastructurePort(port)).sort(byId);
  const hosts = [...new Set(guests.map((port) => port.binding.hostId))].sort();
  const joined = [...intent.joinedHosts].filter((host) => !hosts.includes(host)).sort();
  const vni = network.networkType === 'vxlan' ? (network.segmentationId ?? 0) : 0;
  const isTunnelled = vni !== 0;
  const remoteOf = (port: Port): networkV1.Network['remotes'] => {
    const vtep = intent.vtepOf(port.binding.hostId);
    return vtep === '' ? [] : [{ mac: port.macAddress, ips: ipsOf(port), vtep }];
  };
  const planHost = (host: string): networkV1.Network => {
    const others = isTunnelled ? guests.filter((port) => port.binding.hostId !== host) : [];
    const vtepsOf = (names: readonly string[]): string[] =>
      names
        .filter((other) => other !== host && isTunnelled)
        .map((other) => intent.vtepOf(other))
        .filter((vtep) => vtep !== '');
    return {
      id: network.id,
      vni,
      mtu: network.mtu,
      subnets: subnets.map((subnet) => planSubnet(subnet, network)),
      ports: guests.filter((port) => port.binding.hostId === host).map((port) => planPort(port, network)),
      remotes: others.flatMap((port) => remoteOf(port) ?? []),
      vteps: vtepsOf(hosts),
      routingVteps: vtepsOf(joined),
      gateways: [...intent.ports]
        .filter((port) => port.deviceOwner === ROUTER_INTERFACE && port.adminStateUp)
        .sort(byId)
        .flatMap((port) => ipsOf(port).map((ip) => ({ mac: port.macAddress, ip }))),
    };
  };
  return new Map([...hosts, ...joined].map((host) => [host, planHost(host)]));
}

const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1);

const planSubnet = (
  subnet: Subnet,
  network: Network,
): networkV1.Network['subnets'] extends (infer S)[] | undefined ? S : never => ({
  id: subnet.id,
  cidr: subnet.cidr,
  gatewayIp: subnet.gatewayIp ?? '',
  dhcp: subnet.enableDhcp,
  dnsServers: [...subnet.dnsNameservers],
  hostRoutes: subnet.hostRoutes.map(({ destination, nexthop }) => ({ destination, nexthop })),
  domain: network.dnsDomain.replace(/\.$/, '') || DEFAULT_DOMAIN,
});

const planPort = (
  port: Port,
  network: Network,
): networkV1.Network['ports'] extends (infer P)[] | undefined ? P : never => ({
  id: port.id,
  mac: port.macAddress,
  addresses: port.fixedIps.map(({ subnetId, ipAddress }) => ({ subnetId, ip: ipAddress })),
  hostname: port.dnsName,
  adminStateUp: port.adminStateUp && network.adminStateUp,
  portSecurity: port.portSecurityEnabled,
  securityGroupIds: [...port.securityGroupIds].sort(),
  allowedAddressPairs: port.allowedAddressPairs.map(({ macAddress, ipAddress }) => ({
    mac: macAddress,
    ip: ipAddress,
  })),
});
