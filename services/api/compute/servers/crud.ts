// Servers themselves: create, list, show, change, delete.

import { z } from 'zod';
import { SERVER, SERVER_DELETE, type Server } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { createServers } from './create.ts';
import { checkLock, findServer, readServer } from './find.ts';
import { LIST_KEYS, listServers } from './list.ts';
import type { ServerComponents } from './references.ts';
import { CREATE, type CreateBody, UPDATE, type UpdateBody } from './schema.ts';
import { startTask } from './start-task.ts';
import { changedView, wholeView } from './view.ts';

const text = z.union([z.string(), z.array(z.string())]).optional();
const listKeys = Object.fromEntries(LIST_KEYS.map((key) => [key, text]));
/** Unknown keys are ignored before 2.75 and refused from then on. */
const LIST_QUERY = [
  ['2.1', z.looseObject(listKeys)],
  ['2.75', z.strictObject(listKeys)],
] as const;

async function update(ctx: RequestContext): Promise<Reply> {
  const change = (ctx.body as UpdateBody).server;
  await findServer(ctx);
  const server = await ctx.records.transact((tx) => {
    const current = readServer(tx, ctx);
    const next: Server = {
      ...current,
      name: change.name ?? current.name,
      hostname: change.hostname ?? current.hostname,
      description: change.description === undefined ? current.description : change.description,
      diskConfig: change['OS-DCF:diskConfig'] ?? current.diskConfig,
      accessIpV4: change.accessIPv4 ?? current.accessIpV4,
      accessIpV6: change.accessIPv6 ?? current.accessIpV6,
      updatedAt: ctx.clock.now(),
    };
    tx.update(SERVER, next);
    return next;
  });
  return { status: 200, body: { server: changedView(ctx, server) } };
}

async function remove(ctx: RequestContext): Promise<Reply> {
  await findServer(ctx);
  await ctx.records.transact((tx) => {
    const server = readServer(tx, ctx);
    checkLock(ctx, server);
    startTask(tx, ctx, server, { request: 'delete', saga: SERVER_DELETE, action: 'delete' });
  });
  return { status: 204 };
}

export const crudRoutes = (components: ServerComponents): Route[] => [
  route({
    method: 'GET',
    path: '/servers',
    rule: 'os_compute_api:servers:index',
    query: LIST_QUERY,
    handler: (ctx) => listServers(ctx, false),
  }),
  route({
    method: 'GET',
    path: '/servers/detail',
    rule: 'os_compute_api:servers:detail',
    query: LIST_QUERY,
    handler: (ctx) => listServers(ctx, true),
  }),
  route({
    method: 'POST',
    path: '/servers',
    rule: 'os_compute_api:servers:create',
    body: CREATE,
    handler: (ctx) => createServers(ctx as RequestContext<CreateBody>, components),
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id',
    rule: 'os_compute_api:servers:show',
    handler: async (ctx) => ({
      status: 200,
      body: { server: wholeView(ctx, await findServer(ctx), true) },
    }),
  }),
  route({
    method: 'PUT',
    path: '/servers/:server_id',
    rule: 'os_compute_api:servers:update',
    body: UPDATE,
    handler: (ctx) => update(ctx),
  }),
  route({
    method: 'DELETE',
    path: '/servers/:server_id',
    rule: 'os_compute_api:servers:delete',
    handler: (ctx) => remove(ctx),
  }),
];
