// What a node's switch is told: plain data, addresses as text. The controller makes it from intent, the agent hands it
// over whole, and tables.ts compiles it. Addresses are canonical: they were checked where they entered the system.

export interface SwitchConfig {
  readonly networks: readonly NetworkConfig[];
  /** Those that join networks of this node. */
  readonly routers: readonly RouterConfig[];
  /** Those of the ports of this node, and those that their rules name. */
  readonly securityGroups: readonly SecurityGroupConfig[];
}

/** Every node that has one of its networks carries out the whole router. */
export interface RouterConfig {
  readonly id: string;
  readonly interfaces: readonly RouterInterfaceConfig[];
  /** `nexthop` lies on one of its subnets. IPv4. */
  readonly routes: readonly { readonly destination: string; readonly nexthop: string }[];
}

export interface RouterInterfaceConfig {
  readonly networkId: string;
  readonly mac: string;
  /** Its address and the length of its subnet's prefix: `10.0.0.1/24`. IPv4. */
  readonly address: string;
}

export interface SecurityGroupConfig {
  readonly id: string;
  /** False: each direction needs a rule of its own. */
  readonly stateful: boolean;
  readonly rules: readonly SecurityRuleConfig[];
  /** Addresses and CIDRs of the group's ports; needed only where a rule names the group. */
  readonly members: readonly string[];
}

export interface SecurityRuleConfig {
  readonly id: string;
  readonly direction: 'ingress' | 'egress';
  readonly ipVersion: 4 | 6;
  /** An IP protocol number; null: any. */
  readonly protocol: number | null;
  /** The ports that are spoken to; for ICMP the type, and in `max` the code. Null: any. */
  readonly min: number | null;
  readonly max: number | null;
  readonly remoteCidr: string | null;
  readonly remoteGroupId: string | null;
}

export interface NetworkConfig {
  readonly id: string;
  /** The VNI; null: the network does not leave this node. */
  readonly vni: number | null;
  readonly mtu: number;
  readonly subnets: readonly SubnetConfig[];
  /** Ports bound to this node; none where the network is known for its routers' sake alone. */
  readonly ports: readonly PortConfig[];
  /** Ports bound to other nodes: where their MAC addresses are, and who has which IPv4 address. */
  readonly remotes: readonly RemotePortConfig[];
  /** VTEPs of the other nodes that have ports of this network, as `address:port`: whom broadcasts go to. */
  readonly vteps: readonly string[];
  /** VTEPs of nodes that have none, but may send into the network because a router joins it to theirs. */
  readonly routingVteps: readonly string[];
  /** Interfaces of routers: every node answers for them itself. */
  readonly gateways: readonly GatewayConfig[];
}

export interface SubnetConfig {
  readonly id: string;
  /** IPv4 or IPv6. */
  readonly cidr: string;
  readonly gatewayIp: string | null;
  readonly dhcp: boolean;
  readonly dnsServers: readonly string[];
  readonly hostRoutes: readonly { readonly destination: string; readonly nexthop: string }[];
  readonly domain: string;
}

export interface PortConfig {
  readonly id: string;
  readonly mac: string;
  readonly addresses: readonly { readonly subnetId: string; readonly ip: string }[];
  readonly hostname: string;
  readonly adminStateUp: boolean;
  /** False: no anti-spoofing, no firewall, and the port may have addresses that nobody knows. */
  readonly portSecurity: boolean;
  /** With port security, what no group allows is dropped. */
  readonly securityGroupIds: readonly string[];
  /** More that the port may send as. `ip` is an address or a CIDR. */
  readonly allowedAddressPairs: readonly { readonly mac: string; readonly ip: string }[];
}

export interface RemotePortConfig {
  readonly mac: string;
  readonly ips: readonly string[];
  readonly vtep: string;
}

export interface GatewayConfig {
  readonly mac: string;
  readonly ip: string;
}
