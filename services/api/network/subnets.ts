// /subnets
import { z } from 'zod';
import {
  type AllocationPool,
  chargeNetworkQuota,
  checkGateway,
  checkHostRoutes,
  checkNameservers,
  checkPools,
  isHostAddress,
  isInfrastructurePort,
  NETWORK,
  networkError,
  networkNotFound,
  PORT,
  type Port,
  parseCidr,
  planSubnet,
  SUBNET,
  type Subnet,
} from '#model';
import type { Tx } from '#store';
import {
  boolean,
  cidr,
  description,
  hostRoute,
  ipAddress,
  name,
  pool,
  projectId,
  tags,
  text,
  uuid,
} from './attributes.ts';
import { commonView, deleteClosed, type Resource, resourceRoutes } from './resource.ts';

const changeable = {
  name: name.optional(),
  description: description.optional(),
  gateway_ip: ipAddress.nullish(),
  enable_dhcp: boolean.optional(),
  dns_nameservers: z.array(ipAddress).optional(),
  allocation_pools: z.array(pool).optional(),
  host_routes: z.array(hostRoute).optional(),
  service_types: z.array(text()).optional(),
  dns_publish_fixed_ip: boolean.optional(),
};
const mode = z.enum(['slaac', 'dhcpv6-stateful', 'dhcpv6-stateless']);

const createSchema = z.strictObject({
  ...changeable,
  network_id: uuid,
  cidr,
  ip_version: z
    .preprocess(
      (value) => (value === '4' || value === '6' ? Number(value) : value),
      z.union([z.literal(4), z.literal(6)]),
    )
    .optional(),
  ipv6_address_mode: mode.nullish(),
  ipv6_ra_mode: mode.nullish(),
  subnetpool_id: z.null({ error: 'subnet pools are not served by this cloud: name a cidr' }).optional(),
  project_id: projectId.optional(),
  tenant_id: projectId.optional(),
  tags: tags.optional(),
});
const updateSchema = z.strictObject(changeable);

const onSubnet = (id: string) => (port: Port) => port.fixedIps.some((ip) => ip.subnetId === id);

/** What compares the network's record sees that its subnets have changed. */
function touchNetwork(tx: Tx, networkId: string): void {
  const network = tx.get(NETWORK, networkId);
  if (network !== undefined) tx.update(NETWORK, { ...network, subnetChanges: network.subnetChanges + 1 });
}

const subnets: Resource<Subnet, typeof createSchema, typeof updateSchema> = {
  singular: 'subnet',
  plural: 'subnets',
  path: '/subnets',
  kind: SUBNET,
  createSchema,
  updateSchema,
  notFound: (id) => networkNotFound('Subnet', id),
  isShared: (subnet, { records }) => records.peek(NETWORK, subnet.networkId)?.value.shared ?? false,
  viewer: () => (subnet) => ({
    ...commonView(subnet),
    name: subnet.name,
    network_id: subnet.networkId,
    ip_version: subnet.ipVersion,
    cidr: subnet.cidr,
    gateway_ip: subnet.gatewayIp,
    enable_dhcp: subnet.enableDhcp,
    dns_nameservers: subnet.dnsNameservers,
    allocation_pools: subnet.allocationPools,
    host_routes: subnet.hostRoutes,
    ipv6_address_mode: subnet.ipv6AddressMode,
    ipv6_ra_mode: subnet.ipv6RaMode,
    subnetpool_id: subnet.subnetPoolId,
    service_types: subnet.serviceTypes,
    dns_publish_fixed_ip: subnet.dnsPublishFixedIp,
  }),
  create({ tx, context, now, newId }, attributes, owner) {
    const network = tx.get(NETWORK, attributes.network_id);
    const isUsable = network !== undefined && (context.sees(network.projectId) || network.shared || network.external);
    if (!isUsable || (network.closingUntil ?? 0) > now) throw networkNotFound('Network', attributes.network_id);
    if (!context.sees(network.projectId)) context.enforce('create_subnet:others');
    chargeNetworkQuota(tx, owner, { subnet: 1 });
    const subnet = planSubnet({
      network,
      siblings: tx.list(SUBNET, (candidate) => candidate.networkId === network.id),
      request: {
        projectId: owner,
        cidr: attributes.cidr,
        ipVersion: attributes.ip_version,
        name: attributes.name,
        description: attributes.description,
        gatewayIp: attributes.gateway_ip,
        enableDhcp: attributes.enable_dhcp,
        dnsNameservers: attributes.dns_nameservers,
        allocationPools: attributes.allocation_pools,
        hostRoutes: attributes.host_routes,
        ipv6AddressMode: attributes.ipv6_address_mode,
        ipv6RaMode: attributes.ipv6_ra_mode,
        serviceTypes: attributes.service_types,
        tags: attributes.tags,
      },
      id: newId(),
      now,
    });
    tx.create(SUBNET, subnet);
    touchNetwork(tx, network.id);
    return subnet;
  },
  update({ tx }, subnet, attributes) {
    const { gatewayIp, allocationPools } = changedAddressing(tx, subnet, attributes);
    touchNetwork(tx, subnet.networkId);
    return {
      ...subnet,
      name: attributes.name ?? subnet.name,
      description: attributes.description ?? subnet.description,
      gatewayIp,
      allocationPools,
      enableDhcp: attributes.enable_dhcp ?? subnet.enableDhcp,
      dnsNameservers: attributes.dns_nameservers ? checkNameservers(attributes.dns_nameservers) : subnet.dnsNameservers,
      hostRoutes: attributes.host_routes
        ? checkHostRoutes(subnet.ipVersion, attributes.host_routes)
        : subnet.hostRoutes,
      serviceTypes: attributes.service_types ?? subnet.serviceTypes,
      dnsPublishFixedIp: attributes.dns_publish_fixed_ip ?? subnet.dnsPublishFixedIp,
    };
  },
  delete: ({ records, clock }, { id, networkId }) =>
    deleteClosed({
      records,
      kind: SUBNET,
      id,
      now: clock.now(),
      alsoMark: (tx) => touchNetwork(tx, networkId),
      async check() {
        if ((await records.list(PORT, onSubnet(id))).length === 0) return;
        const why = 'One or more ports have an IP allocation from this subnet.';
        throw networkError('conflict', 'SubnetInUse', `Unable to complete operation on subnet ${id}: ${why}`);
      },
      alsoDelete: (tx) => touchNetwork(tx, networkId),
    }),
};

function changedAddressing(
  tx: Tx,
  subnet: Subnet,
  attributes: z.output<typeof updateSchema>,
): { gatewayIp: string | null; allocationPools: readonly AllocationPool[] } {
  const range = parseCidr(subnet.cidr);
  const { gateway_ip: wanted, allocation_pools: pools } = attributes;
  if (range === undefined || (wanted === undefined && pools === undefined)) return subnet;
  const gatewayIp = wanted === undefined ? subnet.gatewayIp : wanted;
  const gateway = gatewayIp === null ? undefined : checkGateway(range, gatewayIp);
  if (wanted !== undefined && wanted !== subnet.gatewayIp && subnet.gatewayIp !== null) {
    const holder = tx
      .list(PORT, onSubnet(subnet.id))
      .find((port) => isInfrastructurePort(port) && port.fixedIps.some((ip) => ip.ipAddress === subnet.gatewayIp));
    if (holder !== undefined) {
      const message = `Current gateway ip ${subnet.gatewayIp} already in use by port ${holder.id}. Unable to update.`;
      throw networkError('conflict', 'GatewayIpInUse', message);
    }
  }
  // The pools that there are must not hold a gateway that was not there before.
  return {
    gatewayIp,
    allocationPools: checkPools(
      range,
      gateway && isHostAddress(range, gateway) ? gateway : undefined,
      pools ?? subnet.allocationPools,
    ),
  };
}

export const SUBNET_ROUTES = resourceRoutes(subnets);
