// /networks
import { z } from 'zod';
import {
  chargeNetworkQuota,
  NETWORK,
  type Network,
  type NetworkType,
  networkError,
  networkNotFound,
  PORT,
  planNetwork,
  SUBNET,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { boolean, description, integer, name, projectId, tags, text } from './attributes.ts';
import { commonView, deleteClosed, type Resource, resourceRoutes } from './resource.ts';

const provider = {
  'provider:network_type': z.enum(['vxlan', 'flat', 'local']).optional(),
  'provider:physical_network': text().nullish(),
  'provider:segmentation_id': integer(1, 0xffffffff).nullish(),
};
const changeable = {
  name: name.optional(),
  description: description.optional(),
  admin_state_up: boolean.optional(),
  shared: boolean.optional(),
  'router:external': boolean.optional(),
  is_default: boolean.optional(),
  port_security_enabled: boolean.optional(),
  mtu: integer(0, 65535).optional(),
  dns_domain: text().optional(),
};

const createSchema = z.strictObject({
  ...changeable,
  ...provider,
  project_id: projectId.optional(),
  tenant_id: projectId.optional(),
  availability_zone_hints: z.array(text()).optional(),
  tags: tags.optional(),
});
const updateSchema = z.strictObject(changeable);

/** 0 asks for the default; less than 68 carries no IPv4 (RFC 791), less than 1280 no IPv6. */
function checkMtu(mtu: number | undefined): void {
  if (mtu !== undefined && mtu !== 0 && mtu < 68) {
    throw networkError(
      'invalid',
      'InvalidInput',
      `Invalid input for operation: MTU ${mtu} is below the minimum of 68.`,
    );
  }
}

/** Ids of each network's subnets. */
function subnetIds(context: RequestContext): Map<string, string[]> {
  const byNetwork = new Map<string, string[]>();
  for (const { value } of context.records.peekList(SUBNET)) {
    const ids = byNetwork.get(value.networkId);
    if (ids === undefined) byNetwork.set(value.networkId, [value.id]);
    else ids.push(value.id);
  }
  return byNetwork;
}

const networks: Resource<Network, typeof createSchema, typeof updateSchema> = {
  singular: 'network',
  plural: 'networks',
  path: '/networks',
  kind: NETWORK,
  createSchema,
  updateSchema,
  adminAttributes: ['provider:network_type', 'provider:physical_network', 'provider:segmentation_id'],
  adminInput: [...Object.keys(provider), 'shared', 'router:external', 'is_default'],
  notFound: (id) => networkNotFound('Network', id),
  isShared: (network) => network.shared || network.external,
  viewer(context) {
    const subnets = subnetIds(context);
    return (network) => ({
      ...commonView(network),
      name: network.name,
      admin_state_up: network.adminStateUp,
      status: 'ACTIVE',
      subnets: subnets.get(network.id) ?? [],
      shared: network.shared,
      'router:external': network.external,
      is_default: network.isDefault,
      mtu: network.mtu,
      port_security_enabled: network.portSecurityEnabled,
      dns_domain: network.dnsDomain,
      availability_zone_hints: network.availabilityZoneHints,
      availability_zones: ['nova'],
      ipv4_address_scope: null,
      ipv6_address_scope: null,
      'provider:network_type': network.networkType,
      'provider:physical_network': network.physicalNetwork,
      'provider:segmentation_id': network.segmentationId,
    });
  },
  create({ tx, now, newId }, attributes, owner) {
    checkMtu(attributes.mtu);
    chargeNetworkQuota(tx, owner, { network: 1 });
    const network = planNetwork({
      request: {
        projectId: owner,
        name: attributes.name,
        description: attributes.description,
        adminStateUp: attributes.admin_state_up,
        shared: attributes.shared,
        external: attributes['router:external'],
        isDefault: attributes.is_default,
        mtu: attributes.mtu,
        portSecurityEnabled: attributes.port_security_enabled,
        dnsDomain: attributes.dns_domain,
        availabilityZoneHints: attributes.availability_zone_hints,
        networkType: attributes['provider:network_type'] as NetworkType | undefined,
        physicalNetwork: attributes['provider:physical_network'],
        segmentationId: attributes['provider:segmentation_id'],
        tags: attributes.tags,
      },
      networks: tx.list(NETWORK),
      id: newId(),
      now,
    });
    tx.create(NETWORK, network);
    return network;
  },
  update({ tx }, network, attributes) {
    checkMtu(attributes.mtu);
    if (attributes.shared === false && network.shared)
      checkUnsharing(
        network,
        tx.list(PORT, (port) => port.networkId === network.id),
      );
    return {
      ...network,
      name: attributes.name ?? network.name,
      description: attributes.description ?? network.description,
      adminStateUp: attributes.admin_state_up ?? network.adminStateUp,
      shared: attributes.shared ?? network.shared,
      external: attributes['router:external'] ?? network.external,
      isDefault: attributes.is_default ?? network.isDefault,
      portSecurityEnabled: attributes.port_security_enabled ?? network.portSecurityEnabled,
      mtu: attributes.mtu || network.mtu,
      dnsDomain: attributes.dns_domain ?? network.dnsDomain,
    };
  },
  delete: ({ records, clock }, { id }) =>
    deleteClosed({
      records,
      kind: NETWORK,
      id,
      now: clock.now(),
      async check() {
        const ports = await records.list(PORT, (port) => port.networkId === id);
        if (ports.length > 0) {
          const message = `Unable to complete operation on network ${id}. There are one or more ports still in use on the network, id for these ports is ${ports.map(({ value }) => value.id).join(',')}.`;
          throw networkError('conflict', 'NetworkInUse', message);
        }
      },
      // Subnets without ports go with their network.
      alsoDelete(tx) {
        for (const subnet of tx.list(SUBNET, (candidate) => candidate.networkId === id)) tx.delete(SUBNET, subnet.id);
      },
    }),
};

function checkUnsharing(network: Network, ports: readonly { readonly projectId: string }[]): void {
  const foreign = ports.some((port) => port.projectId !== network.projectId && port.projectId !== '');
  if (!foreign) return;
  const message = `Unable to reconfigure sharing settings for network ${network.id}. Multiple tenants are using it.`;
  throw networkError('conflict', 'InvalidSharedSetting', message);
}

export const NETWORK_ROUTES = resourceRoutes(networks);
