// What a guest is told about itself: the tree of files that the config drive carries and the metadata service serves.
// Formats: nova/api/metadata/base.py (openstack/, ec2/) and nova/virt/netutils.py (network_data.json). Pure: the random
// seed and the password are handed in.

import { parseCidr } from './network/address.ts';
import type { Network } from './network/network.ts';
import type { Port } from './network/port.ts';
import type { Subnet } from './network/subnet.ts';
import { instanceName, type Server, type ServerPayload } from './server.ts';

/** Dates of the openstack/ tree that clients ask for; all say what `latest` says. */
export const OPENSTACK_VERSIONS = [
  '2012-08-10',
  '2013-04-04',
  '2013-10-17',
  '2015-10-15',
  '2016-06-30',
  '2016-10-06',
  '2017-02-22',
  '2018-08-27',
  '2020-10-14',
  'latest',
] as const;

export const EC2_VERSIONS = ['2009-04-04', 'latest'] as const;

export interface NicView {
  readonly port: Port;
  readonly network: Network;
  readonly subnets: readonly Subnet[];
}

export interface MetadataSource {
  readonly server: Server;
  readonly payload: ServerPayload | undefined;
  readonly nics: readonly NicView[];
  readonly availabilityZone: string;
  /** Base64, for the guest's random number generator. */
  readonly randomSeed: string;
}

function metaData(source: MetadataSource, withPassword: boolean): object {
  const { server, payload } = source;
  const files = payload?.personality ?? [];
  const key = server.key;
  return {
    uuid: server.id,
    ...(Object.keys(server.metadata).length === 0 ? {} : { meta: server.metadata }),
    ...(key === null ? {} : { public_keys: { [key.name]: key.publicKey } }),
    ...(key === null ? {} : { keys: [{ name: key.name, type: key.type, data: key.publicKey }] }),
    ...(files.length === 0
      ? {}
      : { files: files.map(({ path }, at) => ({ path, content_path: `/content/${contentName(at)}` })) }),
    hostname: server.hostname,
    name: server.name,
    launch_index: server.launchIndex,
    availability_zone: source.availabilityZone,
    random_seed: source.randomSeed,
    project_id: server.projectId,
    ...(withPassword && payload?.adminPass ? { admin_pass: payload.adminPass } : {}),
    devices: deviceTags(source),
    dedicated_cpus: [],
  };
}

const contentName = (at: number): string => String(at).padStart(4, '0');

/** Device role tagging: the guest finds an interface by the tag that its owner gave it. */
function deviceTags({ server, nics }: MetadataSource): object[] {
  return server.nics.flatMap((nic) => {
    const port = nics.find((view) => view.port.id === nic.portId)?.port;
    if (nic.tag === null || port === undefined) return [];
    return [{ type: 'nic', bus: 'none', mac: port.macAddress, tags: [nic.tag] }];
  });
}

const netmask = (cidr: string): string => {
  const length = parseCidr(cidr)?.prefixLength ?? 0;
  return [24, 16, 8, 0].map((shift) => ((length === 0 ? 0 : ~0 << (32 - length)) >>> shift) & 0xff).join('.');
};

function networkOf(port: Port, link: string, at: number, ip: Port['fixedIps'][number], subnet: Subnet): object {
  const common = { id: `network${at}`, link, network_id: port.networkId };
  if (subnet.enableDhcp) {
    if (subnet.ipVersion === 4) return { ...common, type: 'ipv4_dhcp' };
    return { ...common, type: subnet.ipv6AddressMode === null ? 'ipv6_dhcp' : `ipv6_${subnet.ipv6AddressMode}` };
  }
  const v4 = subnet.ipVersion === 4;
  const route = (destination: string, gateway: string) => {
    const [network = '', length = v4 ? '32' : '128'] = destination.split('/');
    return { network, netmask: v4 ? netmask(destination) : length, gateway };
  };
  const everything = v4 ? '0.0.0.0/0' : '::/0';
  return {
    ...common,
    type: v4 ? 'ipv4' : 'ipv6',
    ip_address: ip.ipAddress,
    netmask: v4 ? netmask(subnet.cidr) : (subnet.cidr.split('/')[1] ?? '64'),
    routes: [
      ...(subnet.gatewayIp === null ? [] : [route(everything, subnet.gatewayIp)]),
      ...subnet.hostRoutes.map((known) => route(known.destination, known.nexthop)),
    ],
    services: subnet.dnsNameservers.map((address) => ({ type: 'dns', address })),
  };
}

/** network_data.json: links, networks and services. */
export function networkData(nics: readonly NicView[]): object {
  const linkId = (port: Port) => `tap${port.id.slice(0, 11)}`;
  const links = nics.map(({ port, network }) => ({
    id: linkId(port),
    vif_id: port.id,
    type: 'phy',
    mtu: network.mtu,
    ethernet_mac_address: port.macAddress,
  }));
  const networks = nics
    .flatMap(({ port, subnets }) =>
      port.fixedIps.flatMap((ip) => {
        const subnet = subnets.find((known) => known.id === ip.subnetId);
        return subnet === undefined ? [] : [{ port, ip, subnet }];
      }),
    )
    .map(({ port, ip, subnet }, at) => networkOf(port, linkId(port), at, ip, subnet));
  const servers = new Set(nics.flatMap(({ subnets }) => subnets.flatMap((subnet) => subnet.dnsNameservers)));
  return { links, networks, services: [...servers].map((address) => ({ type: 'dns', address })) };
}

function ec2MetaData({ server, nics, availabilityZone }: MetadataSource): object {
  const address = nics[0]?.port.fixedIps.find((ip) => ip.ipAddress.includes('.'))?.ipAddress ?? '';
  const key = server.key;
  return {
    'ami-id': server.image === null ? 'ami-00000000' : `ami-${server.image.id.slice(0, 8)}`,
    'ami-launch-index': server.launchIndex,
    'ami-manifest-path': '(unknown)',
    'block-device-mapping': { ami: 'vda', root: server.rootDeviceName },
    hostname: server.hostname,
    'instance-action': 'none',
    'instance-id': `i-${instanceName(server).slice('instance-'.length)}`,
    'instance-type': server.flavor.name,
    'local-hostname': server.hostname,
    'local-ipv4': address,
    placement: { 'availability-zone': availabilityZone },
    'public-hostname': server.hostname,
    'public-ipv4': '',
    ...(key === null ? {} : { 'public-keys': { '0': { _name: `0=${key.name}`, 'openssh-key': key.publicKey } } }),
    'reservation-id': server.reservationId,
    'security-groups': server.securityGroups.join('\n'),
  };
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const json = (value: object): Uint8Array => text(JSON.stringify(value));
const base64 = (value: string): Uint8Array => Uint8Array.from(atob(value), (char) => char.charCodeAt(0));

/** Every file by its path (`openstack/latest/meta_data.json`). `configDrive` adds what only a config drive may say. */
export function metadataTree(source: MetadataSource, configDrive: boolean): Record<string, Uint8Array> {
  const tree: Record<string, Uint8Array> = {};
  const userData = source.payload?.userData ?? null;
  const meta = json(metaData(source, configDrive));
  const network = json(networkData(source.nics));
  for (const version of OPENSTACK_VERSIONS) {
    tree[`openstack/${version}/meta_data.json`] = meta;
    tree[`openstack/${version}/vendor_data.json`] = json({});
    tree[`openstack/${version}/vendor_data2.json`] = json({});
    tree[`openstack/${version}/network_data.json`] = network;
    if (userData !== null) tree[`openstack/${version}/user_data`] = base64(userData);
  }
  for (const [at, file] of (source.payload?.personality ?? []).entries()) {
    tree[`openstack/content/${contentName(at)}`] = base64(file.contents);
  }
  const ec2 = json(ec2MetaData(source));
  for (const version of EC2_VERSIONS) {
    tree[`ec2/${version}/meta-data.json`] = ec2;
    if (userData !== null) tree[`ec2/${version}/user-data`] = base64(userData);
  }
  return tree;
}
