// /servers/{id}/os-instance-actions: what was done to a server, by whom, and how it ended. From 2.21 also for servers that
// are deleted; from 2.51 everybody sees the events, operators their traces.

import { createHash } from 'node:crypto';
import { CumuletError } from '#base';
import { INSTANCE_ACTION, type InstanceAction, SERVER, type Server } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { linksOf, page, pageRequestOf, sortBy } from '../../http/paging.ts';
import { type Route, route } from '../../http/route.ts';
import { nakedMicros, parseTime } from '../../http/time.ts';
import { serverNotFound } from './find.ts';

const ROOT = '/servers/:server_id/os-instance-actions';

async function serverOf(ctx: RequestContext): Promise<Server> {
  const id = ctx.param('server_id');
  const server = (await ctx.records.get(SERVER, id))?.value;
  const gone = server?.vmState === 'deleted' && !ctx.microversion.atLeast(2, 21);
  if (server === undefined || gone || !ctx.sees(server.projectId)) throw serverNotFound(id);
  return server;
}

function actionView(ctx: RequestContext, action: InstanceAction): Record<string, unknown> {
  return {
    action: action.action,
    instance_uuid: action.serverId,
    request_id: action.requestId,
    user_id: action.userId,
    project_id: action.projectId,
    start_time: nakedMicros(action.startTime),
    message: action.message,
    ...(ctx.microversion.atLeast(2, 58) ? { updated_at: nakedMicros(action.updatedAt) } : {}),
  };
}

function eventViews(ctx: RequestContext, server: Server, action: InstanceAction): Record<string, unknown> {
  const operator = ctx.can('os_compute_api:os-instance-actions:events');
  const at = (minor: number) => ctx.microversion.atLeast(2, minor);
  if (!operator && !at(51)) return {};
  const hostId = (host: string | null) =>
    host === null ? '' : createHash('sha224').update(`${server.projectId}${host}`).digest('hex');
  return {
    events: action.events.map((event) => ({
      event: event.event,
      start_time: nakedMicros(event.startTime),
      finish_time: event.finishTime === null ? null : nakedMicros(event.finishTime),
      result: event.result,
      ...(operator ? { traceback: event.details } : {}),
      ...(at(62) ? { hostId: hostId(event.host) } : {}),
      ...(at(62) && operator ? { host: event.host } : {}),
      ...(at(84) && ctx.can('os_compute_api:os-instance-actions:events:details') ? { details: event.details } : {}),
    })),
  };
}

function timeOf(ctx: RequestContext, key: string): number | undefined {
  const text = ctx.search.get(key);
  if (text === null) return undefined;
  const time = parseTime(text);
  if (time !== undefined) return time;
  throw new CumuletError(
    'invalid',
    `Invalid input for query parameters ${key}. Value: ${text}. '${text}' is not a 'date-time'`,
  );
}

export const INSTANCE_ACTION_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: ROOT,
    rule: 'os_compute_api:os-instance-actions:list',
    async handler(context) {
      const ctx = context;
      const server = await serverOf(ctx);
      const paged = ctx.microversion.atLeast(2, 58);
      const since = paged ? timeOf(ctx, 'changes-since') : undefined;
      const before = ctx.microversion.atLeast(2, 66) ? timeOf(ctx, 'changes-before') : undefined;
      const found = await ctx.records.list(
        INSTANCE_ACTION,
        (action) =>
          action.serverId === server.id &&
          (since === undefined || action.updatedAt >= since) &&
          (before === undefined || action.updatedAt <= before),
      );
      const sorted = sortBy(
        found.map(({ value }) => value),
        [[(action) => action.startTime, 'desc']],
      );
      if (!paged) return { status: 200, body: { instanceActions: sorted.map((action) => actionView(ctx, action)) } };
      const { items, next } = page(sorted, pageRequestOf(ctx.search), (action) => action.requestId);
      const url = ctx.url(`/compute/v2.1/servers/${server.id}/os-instance-actions`);
      return {
        status: 200,
        body: {
          instanceActions: items.map((action) => actionView(ctx, action)),
          ...linksOf('links', url, ctx.search, next),
        },
      };
    },
  }),
  route({
    method: 'GET',
    path: `${ROOT}/:request_id`,
    rule: 'os_compute_api:os-instance-actions:show',
    async handler(context) {
      const ctx = context;
      const server = await serverOf(ctx);
      const requestId = ctx.param('request_id');
      const found = ctx.records.peekList(
        INSTANCE_ACTION,
        (action) => action.serverId === server.id && action.requestId === requestId,
      )[0]?.value;
      if (found === undefined) throw new CumuletError('not_found', `Action ${requestId} not found`);
      return {
        status: 200,
        body: { instanceAction: { ...actionView(ctx, found), ...eventViews(ctx, server, found) } },
      };
    },
  }),
];
