// /routers: routers, their interfaces and their gateways, as stored intent.
import { z } from 'zod';
import {
  chargeNetworkQuota,
  type ExternalGateway,
  isHostAddress,
  NETWORK,
  networkError,
  networkNotFound,
  PORT,
  type Port,
  parseCidr,
  planPort,
  ROUTER,
  ROUTER_GATEWAY,
  ROUTER_INTERFACE,
  type Router,
  SUBNET,
} from '#model';
import type { Tx } from '#store';
import { boolean, description, fixedIp, hostRoute, name, projectId, tags, text, uuid } from './attributes.ts';
import { commonView, type Planning, type Resource, resourceRoutes } from './resource.ts';

const gatewayInfo = z.strictObject({
  network_id: uuid.optional(),
  enable_snat: boolean.optional(),
  external_fixed_ips: z.array(fixedIp).optional(),
});
const changeable = {
  name: name.optional(),
  description: description.optional(),
  admin_state_up: boolean.optional(),
  external_gateway_info: gatewayInfo.nullish(),
};
const createSchema = z.strictObject({
  ...changeable,
  project_id: projectId.optional(),
  tenant_id: projectId.optional(),
  availability_zone_hints: z.array(text()).optional(),
  tags: tags.optional(),
});
const updateSchema = z.strictObject({ ...changeable, routes: z.array(hostRoute).optional() });
type GatewayInfo = z.output<typeof gatewayInfo>;

export const interfacesOf = (tx: Pick<Tx, 'list'>, routerId: string): Port[] =>
  tx.list(PORT, (port) => port.deviceId === routerId && port.deviceOwner === ROUTER_INTERFACE);

const routers: Resource<Router, typeof createSchema, typeof updateSchema> = {
  singular: 'router',
  plural: 'routers',
  path: '/routers',
  kind: ROUTER,
  createSchema,
  updateSchema,
  adminAttributes: ['distributed', 'ha'],
  notFound: (id) => networkNotFound('Router', id),
  viewer: () => (router) => ({
    ...commonView(router),
    name: router.name,
    admin_state_up: router.adminStateUp,
    status: 'ACTIVE',
    external_gateway_info: router.externalGateway && {
      network_id: router.externalGateway.networkId,
      enable_snat: router.externalGateway.enableSnat,
      external_fixed_ips: router.externalGateway.externalFixedIps.map((ip) => ({
        subnet_id: ip.subnetId,
        ip_address: ip.ipAddress,
      })),
    },
    routes: router.routes,
    availability_zone_hints: router.availabilityZoneHints,
    availability_zones: ['nova'],
    flavor_id: null,
    distributed: true,
    ha: false,
  }),
  create(plan, attributes, owner) {
    const { tx, now, newId } = plan;
    chargeNetworkQuota(tx, owner, { router: 1 });
    const router: Router = {
      id: newId(),
      projectId: owner,
      name: attributes.name ?? '',
      description: attributes.description ?? '',
      tags: attributes.tags ?? [],
      createdAt: now,
      updatedAt: now,
      revisionNumber: 1,
      adminStateUp: attributes.admin_state_up ?? true,
      externalGateway: null,
      routes: [],
      availabilityZoneHints: attributes.availability_zone_hints ?? [],
    };
    const info = attributes.external_gateway_info;
    const externalGateway = info?.network_id === undefined ? null : setGateway(plan, router, info);
    const made = { ...router, externalGateway };
    tx.create(ROUTER, made);
    return made;
  },
  update(plan, router, attributes) {
    const info = attributes.external_gateway_info;
    return {
      ...router,
      name: attributes.name ?? router.name,
      description: attributes.description ?? router.description,
      adminStateUp: attributes.admin_state_up ?? router.adminStateUp,
      routes: attributes.routes === undefined ? router.routes : checkedRoutes(plan.tx, router, attributes.routes),
      externalGateway: info === undefined ? router.externalGateway : changedGateway(plan, router, info),
    };
  },
  async delete({ records }, { id }) {
    await records.transact((tx) => {
      // Interfaces are added under a change of the router's record: the list is as new as what is compared.
      const router = tx.get(ROUTER, id);
      if (router === undefined) return;
      if (interfacesOf(tx, id).length > 0) {
        throw networkError('conflict', 'RouterInUse', `Router ${id} still has ports`);
      }
      if (router.externalGateway !== null) tx.delete(PORT, router.externalGateway.portId);
      tx.delete(ROUTER, id);
    });
  },
};

/** `{}` or null takes the gateway away. */
function changedGateway(plan: Planning, router: Router, info: GatewayInfo | null): ExternalGateway | null {
  const present = router.externalGateway;
  const networkId = info?.network_id ?? (info && Object.keys(info).length > 0 ? present?.networkId : undefined);
  const isSame = networkId !== undefined && networkId === present?.networkId && info?.external_fixed_ips === undefined;
  if (present !== null && isSame) return { ...present, enableSnat: info?.enable_snat ?? true };
  if (present !== null) plan.tx.delete(PORT, present.portId);
  return networkId === undefined || info === null ? null : setGateway(plan, router, { ...info, network_id: networkId });
}

/** Makes the gateway's port on the external network. */
export function setGateway(plan: Planning, router: Router, info: GatewayInfo): ExternalGateway {
  const { tx, context, now, newId } = plan;
  const network = tx.get(NETWORK, info.network_id ?? '');
  if (network === undefined) throw networkNotFound('Network', info.network_id ?? '');
  if (!network.external) {
    const message = `Bad router request: Network ${network.id} is not an external network.`;
    throw networkError('invalid', 'BadRequest', message);
  }
  // What SNAT does and where the router appears outside is the operator's to choose.
  if (info.enable_snat !== undefined) context.enforce('update_router:external_gateway_info:enable_snat');
  if (info.external_fixed_ips !== undefined) context.enforce('update_router:external_gateway_info:external_fixed_ips');
  const replaced = router.externalGateway?.portId;
  const port = planPort({
    network,
    subnets: tx.list(SUBNET, (subnet) => subnet.networkId === network.id),
    ports: tx.list(PORT, (known) => known.networkId === network.id && known.id !== replaced),
    request: {
      // As Neutron: a gateway's port belongs to no project, so that no tenant can change it.
      projectId: '',
      deviceId: router.id,
      deviceOwner: ROUTER_GATEWAY,
      portSecurityEnabled: false,
      fixedIps: info.external_fixed_ips?.map((ip) => ({ subnetId: ip.subnet_id, ipAddress: ip.ip_address })),
    },
    newId,
    now,
  });
  tx.create(PORT, { ...port, status: 'ACTIVE' });
  return {
    networkId: network.id,
    enableSnat: info.enable_snat ?? true,
    externalFixedIps: port.fixedIps,
    portId: port.id,
  };
}

/** A route's next hop must be reached through one of the router's interfaces, and be none of them. */
function checkedRoutes(tx: Tx, router: Router, routes: z.output<typeof hostRoute>[]): Router['routes'] {
  const ports = [
    ...interfacesOf(tx, router.id),
    ...tx.list(PORT, (port) => port.id === router.externalGateway?.portId),
  ];
  const own = new Set(ports.flatMap((port) => port.fixedIps.map((ip) => ip.ipAddress)));
  const cidrs = ports
    .flatMap((port) => port.fixedIps)
    .flatMap((ip) => parseCidr(tx.peek(SUBNET, ip.subnetId)?.cidr ?? '') ?? []);
  for (const route of routes) {
    const hop = parseCidr(route.nexthop);
    const isNear =
      hop !== undefined && cidrs.some((cidr) => isHostAddress(cidr, { version: hop.version, value: hop.first }));
    const why = own.has(route.nexthop)
      ? 'the nexthop is used by router'
      : isNear
        ? undefined
        : 'the nexthop is not connected with router';
    if (why === undefined) continue;
    const message = `Invalid format for routes: [${JSON.stringify(route)}], ${why}`;
    throw networkError('invalid', 'InvalidRoutes', message);
  }
  return routes;
}

export const ROUTER_ROUTES = resourceRoutes(routers);
