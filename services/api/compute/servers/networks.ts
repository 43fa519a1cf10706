// The networks of a new server, checked before anything is written: found, seen, with subnets, the port free. That they
// still are when the saga takes them is the saga's to find out.

import { CumuletError } from '#base';
import {
  canonicalIp,
  DEFAULT_SECURITY_GROUP,
  NETWORK,
  type Network,
  PORT,
  type RequestedNic,
  SECURITY_GROUP,
  SUBNET,
} from '#model';
import type { RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import type { CreateBody } from './schema.ts';

type Context = Pick<RequestContext, 'records' | 'sees' | 'isAdmin' | 'projectId' | 'microversion'>;

const invalid = (message: string): CumuletError => new CumuletError('invalid', message);

function usable(ctx: Context, id: string): Network {
  const network = ctx.records.peek(NETWORK, id.toLowerCase())?.value;
  const seen = network !== undefined && (network.shared || network.external || ctx.sees(network.projectId));
  if (!seen) throw invalid(`Network ${id} could not be found.`);
  if (network.external && !network.shared && !ctx.isAdmin && network.projectId !== ctx.projectId) {
    throw new CumuletError('forbidden', `It is not allowed to create an interface on external network ${id}`);
  }
  if (ctx.records.peekList(SUBNET, (subnet) => subnet.networkId === network.id).length === 0) {
    throw invalid(`Network ${network.id} requires a subnet in order to boot instances on.`);
  }
  return network;
}

type WishedNic = Extract<NonNullable<CreateBody['server']['networks']>, readonly unknown[]>[number];

function fromPort(ctx: Context, wish: WishedNic & { port: string }): RequestedNic {
  const port = ctx.records.peek(PORT, wish.port.toLowerCase())?.value;
  if (port === undefined || !ctx.sees(port.projectId)) throw invalid(`Port id ${wish.port} could not be found.`);
  if (port.deviceId !== '') throw new CumuletError('conflict', `Port ${port.id} is still in use.`);
  if (port.fixedIps.length === 0) throw invalid(`Port ${port.id} requires a FixedIP in order to be used.`);
  return { networkId: port.networkId, portId: port.id, fixedIp: null, tag: wish.tag ?? null };
}

function fromNetwork(ctx: Context, wish: WishedNic): RequestedNic {
  if (wish.uuid === undefined) throw invalid("Bad network format: missing 'uuid'");
  const network = usable(ctx, wish.uuid);
  const fixedIp = wish.fixed_ip === undefined ? null : (canonicalIp(wish.fixed_ip) ?? null);
  if (fixedIp !== null) {
    const taken = ctx.records.peekList(
      PORT,
      (port) => port.networkId === network.id && port.fixedIps.some((ip) => ip.ipAddress === fixedIp),
    );
    if (taken.length > 0) {
      throw invalid(`Fixed IP address ${fixedIp} is already in use on instance ${taken[0]!.value.deviceId}.`);
    }
  }
  return { networkId: network.id, portId: null, fixedIp, tag: wish.tag ?? null };
}

/** What `auto`, and no word on networks before 2.37, means; several networks are ambiguous. */
function automatic(ctx: Context, asked: boolean): 'auto' | 'none' | RequestedNic[] {
  const open = ctx.records.peekList(NETWORK, (network) => !network.external && network.adminStateUp);
  const own = open.filter(({ value }) => value.projectId === ctx.projectId);
  const networks = own.length > 0 ? own : open.filter(({ value }) => value.shared);
  if (networks.length > 1) {
    const message = 'Multiple possible networks found, use a Network ID to be more specific.';
    throw new HttpFault(409, message);
  }
  const network = networks[0]?.value;
  if (network === undefined) {
    if (asked) throw new HttpFault(400, 'Unable to automatically allocate a network for project.');
    return 'none';
  }
  usable(ctx, network.id);
  return [{ networkId: network.id, portId: null, fixedIp: null, tag: null }];
}

/** The nics asked for; `count` servers share the wish. */
export function requestedNetworks(
  ctx: Context,
  asked: CreateBody['server']['networks'],
  count: number,
): 'auto' | 'none' | readonly RequestedNic[] {
  if (asked === 'none') return 'none';
  if (asked === 'auto') return automatic(ctx, true);
  if (asked === undefined && ctx.microversion.atLeast(2, 37)) {
    throw invalid("Invalid input for field/attribute server. Value: . 'networks' is a required property");
  }
  if (asked === undefined || asked.length === 0) return automatic(ctx, false);
  const nics = asked.map((wish) =>
    wish.port == null ? fromNetwork(ctx, wish) : fromPort(ctx, { ...wish, port: wish.port }),
  );
  if (count > 1 && nics.some((nic) => nic.portId !== null)) {
    throw invalid(
      'Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one ' +
        'with different ports.',
    );
  }
  if (count > 1 && nics.some((nic) => nic.fixedIp !== null)) {
    throw invalid('max_count cannot be greater than 1 if an fixed_ip is specified.');
  }
  const ports = nics.flatMap((nic) => nic.portId ?? []);
  if (new Set(ports).size < ports.length) {
    throw new CumuletError('conflict', `Port ${ports[0]} is still in use.`);
  }
  return nics;
}

/** The security groups by name or id, as asked; each must be the project's. */
export function requestedGroups(ctx: Context, asked: CreateBody['server']['security_groups']): string[] {
  const names = [...new Set((asked ?? []).map((group) => group.name))];
  if (names.length === 0) return [DEFAULT_SECURITY_GROUP];
  const mine = ctx.records.peekList(SECURITY_GROUP, (group) => group.projectId === ctx.projectId);
  for (const name of names) {
    if (name === DEFAULT_SECURITY_GROUP) continue;
    const byId = mine.filter(({ value }) => value.id === name);
    const found = byId.length > 0 ? byId : mine.filter(({ value }) => value.name === name);
    if (found.length === 0) throw invalid(`Security group ${name} not found for project ${ctx.projectId}.`);
    if (found.length > 1) {
      const message = `Multiple security groups found matching '${name}'. Use an ID to be more specific.`;
      throw new HttpFault(409, message);
    }
  }
  return names;
}
