// What is attached to a server: addresses, interfaces, security groups, volumes (none in this cloud).

import { z } from 'zod';
import { CumuletError } from '#base';
import { PORT, type Port, SECURITY_GROUP, SECURITY_GROUP_RULE, type Server } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { type Route, route } from '../../http/route.ts';
import { findServer, readServer } from './find.ts';
import { addressesOf } from './view.ts';

type Context = Pick<RequestContext, 'records' | 'microversion'>;

function interfaceView(ctx: Context, server: Server, port: Port): object {
  const tag = server.nics.find((nic) => nic.portId === port.id)?.tag ?? null;
  return {
    port_state: port.status,
    fixed_ips: port.fixedIps.map((ip) => ({ subnet_id: ip.subnetId, ip_address: ip.ipAddress })),
    port_id: port.id,
    net_id: port.networkId,
    mac_addr: port.macAddress,
    ...(ctx.microversion.atLeast(2, 70) ? { tag } : {}),
  };
}

const portsOf = (ctx: Context, server: Server): Port[] =>
  server.nics.flatMap((nic) => ctx.records.peek(PORT, nic.portId)?.value ?? []);

function groupView(ctx: Context, id: string): object[] {
  const group = ctx.records.peek(SECURITY_GROUP, id)?.value;
  if (group === undefined) return [];
  const rules = ctx.records.peekList(
    SECURITY_GROUP_RULE,
    (rule) => rule.securityGroupId === id && rule.direction === 'ingress',
  );
  return [
    {
      id: group.id,
      name: group.name,
      description: group.description,
      tenant_id: group.projectId,
      rules: rules.map(({ value: rule }) => ({
        id: rule.id,
        parent_group_id: group.id,
        ip_protocol: rule.protocol,
        from_port: rule.portRangeMin,
        to_port: rule.portRangeMax,
        ip_range: rule.remoteIpPrefix === null ? {} : { cidr: rule.remoteIpPrefix },
        group:
          rule.remoteGroupId === null
            ? {}
            : { tenant_id: group.projectId, name: ctx.records.peek(SECURITY_GROUP, rule.remoteGroupId)?.value.name },
      })),
    },
  ];
}

/** Changes the groups of all ports of the server. */
async function changeGroups(
  ctx: RequestContext,
  name: string,
  edit: (ids: readonly string[], id: string) => string[],
): Promise<Reply> {
  const found = await findServer(ctx);
  const mine = ctx.records.peekList(SECURITY_GROUP, (group) => group.projectId === found.projectId);
  const group = mine.find(({ value }) => value.id === name) ?? mine.find(({ value }) => value.name === name);
  if (group === undefined) {
    throw new CumuletError('not_found', `Security group ${name} not found for project ${found.projectId}.`);
  }
  await ctx.records.transact((tx) => {
    const server = readServer(tx, ctx);
    for (const nic of server.nics) {
      const port = tx.get(PORT, nic.portId);
      if (port === undefined) continue;
      const securityGroupIds = edit(port.securityGroupIds, group.value.id);
      const revisionNumber = port.revisionNumber + 1;
      tx.update(PORT, { ...port, securityGroupIds, revisionNumber, updatedAt: ctx.clock.now() });
    }
  });
  return { status: 202 };
}

const groupName = z.strictObject({ name: z.string().min(1).max(255) });

export const ATTACHMENT_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/servers/:server_id/ips',
    rule: 'os_compute_api:ips:index',
    handler: async (ctx) => ({ status: 200, body: { addresses: addressesOf(ctx, await findServer(ctx), false) } }),
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id/ips/:network',
    rule: 'os_compute_api:ips:show',
    async handler(ctx) {
      const name = ctx.param('network');
      const addresses = addressesOf(ctx, await findServer(ctx), false)[name];
      if (addresses === undefined) throw new CumuletError('not_found', 'Instance is not a member of specified network');
      return { status: 200, body: { [name]: addresses } };
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id/os-interface',
    rule: 'os_compute_api:os-attach-interfaces:list',
    async handler(ctx) {
      const server = await findServer(ctx);
      const interfaces = portsOf(ctx, server).map((port) => interfaceView(ctx, server, port));
      return { status: 200, body: { interfaceAttachments: interfaces } };
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id/os-interface/:port_id',
    rule: 'os_compute_api:os-attach-interfaces:show',
    async handler(ctx) {
      const server = await findServer(ctx);
      const port = portsOf(ctx, server).find((one) => one.id === ctx.param('port_id'));
      if (port === undefined) {
        const message = `Instance ${server.id} does not have a port with id ${ctx.param('port_id')}`;
        throw new CumuletError('not_found', message);
      }
      return { status: 200, body: { interfaceAttachment: interfaceView(ctx, server, port) } };
    },
  }),
  route({
    method: 'POST',
    path: '/servers/:server_id/os-interface',
    rule: 'os_compute_api:os-attach-interfaces:create',
    body: z.looseObject({}),
    async handler(ctx) {
      const server = await findServer(ctx);
      throw new HttpFault(
        400,
        `Failed to attach network adapter device to ${server.id}: its driver cannot plug at run time.`,
      );
    },
  }),
  route({
    method: 'DELETE',
    path: '/servers/:server_id/os-interface/:port_id',
    rule: 'os_compute_api:os-attach-interfaces:delete',
    async handler(ctx) {
      const server = await findServer(ctx);
      const port = server.nics.find((nic) => nic.portId === ctx.param('port_id'));
      if (port === undefined)
        throw new CumuletError('not_found', `Port id ${ctx.param('port_id')} could not be found.`);
      throw new HttpFault(
        400,
        `Failed to detach network adapter device from ${server.id}: its driver cannot unplug at run time.`,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id/os-security-groups',
    rule: 'os_compute_api:os-security-groups:list',
    async handler(ctx) {
      const server = await findServer(ctx);
      const ids = new Set(portsOf(ctx, server).flatMap((port) => port.securityGroupIds));
      return { status: 200, body: { security_groups: [...ids].flatMap((id) => groupView(ctx, id)) } };
    },
  }),
  route({
    method: 'POST',
    path: '/servers/:server_id/action',
    action: 'addSecurityGroup',
    rule: 'os_compute_api:os-security-groups:add',
    body: z.strictObject({ addSecurityGroup: groupName }),
    handler: (ctx) =>
      changeGroups(ctx, ctx.body.addSecurityGroup.name, (ids, id) => (ids.includes(id) ? [...ids] : [...ids, id])),
  }),
  route({
    method: 'POST',
    path: '/servers/:server_id/action',
    action: 'removeSecurityGroup',
    rule: 'os_compute_api:os-security-groups:remove',
    body: z.strictObject({ removeSecurityGroup: groupName }),
    async handler(ctx) {
      const { name } = ctx.body.removeSecurityGroup;
      return changeGroups(ctx, name, (ids, id) => {
        if (!ids.includes(id)) {
          const message = `Security group ${name} not associated with the instance ${ctx.param('server_id')}`;
          throw new CumuletError('not_found', message);
        }
        return ids.filter((one) => one !== id);
      });
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id/os-volume_attachments',
    rule: 'os_compute_api:os-volumes-attachments:index',
    async handler(ctx) {
      await findServer(ctx);
      return { status: 200, body: { volumeAttachments: [] } };
    },
  }),
];
