// The ports of a server: made, taken over and given back inside the saga's transaction, so that a server holds an
// address exactly while it is accounted for. Ports that the user made are bound and released; ours come and go.

import { CumuletError, newUuid } from '#base';
import {
  bindPort,
  chargeNetworkQuota,
  DEFAULT_SECURITY_GROUP,
  NETWORK,
  PORT,
  type Port,
  planDefaultSecurityGroup,
  planPort,
  type RequestedNic,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  type Server,
  type ServerNic,
  SUBNET,
} from '#model';
import type { Tx } from '#store';

/** The groups that the server's ports get: those named, or the project's default, which is made when it is first needed. */
function securityGroupIds(tx: Tx, server: Server, now: number): string[] {
  const mine = tx.list(SECURITY_GROUP, (group) => group.projectId === server.projectId);
  const named = server.securityGroups.filter((name) => name !== DEFAULT_SECURITY_GROUP);
  const ids = named.map((name) => {
    const group = mine.find((known) => known.id === name) ?? mine.find((known) => known.name === name);
    if (group === undefined) {
      throw new CumuletError('not_found', `Security group ${name} not found for project ${server.projectId}.`);
    }
    return group.id;
  });
  if (named.length > 0 && named.length === server.securityGroups.length) return ids;
  const known = mine.find((group) => group.name === DEFAULT_SECURITY_GROUP);
  if (known !== undefined) return [known.id, ...ids];
  const { group, rules } = planDefaultSecurityGroup(server.projectId, newUuid, now);
  tx.create(SECURITY_GROUP, group);
  for (const rule of rules) tx.create(SECURITY_GROUP_RULE, rule);
  return [group.id, ...ids];
}

/**
 * The networks that `auto` (and a request without networks) means: the project's own, else the shared ones. Several are
 * ambiguous, as in Nova; the API refuses that before, so here the choice is made without a word.
 */
export function automaticNetworks(tx: Pick<Tx, 'list'>, projectId: string): string[] {
  const usable = tx.list(NETWORK, (network) => !network.external && network.adminStateUp);
  const own = usable.filter((network) => network.projectId === projectId);
  return (own.length > 0 ? own : usable.filter((network) => network.shared)).map((network) => network.id).sort();
}

function wishesOf(tx: Tx, server: Server): readonly RequestedNic[] {
  if (server.requestedNetworks === 'none') return [];
  if (server.requestedNetworks !== 'auto') return server.requestedNetworks;
  const blank = { portId: null, fixedIp: null, tag: null };
  return automaticNetworks(tx, server.projectId).map((networkId) => ({ ...blank, networkId }));
}

/** Makes or takes over the server's ports, bound to the host. Returns the server's list of them. */
export function attachPorts(tx: Tx, server: Server, host: string, zone: string, now: number): ServerNic[] {
  const deviceOwner = `compute:${zone}`;
  let groups: string[] | undefined;
  const wishes = wishesOf(tx, server);
  const made = wishes.filter((wish) => wish.portId === null).length;
  if (made > 0) chargeNetworkQuota(tx, server.projectId, { port: made });
  return wishes.map((wish): ServerNic => {
    if (wish.portId !== null) {
      const port = tx.get(PORT, wish.portId);
      if (port === undefined) throw new CumuletError('not_found', `Port ${wish.portId} could not be found.`);
      if (port.deviceId !== '' && port.deviceId !== server.id) {
        throw new CumuletError('invalid', `Port ${port.id} is still in use.`);
      }
      tx.update(PORT, bindPort({ ...port, deviceId: server.id, deviceOwner }, host, now));
      return { portId: port.id, networkId: port.networkId, preserveOnDelete: true, tag: wish.tag };
    }
    // Compared: a network or a subnet that is being deleted meanwhile takes no more ports.
    const network = tx.get(NETWORK, wish.networkId ?? '');
    if (network === undefined) {
      throw new CumuletError('not_found', `Network ${wish.networkId} could not be found.`);
    }
    groups ??= securityGroupIds(tx, server, now);
    const port = planPort({
      network,
      subnets: tx.list(SUBNET, (subnet) => subnet.networkId === network.id),
      ports: tx.list(PORT, (known) => known.networkId === network.id),
      request: {
        projectId: server.projectId,
        fixedIps: wish.fixedIp === null ? undefined : [{ ipAddress: wish.fixedIp }],
        deviceId: server.id,
        deviceOwner,
        hostId: host,
        securityGroupIds: groups,
        dnsName: server.hostname,
      },
      newId: newUuid,
      now,
    });
    tx.create(PORT, port);
    return { portId: port.id, networkId: network.id, preserveOnDelete: false, tag: wish.tag };
  });
}

/** Binds the server's ports to another host. */
export function moveBindings(tx: Tx, server: Server, host: string, now: number): void {
  for (const nic of server.nics) {
    const port = tx.get(PORT, nic.portId);
    if (port !== undefined) tx.update(PORT, bindPort(port, host, now));
  }
}

/** Takes our ports away and frees the user's. Nothing happens for those that are gone. */
export function detachPorts(tx: Tx, server: Server, now: number): void {
  for (const nic of server.nics) {
    const port = tx.get(PORT, nic.portId);
    if (port === undefined || port.deviceId !== server.id) continue;
    if (nic.preserveOnDelete) tx.update(PORT, freed(port, now));
    else tx.delete(PORT, port.id);
  }
}

const freed = (port: Port, now: number): Port => ({ ...bindPort(port, '', now), deviceId: '', deviceOwner: '' });
