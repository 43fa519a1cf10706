// A switch with pretend guests, for tests: frames go in by hand, and what comes out is kept by port and by VTEP.

import type { NetworkConfig, PortConfig, RouterConfig, SecurityGroupConfig } from './config.ts';
import type { Frame } from './frame.ts';
import type { Port, Vtep } from './tables.ts';
import { VSwitch } from './vswitch.ts';
import { ipv4Of, macOf } from './wire/bytes.ts';
import { buildUdp } from './wire/udp.ts';
import type { Offload } from './wire/vnet-header.ts';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));

export const MAC_A = 'fa:16:3e:00:00:0a';
export const MAC_B = 'fa:16:3e:00:00:0b';
export const MAC_C = 'fa:16:3e:00:00:0c';
export const MAC_ROUTER = 'fa:16:3e:00:00:01';

export const portConfig = (id: string, mac: string, ip: string, more: Partial<PortConfig> = {}): PortConfig => ({
  id,
  mac,
  addresses: [{ subnetId: 's1', ip }],
  hostname: id,
  adminStateUp: true,
  portSecurity: true,
  securityGroupIds: ['open'],
  allowedAddressPairs: [],
  ...more,
});

/** Lets everything pass. */
export const OPEN_GROUP: SecurityGroupConfig = {
  id: 'open',
  stateful: false,
  members: [],
  rules: (['ingress', 'egress'] as const).flatMap((direction) =>
    ([4, 6] as const).map((ipVersion) => ({
      id: `${direction}-${ipVersion}`,
      direction,
      ipVersion,
      protocol: null,
      min: null,
      max: null,
      remoteCidr: null,
      remoteGroupId: null,
    })),
  ),
};

/** Network n1 (VNI 5): a and b here, c on another node, a router at 10.0.0.1. */
export const networkConfig = (more: Partial<NetworkConfig> = {}): NetworkConfig => ({
  id: 'n1',
  vni: 5,
  mtu: 1500,
  subnets: [
    {
      id: 's1',
      cidr: '10.0.0.0/26',
      gatewayIp: '10.0.0.1',
      dhcp: true,
      dnsServers: ['9.9.9.9'],
      hostRoutes: [],
      domain: 'cloud.example',
    },
  ],
  ports: [portConfig('a', MAC_A, '10.0.0.10'), portConfig('b', MAC_B, '10.0.0.11')],
  remotes: [{ mac: MAC_C, ips: ['10.0.0.12'], vtep: '127.0.0.3:4789' }],
  vteps: ['127.0.0.3:4789'],
  routingVteps: [],
  gateways: [{ mac: MAC_ROUTER, ip: '10.0.0.1' }],
  ...more,
});

export class SwitchLab {
  readonly vswitch: VSwitch;
  readonly toPorts = new Map<string, Uint8Array[]>();
  /** What was left to be done of the frames to ports, in order. */
  readonly offloads: Offload[] = [];
  readonly toVteps: { vtep: string; vni: number; bytes: Uint8Array; hash: number }[] = [];
  now = 0;
  groups: readonly SecurityGroupConfig[] = [OPEN_GROUP];
  routers: readonly RouterConfig[] = [];

  constructor(...networks: readonly NetworkConfig[]) {
    const sink = {
      toPort: (port: Port, frame: Frame) => {
        this.offloads.push(frame.offload);
        this.toPorts.set(port.id, [...(this.toPorts.get(port.id) ?? []), frame.bytes().slice()]);
      },
      toTunnel: (vtep: Vtep, vni: number, frame: Frame, hash: number) => {
        this.toVteps.push({ vtep: vtep.address, vni, bytes: frame.bytes().slice(), hash });
      },
    };
    this.vswitch = new VSwitch({ sink, now: () => this.now });
    this.apply(...networks);
  }

  apply(...networks: readonly NetworkConfig[]): void {
    this.vswitch.apply({ networks, routers: this.routers, securityGroups: this.groups });
    for (const port of this.vswitch.tables.ports) port.plugged = true;
  }

  send(portId: string, bytes: Uint8Array, offload?: Offload): void {
    const port = this.vswitch.tables.byPortId.get(portId);
    if (port === undefined) throw new Error(`no port ${portId}`);
    this.vswitch.fromPort(port, bytes, offload);
  }

  /** What a port got since it was last asked. */
  got(portId: string): Uint8Array[] {
    const frames = this.toPorts.get(portId) ?? [];
    this.toPorts.delete(portId);
    return frames;
  }

  drops(): Record<string, number> {
    return { ...this.vswitch.counters.drops };
  }
}

/** A UDP frame between guests. */
export function udpFrame(fromMac: string, fromIp: string, toMac: string, toIp: string, size = 10): Uint8Array {
  return buildUdp(
    {
      sourceMac: macOf(fromMac),
      destinationMac: macOf(toMac),
      source: ipv4Of(fromIp),
      destination: ipv4Of(toIp),
      sourcePort: 1000,
      destinationPort: 2000,
    },
    new Uint8Array(size).fill(0x5a),
  );
}
