// The switch's tables, compiled from its configuration: what a layer looks up for each frame is a Map with a number as
// key. A new configuration makes new tables; what was learned or counted is carried over by port and network id.
//
//   Tables ─ networks by id, by VNI
//     Network ─ fdb: MAC → Port | Vtep | ROUTER     arp: IPv4 → MAC     vteps     subnets
//     Port    ─ who it may send as, its lease, its counters

import type { NetworkConfig, PortConfig, SubnetConfig, SwitchConfig } from './config.ts';
import { newPortCounters, type PortCounters } from './counters.ts';
import { Firewall } from './firewall/firewall.ts';
import { compileGroups, type SecurityGroup } from './firewall/rules.ts';
import { Routers } from './router.ts';
import {
  type Ipv4,
  type Ipv4Prefix,
  type Ipv6Prefix,
  inIpv6Prefix,
  inPrefix,
  ipv4Of,
  ipv4PrefixOf,
  ipv6PrefixOf,
  type Mac,
  macOf,
} from './wire/bytes.ts';

/** Another node, by `address:port`. */
export interface Vtep {
  readonly kind: 'vtep';
  readonly address: string;
}

/** The MAC address of a router's interface, which this node answers for. */
export interface Gateway {
  readonly kind: 'gateway';
  readonly mac: Mac;
  readonly ips: readonly Ipv4[];
}

/** What the port's guest is given by DHCP. */
export interface Lease {
  readonly ip: Ipv4;
  readonly subnet: Ipv4Subnet;
}

export interface Port {
  readonly kind: 'port';
  readonly index: number;
  readonly id: string;
  readonly network: Network;
  readonly mac: Mac;
  readonly hostname: string;
  readonly adminStateUp: boolean;
  readonly portSecurity: boolean;
  readonly senders: readonly Sender[];
  /** None without port security. */
  readonly firewall: Firewall | undefined;
  readonly lease: Lease | undefined;
  /** Whether frames to unknown MAC addresses may be for it. */
  readonly mayHoldUnknownMacs: boolean;
  readonly counters: PortCounters;
  /** Set by the agent: a guest is connected. */
  plugged: boolean;
  /** Set by the agent: the guest's card takes frames whose checksums and segments are left to be done. */
  offloads: boolean;
}

/** One MAC address with the addresses that may go with it. */
export interface Sender {
  readonly mac: Mac;
  readonly ipv4: readonly Ipv4Prefix[];
  readonly ipv6: readonly Ipv6Prefix[];
}

export interface Ipv4Subnet {
  readonly prefix: Ipv4Prefix;
  readonly gateway: Ipv4 | undefined;
  /** Whether a router answers at the gateway's address. */
  readonly isRouted: boolean;
  readonly dhcp: boolean;
  readonly dns: readonly Ipv4[];
  readonly routes: readonly { readonly prefix: Ipv4Prefix; readonly nexthop: Ipv4 }[];
  readonly domain: string;
  readonly mtu: number;
}

export interface Learned {
  readonly port: Port;
  /** Monotonic milliseconds. */
  expiresAt: number;
}

export interface Network {
  readonly id: string;
  readonly vni: number | null;
  readonly mtu: number;
  readonly fdb: ReadonlyMap<Mac, Port | Vtep | Gateway>;
  readonly arp: ReadonlyMap<Ipv4, Mac>;
  readonly vteps: readonly Vtep[];
  /** The addresses of the VTEPs: who may send to this one. */
  readonly peers: ReadonlySet<string>;
  readonly ports: readonly Port[];
  /** All of the node. */
  readonly routers: Routers;
  /** MAC addresses that guests use and nobody announced: allowed address pairs, ports without port security. */
  readonly learned: Map<Mac, Learned>;
}

export interface Tables {
  readonly networks: ReadonlyMap<string, Network>;
  readonly byVni: ReadonlyMap<number, Network>;
  /** By index. */
  readonly ports: readonly Port[];
  readonly byPortId: ReadonlyMap<string, Port>;
  readonly groups: ReadonlyMap<string, SecurityGroup>;
}

/**
 * The switch's own services (DHCP, and metadata by and by) have this address on every network. The MAC address is a
 * locally administered one that spells the IP address.
 */
export const SERVICE_IP: Ipv4 = ipv4Of('169.254.169.254');
export const SERVICE_MAC: Mac = macOf('0e:00:a9:fe:a9:fe');

export const EMPTY_TABLES: Tables = {
  networks: new Map(),
  byVni: new Map(),
  ports: [],
  byPortId: new Map(),
  groups: new Map(),
};

const isIpv6 = (text: string): boolean => text.includes(':');

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function compile(config: SwitchConfig, before: Tables = EMPTY_TABLES): Tables {
  const networks = new Map<string, Mutable<Network>>();
  const byVni = new Map<number, Network>();
  const byPortId = new Map<string, Port>();
  const ports: Port[] = [];
  const groups = compileGroups(config.securityGroups, before.groups);
  for (const networkConfig of config.networks) {
    const network = compileNetwork(networkConfig, ports, groups, before);
    networks.set(network.id, network);
    if (network.vni !== null) byVni.set(network.vni, network);
    for (const port of network.ports) byPortId.set(port.id, port);
  }
  // They refer to each other: routers to all networks, and each network to the routers.
  const routers = new Routers(config.routers, networks);
  for (const network of networks.values()) network.routers = routers;
  return { networks, byVni, ports, byPortId, groups };
}

const NO_ROUTERS = new Routers([], new Map());

function compileNetwork(
  config: NetworkConfig,
  allPorts: Port[],
  groups: ReadonlyMap<string, SecurityGroup>,
  before: Tables,
): Mutable<Network> {
  const fdb = new Map<Mac, Port | Vtep | Gateway>();
  const arp = new Map<Ipv4, Mac>();
  const ports: Port[] = [];
  const network: Mutable<Network> = {
    id: config.id,
    vni: config.vni,
    mtu: config.mtu,
    fdb,
    arp,
    vteps: config.vteps.map((address) => ({ kind: 'vtep', address })),
    peers: new Set([...config.vteps, ...config.routingVteps].map((text) => text.slice(0, text.lastIndexOf(':')))),
    ports,
    routers: NO_ROUTERS,
    learned: new Map(),
  };
  const claim = (mac: Mac, ips: readonly string[]): void => {
    for (const ip of ips) if (!isIpv6(ip)) arp.set(ipv4Of(ip), mac);
  };
  fdb.set(SERVICE_MAC, { kind: 'gateway', mac: SERVICE_MAC, ips: [SERVICE_IP] });
  arp.set(SERVICE_IP, SERVICE_MAC);
  for (const gateway of config.gateways) {
    const mac = macOf(gateway.mac);
    const present = fdb.get(mac);
    const ips = isIpv6(gateway.ip) ? [] : [ipv4Of(gateway.ip)];
    fdb.set(mac, { kind: 'gateway', mac, ips: present?.kind === 'gateway' ? [...present.ips, ...ips] : ips });
    claim(mac, [gateway.ip]);
  }
  const vteps = new Map(network.vteps.map((vtep) => [vtep.address, vtep]));
  for (const remote of config.remotes) {
    fdb.set(macOf(remote.mac), vteps.get(remote.vtep) ?? { kind: 'vtep', address: remote.vtep });
    claim(macOf(remote.mac), remote.ips);
  }
  const subnets = new Map<string, Ipv4Subnet>();
  for (const subnet of config.subnets) {
    if (!isIpv6(subnet.cidr)) subnets.set(subnet.id, compileSubnet(subnet, config, arp));
  }
  for (const portConfig of config.ports) {
    const port = compilePort(portConfig, network, subnets, allPorts.length, {
      firewall: compileFirewall(portConfig, groups, before.byPortId.get(portConfig.id)),
      before: before.byPortId.get(portConfig.id),
    });
    allPorts.push(port);
    ports.push(port);
    fdb.set(port.mac, port);
    claim(
      port.mac,
      portConfig.addresses.map((address) => address.ip),
    );
  }
  for (const [mac, learned] of before.networks.get(config.id)?.learned ?? []) {
    const port = ports.find((candidate) => candidate.id === learned.port.id);
    if (port && !fdb.has(mac)) network.learned.set(mac, { port, expiresAt: learned.expiresAt });
  }
  return network;
}

function compileSubnet(subnet: SubnetConfig, network: NetworkConfig, arp: ReadonlyMap<Ipv4, Mac>): Ipv4Subnet {
  const gateway = subnet.gatewayIp === null ? undefined : ipv4Of(subnet.gatewayIp);
  return {
    prefix: ipv4PrefixOf(subnet.cidr),
    gateway,
    isRouted: gateway !== undefined && arp.has(gateway),
    dhcp: subnet.dhcp,
    dns: subnet.dnsServers.filter((server) => !isIpv6(server)).map(ipv4Of),
    routes: subnet.hostRoutes
      .filter((route) => !isIpv6(route.destination))
      .map((route) => ({ prefix: ipv4PrefixOf(route.destination), nexthop: ipv4Of(route.nexthop) })),
    domain: subnet.domain,
    mtu: network.mtu,
  };
}

function compilePort(
  config: PortConfig,
  network: Network,
  subnets: ReadonlyMap<string, Ipv4Subnet>,
  index: number,
  { firewall, before }: { firewall: Firewall | undefined; before: Port | undefined },
): Port {
  const mac = macOf(config.mac);
  const pairs = config.allowedAddressPairs.map((pair) => ({ mac: macOf(pair.mac), ips: [pair.ip] }));
  const senders = [{ mac, ips: config.addresses.map((address) => address.ip) }, ...pairs].map(compileSender);
  const leased = config.addresses.find((address) => !isIpv6(address.ip) && subnets.has(address.subnetId));
  const subnet = leased && subnets.get(leased.subnetId);
  return {
    kind: 'port',
    index,
    id: config.id,
    network,
    mac,
    hostname: config.hostname,
    adminStateUp: config.adminStateUp,
    portSecurity: config.portSecurity,
    senders,
    firewall,
    lease: leased && subnet?.dhcp ? { ip: ipv4Of(leased.ip), subnet } : undefined,
    mayHoldUnknownMacs: !config.portSecurity || pairs.some((pair) => pair.mac !== mac),
    counters: before?.counters ?? newPortCounters(),
    plugged: before?.plugged ?? false,
    offloads: before?.offloads ?? false,
  };
}

/** Connections outlive a change of the configuration. */
function compileFirewall(
  config: PortConfig,
  groups: ReadonlyMap<string, SecurityGroup>,
  before: Port | undefined,
): Firewall | undefined {
  if (!config.portSecurity) return undefined;
  const own = config.securityGroupIds.flatMap((id) => groups.get(id) ?? []);
  const firewall = before?.firewall ?? new Firewall(own);
  firewall.setGroups(own);
  return firewall;
}

/** The link-local address that goes with a MAC address (RFC 4291 appendix A): its owner may always send from it. */
function linkLocal(mac: Mac): Uint8Array {
  const bytes = new Uint8Array(16);
  const part = (index: number): number => Math.floor(mac / 2 ** (8 * (5 - index))) & 0xff;
  bytes.set([0xfe, 0x80]);
  bytes.set([part(0) ^ 2, part(1), part(2), 0xff, 0xfe, part(3), part(4), part(5)], 8);
  return bytes;
}

function compileSender({ mac, ips }: { mac: Mac; ips: readonly string[] }): Sender {
  const ipv6 = ips.filter(isIpv6).map(ipv6PrefixOf);
  return {
    mac,
    ipv4: ips.filter((ip) => !isIpv6(ip)).map(ipv4PrefixOf),
    ipv6: [{ bytes: linkLocal(mac), length: 128 }, ...ipv6],
  };
}

export const mayUseIpv4 = (sender: Sender, ip: Ipv4): boolean => sender.ipv4.some((prefix) => inPrefix(prefix, ip));

/** Whether the 16 bytes at the offset lie under one of the sender's prefixes. */
export const mayUseIpv6 = (sender: Sender, header: Uint8Array, at: number): boolean =>
  sender.ipv6.some((prefix) => inIpv6Prefix(prefix, header, at));
