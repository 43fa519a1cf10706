// PUT /routers/{id}/add_router_interface, remove_router_interface, add_extraroutes and remove_extraroutes are actions on a
// router; here are the interfaces. Each interface is a port; whoever adds or removes one changes the router's record too,
// so that the router cannot go meanwhile.

import { z } from 'zod';
import {
  chargeNetworkQuota,
  cidrsOverlap,
  NETWORK,
  networkError,
  networkNotFound,
  PORT,
  type Port,
  parseCidr,
  planPort,
  ROUTER,
  ROUTER_INTERFACE,
  type Router,
  SUBNET,
  type Subnet,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { uuid } from './attributes.ts';
import { type Planning, parsed, planning } from './resource.ts';
import { interfacesOf } from './routers.ts';

const body = z.strictObject({ subnet_id: uuid.optional(), port_id: uuid.optional() });
type Body = z.output<typeof body>;

const badRequest = (resource: string, why: string) =>
  networkError('invalid', 'BadRequest', `Bad ${resource} request: ${why}.`);

function findRouter({ tx, context }: Planning, id: string): Router {
  const router = tx.get(ROUTER, id);
  if (router === undefined || !context.sees(router.projectId)) throw networkNotFound('Router', id);
  return router;
}

function findSubnet({ tx, context, now }: Planning, id: string): Subnet {
  const subnet = tx.get(SUBNET, id);
  const isShared = subnet !== undefined && (tx.peek(NETWORK, subnet.networkId)?.shared ?? false);
  const isUsable = subnet !== undefined && (context.sees(subnet.projectId) || isShared);
  if (!isUsable || (subnet.closingUntil ?? 0) > now) throw networkNotFound('Subnet', id);
  return subnet;
}

/** A router's subnets are apart: an address must lead to one interface. */
function checkApart({ tx }: Planning, router: Router, subnet: Subnet): void {
  const mine = parseCidr(subnet.cidr);
  for (const { fixedIps } of interfacesOf(tx, router.id)) {
    for (const ip of fixedIps) {
      if (ip.subnetId === subnet.id) {
        throw badRequest('router', `Router already has a port on subnet ${subnet.id}`);
      }
      const other = tx.peek(SUBNET, ip.subnetId);
      const range = other && parseCidr(other.cidr);
      if (mine && range && cidrsOverlap(mine, range)) {
        throw badRequest(
          'router',
          `Cidr ${subnet.cidr} of subnet ${subnet.id} overlaps with cidr ${other.cidr} of subnet ${other.id}`,
        );
      }
    }
  }
}

function addBySubnet(plan: Planning, router: Router, subnet: Subnet): Port {
  const { tx, now, newId } = plan;
  if (subnet.gatewayIp === null) {
    throw badRequest('router', `Subnet for router interface must have a gateway IP`);
  }
  const network = tx.get(NETWORK, subnet.networkId);
  if (network === undefined) throw networkNotFound('Network', subnet.networkId);
  chargeNetworkQuota(tx, router.projectId, { port: 1 });
  const port = planPort({
    network,
    subnets: tx.list(SUBNET, (candidate) => candidate.networkId === network.id),
    ports: tx.list(PORT, (candidate) => candidate.networkId === network.id),
    request: {
      projectId: router.projectId,
      deviceId: router.id,
      deviceOwner: ROUTER_INTERFACE,
      portSecurityEnabled: false,
      fixedIps: [{ subnetId: subnet.id, ipAddress: subnet.gatewayIp }],
    },
    newId,
    now,
  });
  const made: Port = { ...port, status: 'ACTIVE' };
  tx.create(PORT, made);
  return made;
}

function addByPort(plan: Planning, router: Router, id: string): Port {
  const { tx, context, now } = plan;
  const port = tx.get(PORT, id);
  if (port === undefined || !context.sees(port.projectId)) throw networkNotFound('Port', id);
  if (port.deviceId !== '') {
    const message = `Unable to complete operation on port ${id} for network ${port.networkId}. Port already has an attached device ${port.deviceId}.`;
    throw networkError('conflict', 'PortInUse', message);
  }
  if (port.fixedIps.length === 0) throw badRequest('router', 'A router port must have at least one IP address');
  for (const ip of port.fixedIps) checkApart(plan, router, findSubnet(plan, ip.subnetId));
  const made: Port = {
    ...port,
    deviceId: router.id,
    deviceOwner: ROUTER_INTERFACE,
    securityGroupIds: [],
    portSecurityEnabled: false,
    status: 'ACTIVE',
    revisionNumber: port.revisionNumber + 1,
    updatedAt: now,
  };
  tx.update(PORT, made);
  return made;
}

/** Joins a subnet to the router, by a port of its own or one that the user made. */
export function addInterface(plan: Planning, routerId: string, { subnet_id, port_id }: Body): Port {
  const { tx, now } = plan;
  const router = findRouter(plan, routerId);
  if ((subnet_id === undefined) === (port_id === undefined)) {
    const why =
      subnet_id === undefined
        ? 'Either subnet_id or port_id must be specified'
        : 'Cannot specify both subnet-id and port-id';
    throw badRequest('router', why);
  }
  let port: Port;
  if (subnet_id !== undefined) {
    const subnet = findSubnet(plan, subnet_id);
    checkApart(plan, router, subnet);
    port = addBySubnet(plan, router, subnet);
  } else {
    port = addByPort(plan, router, port_id ?? '');
  }
  tx.update(ROUTER, { ...router, revisionNumber: router.revisionNumber + 1, updatedAt: now });
  return port;
}

function removeInterface(plan: Planning, routerId: string, { subnet_id, port_id }: Body): Port {
  const { tx, now } = plan;
  const router = findRouter(plan, routerId);
  if (subnet_id === undefined && port_id === undefined) {
    throw badRequest('router', 'Either subnet_id or port_id must be specified');
  }
  const matching = interfacesOf(tx, routerId).filter(
    (port) =>
      (port_id === undefined || port.id === port_id) &&
      (subnet_id === undefined || port.fixedIps.some((ip) => ip.subnetId === subnet_id)),
  );
  const [port] = matching;
  if (port === undefined) {
    if (port_id !== undefined) {
      throw networkError(
        'not_found',
        'RouterInterfaceNotFound',
        `Router ${routerId} does not have an interface with id ${port_id}`,
      );
    }
    const message = `Router ${routerId} has no interface on subnet ${subnet_id}`;
    throw networkError('not_found', 'RouterInterfaceNotFoundForSubnet', message);
  }
  const stranded = router.routes.find((entry) => {
    const hop = parseCidr(entry.nexthop);
    return port.fixedIps.some((ip) => {
      const range = parseCidr(tx.peek(SUBNET, ip.subnetId)?.cidr ?? '');
      return hop !== undefined && range !== undefined && cidrsOverlap(hop, range);
    });
  });
  if (stranded !== undefined) {
    const message = `Router interface for subnet ${port.fixedIps[0]?.subnetId} on router ${routerId} cannot be deleted, as it is required by one or more routes.`;
    throw networkError('conflict', 'RouterInterfaceInUseByRoute', message);
  }
  tx.delete(PORT, port.id);
  tx.update(ROUTER, { ...router, revisionNumber: router.revisionNumber + 1, updatedAt: now });
  return port;
}

type Change = (plan: Planning, routerId: string, wish: Body) => Port;

const action = (verb: 'add' | 'remove', change: Change): Route =>
  route({
    method: 'PUT',
    path: `/routers/:id/${verb}_router_interface`,
    rule: `${verb}_router_interface`,
    body: z.unknown(),
    handler: async (context: RequestContext) => {
      const wish = parsed(body, context.body ?? {});
      const id = context.param('id').toLowerCase();
      const port = await context.records.transact((tx) => change(planning(tx, context), id, wish));
      const router = context.records.peek(ROUTER, id)?.value;
      return {
        status: 200,
        body: {
          id,
          tenant_id: router?.projectId ?? port.projectId,
          project_id: router?.projectId ?? port.projectId,
          port_id: port.id,
          network_id: port.networkId,
          subnet_id: port.fixedIps[0]?.subnetId,
          subnet_ids: port.fixedIps.map((ip) => ip.subnetId),
          tags: router?.tags ?? [],
        },
      };
    },
  });

export const ROUTER_INTERFACE_ROUTES: readonly Route[] = [
  action('add', addInterface),
  action('remove', removeInterface),
];
