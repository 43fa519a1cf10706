// GET /servers/{id}/cumulet-inspection and .../translate: what is inside a running guest. Ours: with other clouds the
// hardware keeps it to itself. Harts, counters and devices come as their driver shows them (services/vmm/inspection.ts).

import { z } from 'zod';
import { CumuletError } from '#base';
import type { Server } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { findServer } from './find.ts';
import type { ServerComponents } from './references.ts';

const translateQuery = z.strictObject({
  address: z.string().regex(/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/),
  hart: z
    .string()
    .regex(/^[0-9]{1,3}$/)
    .optional(),
  privilege: z.enum(['U', 'S', 'M']).optional(),
});

/** The server, when it has a guest that can be looked into. */
async function inspectedServer(ctx: RequestContext): Promise<Server> {
  const server = await findServer(ctx);
  if (server.owner === null) throw new CumuletError('conflict', `Instance ${server.id} is not ready`);
  if (server.vmState !== 'active' && server.vmState !== 'paused') {
    const message = `Cannot 'inspect' instance ${server.id} while it is in vm_state ${server.vmState}`;
    throw new CumuletError('conflict', message);
  }
  return server;
}

function addressOf(text: string): string {
  const address = BigInt(text);
  if (address >= 1n << 64n) throw new CumuletError('invalid', `The address ${text} has more than 64 bits.`);
  return `0x${address.toString(16)}`;
}

/** Keys as OpenStack's APIs spell them: `uptimeMs` is `uptime_ms`. */
function wire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wire);
  if (typeof value !== 'object' || value === null) return value;
  const spelled = (key: string): string => key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [spelled(key), wire(one)]));
}

export const inspectionRoutes = ({ agents }: ServerComponents): Route[] => [
  route({
    method: 'GET',
    path: '/servers/:server_id/cumulet-inspection',
    rule: 'os_compute_api:cumulet-inspection:show',
    async handler(ctx) {
      const server = await inspectedServer(ctx);
      return { status: 200, body: { inspection: wire(await agents.inspect(ctx.records, server)) } };
    },
  }),
  route({
    method: 'GET',
    path: '/servers/:server_id/cumulet-inspection/translate',
    rule: 'os_compute_api:cumulet-inspection:translate',
    query: translateQuery,
    async handler(ctx) {
      const { address, hart, privilege } = ctx.query;
      const at = { address: addressOf(address), hart: Number(hart ?? 0), privilege: privilege ?? '' };
      const server = await inspectedServer(ctx);
      return { status: 200, body: { translation: wire(await agents.translate(ctx.records, server, at)) } };
    },
  }),
];
