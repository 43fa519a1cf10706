// /servers/{id}/tags, from 2.26.

import { z } from 'zod';
import { CumuletError } from '#base';
import { SERVER, type Server } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { findServer, readServer, stateConflict } from './find.ts';
import { tag } from './schema.ts';

const ROOT = '/servers/:server_id/tags';
const FROM = ['2.26'] as const;
const MAX_TAGS = 50;
const CHANGEABLE: readonly Server['vmState'][] = ['active', 'paused', 'suspended', 'stopped'];

async function change(ctx: RequestContext, edit: (tags: readonly string[]) => readonly string[]): Promise<Server> {
  await findServer(ctx);
  return ctx.records.transact((tx) => {
    const server = readServer(tx, ctx);
    if (!CHANGEABLE.includes(server.vmState)) {
      throw stateConflict(server.id, 'update tags', 'vm_state', server.vmState);
    }
    const next = { ...server, tags: edit(server.tags), updatedAt: ctx.clock.now() };
    tx.update(SERVER, next);
    return next;
  });
}

const notThere = (server: string, name: string) =>
  new CumuletError('not_found', `Server ${server} has no tag '${name}'`);

function checkName(name: string): string {
  const result = tag.safeParse(name);
  if (result.success) return name;
  const why = name.length > 60 ? 'The tag is too long: at most 60 characters.' : "A tag has no '/' and no ','.";
  throw new CumuletError('invalid', `Tag '${name}' is invalid. It must be a non empty string. ${why}`);
}

export const TAG_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: ROOT,
    microversions: FROM,
    rule: 'os_compute_api:os-server-tags:index',
    handler: async (ctx) => ({ status: 200, body: { tags: (await findServer(ctx)).tags } }),
  }),
  route({
    method: 'PUT',
    path: ROOT,
    microversions: FROM,
    rule: 'os_compute_api:os-server-tags:update_all',
    body: z.strictObject({ tags: z.array(tag).max(MAX_TAGS) }),
    async handler(ctx) {
      const tags = [...new Set(ctx.body.tags)];
      const server = await change(ctx, () => tags);
      return { status: 200, body: { tags: server.tags } };
    },
  }),
  route({
    method: 'DELETE',
    path: ROOT,
    microversions: FROM,
    rule: 'os_compute_api:os-server-tags:delete_all',
    async handler(ctx) {
      await change(ctx, () => []);
      return { status: 204 };
    },
  }),
  route({
    method: 'GET',
    path: `${ROOT}/:tag`,
    microversions: FROM,
    rule: 'os_compute_api:os-server-tags:show',
    async handler(ctx) {
      const server = await findServer(ctx);
      if (!server.tags.includes(ctx.param('tag'))) throw notThere(server.id, ctx.param('tag'));
      return { status: 204 };
    },
  }),
  route({
    method: 'PUT',
    path: `${ROOT}/:tag`,
    microversions: FROM,
    rule: 'os_compute_api:os-server-tags:update',
    async handler(ctx) {
      const name = checkName(ctx.param('tag'));
      let known = false;
      const server = await change(ctx, (tags) => {
        known = tags.includes(name);
        if (!known && tags.length >= MAX_TAGS) {
          throw new CumuletError('invalid', `The number of tags exceeded the per-server limit ${MAX_TAGS}`);
        }
        return known ? tags : [...tags, name];
      });
      const location = ctx.url(`/compute/v2.1/servers/${server.id}/tags/${encodeURIComponent(name)}`);
      return known ? { status: 204 } : { status: 201, headers: { Location: location } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${ROOT}/:tag`,
    microversions: FROM,
    rule: 'os_compute_api:os-server-tags:delete',
    async handler(ctx) {
      const name = ctx.param('tag');
      await change(ctx, (tags) => {
        if (!tags.includes(name)) throw notThere(ctx.param('server_id'), name);
        return tags.filter((one) => one !== name);
      });
      return { status: 204 };
    },
  }),
];
