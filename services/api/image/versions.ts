// Glance's version documents: 300 Multiple Choices at the root, with every minor version down to 2.0.

import type { Reply, RequestContext } from '../http/context.ts';
import { PUBLIC, type Route, route } from '../http/route.ts';

const CURRENT = 15;

function versions(ctx: RequestContext<unknown, unknown>, status: number): Reply {
  const links = [{ rel: 'self', href: ctx.url('/image/v2/') }];
  const minors = Array.from({ length: CURRENT + 1 }, (_, at) => CURRENT - at);
  const list = minors.map((minor) => ({
    id: `v2.${minor}`,
    status: minor === CURRENT ? 'CURRENT' : 'SUPPORTED',
    links,
  }));
  return { status, body: { versions: list } };
}

const document = (path: string, status: number): Route =>
  route({ method: 'GET', path, rule: PUBLIC, handler: async (ctx) => versions(ctx, status) });

export const VERSION_DOCUMENTS: readonly Route[] = [
  document('/', 300),
  document('/versions', 200),
  document('/v2', 300),
];
