// GET /servers/{id}/cumulet-explanation: why the server went where it went, or nowhere. Ours: OpenStack keeps this in the
// scheduler's log.

import { CumuletError } from '#base';
import { PLACEMENT_EXPLANATION } from '#model';
import { type Route, route } from '../../http/route.ts';
import { nakedMicros } from '../../http/time.ts';
import { findServer } from './find.ts';

export const EXPLANATION_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/servers/:server_id/cumulet-explanation',
    rule: 'os_compute_api:cumulet-explanation:show',
    async handler(ctx) {
      const server = await findServer(ctx);
      const found = (await ctx.records.get(PLACEMENT_EXPLANATION, server.id))?.value;
      if (found === undefined) throw new CumuletError('not_found', `Instance ${server.id} has not been scheduled yet.`);
      return {
        status: 200,
        body: {
          explanation: {
            server_id: server.id,
            request_id: found.requestId,
            created_at: nakedMicros(found.createdAt),
            message: found.message,
            hosts: found.hosts.map(({ host, verdict, filter, reason }) => ({ host, verdict, filter, reason })),
          },
        },
      };
    },
  }),
];
