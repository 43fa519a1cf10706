// Consoles: what the guest has printed (console output), and consoles over websockets on the API's own port. The address
// of those carries a ticket that expires; the ticket says which server it opens.

import { z } from 'zod';
import { CumuletError, isError, newSecret } from '#base';
import { CONSOLE_TOKEN, HOST, type Server } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { Microversion } from '../../http/microversion.ts';
import { type Route, route } from '../../http/route.ts';
import { findTicket, ticketId } from './console-tickets.ts';
import { findServer } from './find.ts';
import type { ServerComponents } from './references.ts';

const TICKET_MICROS = 600 * 1_000_000;
export const SERIAL_PATH = '/console/serial';

function checkReady(server: Server): void {
  if (server.owner === null || server.vmState === 'building') {
    throw new CumuletError('conflict', `Instance ${server.id} is not ready`);
  }
}

async function serialUrl(ctx: RequestContext, server: Server): Promise<string> {
  checkReady(server);
  if (server.vmState !== 'active' && server.vmState !== 'paused') {
    throw new CumuletError(
      'conflict',
      `Cannot 'get_serial_console' instance ${server.id} while it is in vm_state ${server.vmState}`,
    );
  }
  const token = newSecret(32);
  const now = ctx.clock.now();
  await ctx.records.transact((tx) =>
    tx.create(CONSOLE_TOKEN, {
      id: ticketId(token),
      serverId: server.id,
      consoleType: 'serial',
      createdAt: now,
      expiresAt: now + TICKET_MICROS,
    }),
  );
  return `${ctx.url(SERIAL_PATH).replace(/^http/, 'ws')}?token=${token}`;
}

const unavailable = (type: string): HttpFault => new HttpFault(400, `Unavailable console type ${type}.`);

/** The consoles of before 2.6, an action each. Guests here have a serial console alone. */
const oldConsole = (key: string, serial: boolean): Route =>
  route({
    method: 'POST',
    path: '/servers/:server_id/action',
    action: key,
    microversions: ['2.1', '2.5'],
    rule: 'os_compute_api:os-remote-consoles',
    body: z.strictObject({ [key]: z.strictObject({ type: z.string() }) }),
    async handler(context) {
      const ctx = context;
      const server = await findServer(ctx);
      const type = (context.body as Record<string, { type: string }>)[key]!.type;
      if (!serial || type !== 'serial') throw unavailable(type);
      return { status: 200, body: { console: { type, url: await serialUrl(ctx, server) } } };
    },
  });

const PROTOCOLS = ['vnc', 'spice', 'rdp', 'serial', 'mks'] as const;
const TYPES = ['novnc', 'xvpvnc', 'spice-html5', 'rdp-html5', 'serial', 'webmks'] as const;

const remoteConsole = route({
  method: 'POST',
  path: '/servers/:server_id/remote-consoles',
  microversions: ['2.6'],
  rule: 'os_compute_api:os-remote-consoles',
  body: z.strictObject({ remote_console: z.strictObject({ protocol: z.enum(PROTOCOLS), type: z.enum(TYPES) }) }),
  async handler(context) {
    const ctx = context;
    const server = await findServer(ctx);
    const { protocol, type } = context.body.remote_console;
    if (protocol !== 'serial' || type !== 'serial') throw unavailable(type);
    return { status: 200, body: { remote_console: { protocol, type, url: await serialUrl(ctx, server) } } };
  },
});

/** Where the console behind a ticket is, for whoever runs a proxy: the node agent, whose console streams are gRPC. */
async function ticketTarget(ctx: RequestContext): Promise<Reply> {
  // Before 2.31 Nova told this of RDP consoles alone, and there are none here.
  const all = ctx.microversion.within(Microversion.parse('2.31'), undefined);
  const found = await findTicket(ctx, ctx.param('console_token'));
  if (found === undefined) throw new HttpFault(404, 'Token not found');
  if (!all) throw new HttpFault(401, 'The requested console type details are not accessible');
  const host = found.server.owner === null ? undefined : ctx.records.peek(HOST, found.server.owner.host)?.value;
  const [, address = '', port = ''] = /^(.*):(\d+)$/.exec(host?.grpcAddress ?? '') ?? [];
  return {
    status: 200,
    body: {
      console: {
        instance_uuid: found.server.id,
        host: address === '' ? null : address,
        port: port === '' ? null : Number(port),
        internal_access_path: null,
      },
    },
  };
}

const length = z.union([
  z.number().int().min(-1),
  z
    .string()
    .regex(/^-?[0-9]+$/)
    .transform(Number)
    .refine((value) => value >= -1, { message: 'is less than the minimum of -1' }),
  z.null(),
]);

async function consoleOutput(ctx: RequestContext, components: ServerComponents, lines: number | null): Promise<Reply> {
  const server = await findServer(ctx);
  checkReady(server);
  try {
    // -1 and nothing mean all; 0 lines are no lines.
    const wanted = lines === null || lines < 0 ? 0 : lines;
    const output =
      lines === 0 ? '' : (await components.agents.consoleOutput(ctx.records, server, wanted)).toString('utf8');
    return { status: 200, body: { output } };
  } catch (error) {
    if (isError(error, 'not_found')) throw new CumuletError('not_found', 'Guest does not have a console available.');
    if (isError(error, 'unavailable') || isError(error, 'timeout')) {
      throw new CumuletError('unavailable', `Host ${server.owner?.host} of the server is out of reach.`, {
        cause: error,
      });
    }
    throw error;
  }
}

export const consoleRoutes = (components: ServerComponents): Route[] => [
  route({
    method: 'POST',
    path: '/servers/:server_id/action',
    action: 'os-getConsoleOutput',
    rule: 'os_compute_api:os-console-output',
    body: z.strictObject({ 'os-getConsoleOutput': z.strictObject({ length: length.optional() }) }),
    handler: (ctx) => consoleOutput(ctx, components, ctx.body['os-getConsoleOutput'].length ?? null),
  }),
  oldConsole('os-getVNCConsole', false),
  oldConsole('os-getSPICEConsole', false),
  oldConsole('os-getRDPConsole', false),
  oldConsole('os-getSerialConsole', true),
  remoteConsole,
  route({
    method: 'GET',
    path: '/os-console-auth-tokens/:console_token',
    rule: 'os_compute_api:os-console-auth-tokens',
    handler: ticketTarget,
  }),
];
