// A port: where a device meets a network. Who writes what, all under compare-and-set:
//   the API and the conductor's sagas   everything that users ask for, and the binding's host
//   the network controller              `status`, from what the host's network agent reports
// A MAC address is unique in its network and an address in its subnet: both are keys of their own.

import type { Kind } from '../kind.ts';
import type { NetworkResource } from './network.ts';

export interface FixedIp {
  readonly subnetId: string;
  readonly ipAddress: string;
}

export interface AllowedAddressPair {
  /** An address or a CIDR. */
  readonly ipAddress: string;
  readonly macAddress: string;
}

export interface ExtraDhcpOption {
  readonly optName: string;
  readonly optValue: string;
  readonly ipVersion: 4 | 6;
}

//             bound to a host          the host's switch has it plugged
//   unbound ─────────────────► DOWN ◄──────────────────────────────────► ACTIVE
// `unbound` shows as DOWN too. Router ports, which no guest plugs, are ACTIVE while their router exists.
export type PortStatus = 'ACTIVE' | 'DOWN' | 'BUILD' | 'ERROR';

export type VifType = 'unbound' | 'binding_failed' | 'cumulet' | 'distributed';

export interface PortBinding {
  /** The name of a host; empty: not bound. */
  readonly hostId: string;
  readonly vnicType: string;
  readonly profile: Readonly<Record<string, unknown>>;
  readonly vifType: VifType;
}

export interface Port extends NetworkResource {
  readonly networkId: string;
  readonly macAddress: string;
  readonly fixedIps: readonly FixedIp[];
  readonly adminStateUp: boolean;
  readonly status: PortStatus;
  readonly deviceId: string;
  readonly deviceOwner: string;
  readonly securityGroupIds: readonly string[];
  readonly portSecurityEnabled: boolean;
  readonly allowedAddressPairs: readonly AllowedAddressPair[];
  readonly extraDhcpOptions: readonly ExtraDhcpOption[];
  /** What DHCP tells the guest as its host name. */
  readonly dnsName: string;
  readonly binding: PortBinding;
}

export const PORT: Kind<Port> = {
  name: 'port',
  id: (port) => port.id,
  unique: (port) => [
    `mac/${port.networkId}/${port.macAddress}`,
    ...port.fixedIps.map((ip) => `ip/${ip.subnetId}/${ip.ipAddress}`),
  ],
};

export const ROUTER_INTERFACE = 'network:router_interface';
export const ROUTER_GATEWAY = 'network:router_gateway';
export const FLOATING_IP_OWNER = 'network:floatingip';

/** Ports of the network's own devices, which no guest plugs. */
export const isInfrastructurePort = (port: Port): boolean => port.deviceOwner.startsWith('network:');

/** The port bound to a host, or unbound for ''. Its status starts over: the host has not plugged it yet. */
export function bindPort(port: Port, hostId: string, now: number): Port {
  if (port.binding.hostId === hostId) return port;
  const binding: PortBinding = { ...port.binding, hostId, vifType: hostId === '' ? 'unbound' : 'cumulet' };
  return { ...port, binding, status: 'DOWN', revisionNumber: port.revisionNumber + 1, updatedAt: now };
}
