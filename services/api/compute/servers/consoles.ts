// Consoles: what the guest has printed (console output), and consoles over websockets on the API's own port. The address
// of those carries a ticket that expires; the ticket says which server it opens.

import { z } from 'zod';
import { CumuletError, isError, newSecret } from '#base';
import { CONSOLE_TOKEN, type ConsoleToken, displayOf, HOST, type Server } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { Microversion } from '../../http/microversion.ts';
import { type Route, route } from '../../http/route.ts';
import { findTicket, ticketId } from './console-tickets.ts';
import { findServer } from './find.ts';
import type { ServerComponents } from './references.ts';

const TICKET_MICROS = 600 * 1_000_000;
/** Websockets, and the page that shows a screen; the latter is named as noVNC's own. */
export const SERIAL_PATH = '/console/serial';
export const VNC_PATH = '/console/vnc';
export const VNC_PAGE = '/console/vnc_lite.html';

function checkReady(server: Server): void {
  if (server.owner === null || server.vmState === 'building') {
    throw new CumuletError('conflict', `Instance ${server.id} is not ready`);
  }
}

/** A ticket for one console of one server. */
async function newTicket(
  ctx: RequestContext,
  server: Server,
  consoleType: ConsoleToken['consoleType'],
): Promise<string> {
  checkReady(server);
  if (server.vmState !== 'active' && server.vmState !== 'paused') {
    throw new CumuletError(
      'conflict',
      `Cannot 'get_${consoleType === 'serial' ? 'serial' : 'vnc'}_console' instance ${server.id} while it is in vm_state ${server.vmState}`,
    );
  }
  const token = newSecret(32);
  const now = ctx.clock.now();
  await ctx.records.transact((tx) =>
    tx.create(CONSOLE_TOKEN, {
      id: ticketId(token),
      serverId: server.id,
      consoleType,
      createdAt: now,
      expiresAt: now + TICKET_MICROS,
    }),
  );
  return token;
}

/** The address of a console of this kind; undefined when the server has none. */
async function consoleUrl(ctx: RequestContext, server: Server, type: string): Promise<string | undefined> {
  if (type === 'serial')
    return `${ctx.url(SERIAL_PATH).replace(/^http/, 'ws')}?token=${await newTicket(ctx, server, 'serial')}`;
  if (type !== 'novnc' || displayOf(server) === undefined) return undefined;
  // The page takes the websocket's path as noVNC's does: from the root of the host, without the slash.
  const path = `${new URL(ctx.url(VNC_PATH)).pathname.slice(1)}?token=${await newTicket(ctx, server, 'novnc')}`;
  return `${ctx.url(VNC_PAGE)}?path=${encodeURIComponent(path)}`;
}

const unavailable = (type: string): HttpFault => new HttpFault(400, `Unavailable console type ${type}.`);

/** The consoles of before 2.6, an action each. All guests have a serial console, those with a screen have VNC. */
const oldConsole = (key: string, only: 'serial' | 'novnc' | undefined): Route =>
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
      const url = type === only ? await consoleUrl(ctx, server, type) : undefined;
      if (url === undefined) throw unavailable(type);
      return { status: 200, body: { console: { type, url } } };
    },
  });

const PROTOCOLS = ['vnc', 'spice', 'rdp', 'serial'] as const;
const TYPES = ['novnc', 'xvpvnc', 'spice-html5', 'rdp-html5', 'serial'] as const;
/** Which protocol each type that exists here belongs to. */
const PROTOCOL_OF: Readonly<Record<string, string>> = { serial: 'serial', novnc: 'vnc' };

const remoteConsoleBody = (protocols: readonly string[], types: readonly string[]) =>
  z.strictObject({ remote_console: z.strictObject({ protocol: z.enum(protocols), type: z.enum(types) }) });

const remoteConsole = route({
  method: 'POST',
  path: '/servers/:server_id/remote-consoles',
  microversions: ['2.6'],
  rule: 'os_compute_api:os-remote-consoles',
  body: [
    ['2.6', remoteConsoleBody(PROTOCOLS, TYPES)],
    ['2.8', remoteConsoleBody([...PROTOCOLS, 'mks'], [...TYPES, 'webmks'])],
  ],
  async handler(context) {
    const ctx = context;
    const server = await findServer(ctx);
    const { protocol, type } = context.body.remote_console;
    const url = PROTOCOL_OF[type] === protocol ? await consoleUrl(ctx, server, type) : undefined;
    if (url === undefined) throw unavailable(type);
    return { status: 200, body: { remote_console: { protocol, type, url } } };
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
  oldConsole('os-getVNCConsole', 'novnc'),
  oldConsole('os-getSPICEConsole', undefined),
  oldConsole('os-getRDPConsole', undefined),
  oldConsole('os-getSerialConsole', 'serial'),
  remoteConsole,
  route({
    method: 'GET',
    path: '/os-console-auth-tokens/:console_token',
    rule: 'os_compute_api:os-console-auth-tokens',
    handler: ticketTarget,
  }),
];
