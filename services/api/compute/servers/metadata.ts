// /servers/{id}/metadata: a map of texts that the guest sees too.

import { z } from 'zod';
import { CumuletError } from '#base';
import { SERVER, type Server } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { type Route, route } from '../../http/route.ts';
import { checkLock, checkState, findServer, readServer } from './find.ts';
import { quotasOf } from './references.ts';
import { metadataMap } from './schema.ts';

const ROOT = '/servers/:server_id/metadata';
const CHANGEABLE = ['active', 'paused', 'suspended', 'stopped'] as const;

type Metadata = Server['metadata'];

/** `what` is Nova's name of the method, for refusals. */
async function change(ctx: RequestContext, what: string, edit: (metadata: Metadata) => Metadata): Promise<Metadata> {
  await findServer(ctx);
  const most = quotasOf(ctx).metadata_items;
  const server = await ctx.records.transact((tx) => {
    const current = readServer(tx, ctx);
    checkLock(ctx, current);
    checkState(current, what, CHANGEABLE);
    const metadata = edit(current.metadata);
    if (most >= 0 && Object.keys(metadata).length > most) {
      throw new HttpFault(403, `Maximum number of metadata items exceeds ${most}`);
    }
    const next = { ...current, metadata, updatedAt: ctx.clock.now() };
    tx.update(SERVER, next);
    return next;
  });
  return server.metadata;
}

const body = z.strictObject({ metadata: metadataMap });
const notThere = () => new CumuletError('not_found', 'Metadata item was not found');

export const METADATA_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: ROOT,
    rule: 'os_compute_api:server-metadata:index',
    handler: async (ctx) => ({ status: 200, body: { metadata: (await findServer(ctx)).metadata } }),
  }),
  route({
    method: 'POST',
    path: ROOT,
    rule: 'os_compute_api:server-metadata:create',
    body,
    async handler(ctx) {
      const added = ctx.body.metadata;
      const metadata = await change(ctx, 'update metadata', (known) => ({
        ...known,
        ...added,
      }));
      return { status: 200, body: { metadata } };
    },
  }),
  route({
    method: 'PUT',
    path: ROOT,
    rule: 'os_compute_api:server-metadata:update_all',
    body,
    async handler(ctx) {
      const metadata = await change(ctx, 'update metadata', () => ctx.body.metadata);
      return { status: 200, body: { metadata } };
    },
  }),
  route({
    method: 'GET',
    path: `${ROOT}/:key`,
    rule: 'os_compute_api:server-metadata:show',
    async handler(ctx) {
      const key = ctx.param('key');
      const value = (await findServer(ctx)).metadata[key];
      if (value === undefined) throw notThere();
      return { status: 200, body: { meta: { [key]: value } } };
    },
  }),
  route({
    method: 'PUT',
    path: `${ROOT}/:key`,
    rule: 'os_compute_api:server-metadata:update',
    body: z.strictObject({
      meta: metadataMap.refine((map) => Object.keys(map).length === 1, {
        message: 'Request body contains too many items',
      }),
    }),
    async handler(ctx) {
      const key = ctx.param('key');
      const value = ctx.body.meta[key];
      if (value === undefined) throw new CumuletError('invalid', 'Request body and URI mismatch');
      await change(ctx, 'update metadata', (known) => ({ ...known, [key]: value }));
      return { status: 200, body: { meta: { [key]: value } } };
    },
  }),
  route({
    method: 'DELETE',
    path: `${ROOT}/:key`,
    rule: 'os_compute_api:server-metadata:delete',
    async handler(ctx) {
      const key = ctx.param('key');
      await change(ctx, 'delete metadata', (known) => {
        const { [key]: gone, ...others } = known;
        if (gone === undefined) throw notThere();
        return others;
      });
      return { status: 204 };
    },
  }),
];
