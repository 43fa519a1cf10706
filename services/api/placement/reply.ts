// Answers with the headers that placement has had since 1.15: nothing of it may be cached.

import type { Reply, RequestContext } from '../http/context.ts';

export function ok(context: Pick<RequestContext, 'microversion'>, body: unknown, changedAt: number): Reply {
  if (!context.microversion.atLeast(1, 15)) return { status: 200, body };
  const modified = new Date(Math.floor(changedAt / 1000)).toUTCString();
  return { status: 200, body, headers: { 'Cache-Control': 'no-cache', 'Last-Modified': modified } };
}
