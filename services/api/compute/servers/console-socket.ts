// The websockets of consoles: bytes both ways, relayed between the client and the guest's node agent. Of a serial console,
// binary frames are the bytes; a text frame {"resize":{"columns":80,"rows":24}} tells its size, any other text is typed as
// it is. Of a screen, frames are RFB, as noVNC speaks it. Whoever comes with a ticket that is unknown or old, or that
// opens a console of the other kind, is told so before the upgrade.

import type { WebSocket } from 'ws';
import { type Clock, CumuletError, type Log, messageOf } from '#base';
import { CONSOLE_TOKEN, type ConsoleToken, SERVER, type Server } from '#model';
import type { Records } from '#store';
import { type SocketRoute, websocket } from '../../http/route.ts';
import type { AgentRpc, ConsoleStream } from './agent-rpc.ts';
import { ticketId } from './console-tickets.ts';
import { SERIAL_PATH, VNC_PATH } from './consoles.ts';

export interface ConsoleSocketComponents {
  readonly records: Records;
  readonly clock: Clock;
  readonly log: Log;
  readonly agents: AgentRpc;
}

/** A client slower than its guest holds the stream back beyond this. */
const MAX_BUFFERED = 256 * 1024;
/** Websocket close codes (RFC 6455 section 7.4.1). */
const NORMAL = 1000;
const ABNORMAL = 1011;
const MAX_REASON = 120;

async function serverOfTicket(
  components: ConsoleSocketComponents,
  token: string | null,
  type: ConsoleToken['consoleType'],
): Promise<Server> {
  const { records, clock } = components;
  const ticket = token === null ? undefined : (await records.get(CONSOLE_TOKEN, ticketId(token)))?.value;
  if (ticket === undefined || ticket.consoleType !== type) {
    throw new CumuletError(
      'unauthenticated',
      'No such console: the token in its address is unknown. Ask for a new one.',
    );
  }
  if (ticket.expiresAt < clock.now()) {
    throw new CumuletError('unauthenticated', "The console's address has expired. Ask for a new one.");
  }
  const server = (await records.get(SERVER, ticket.serverId))?.value;
  if (server === undefined || server.vmState === 'deleted') {
    throw new CumuletError('not_found', `Instance ${ticket.serverId} could not be found.`);
  }
  return server;
}

interface Resize {
  readonly columns: number;
  readonly rows: number;
}

function resizeOf(text: string): Resize | undefined {
  try {
    const { resize } = JSON.parse(text) as { resize?: Resize };
    const valid = (value: unknown) => Number.isInteger(value) && Number(value) > 0 && Number(value) < 10_000;
    return resize !== undefined && valid(resize.columns) && valid(resize.rows) ? resize : undefined;
  } catch {
    return undefined;
  }
}

/** Joins the two until either ends. */
function relay(socket: WebSocket, stream: ConsoleStream, log: Log, resizes: boolean): void {
  socket.on('message', (bytes: Buffer, isBinary: boolean) => {
    const resize = isBinary || !resizes ? undefined : resizeOf(bytes.toString('utf8'));
    stream.write(resize === undefined ? { data: bytes } : { resize });
  });
  socket.on('close', () => stream.cancel());
  socket.on('error', (error) => log.debug({ error: messageOf(error) }, 'a console client broke off'));
  stream.on('data', (chunk: { data: Buffer }) => {
    if (socket.bufferedAmount > MAX_BUFFERED) stream.pause();
    socket.send(chunk.data, { binary: true }, () => {
      if (socket.bufferedAmount <= MAX_BUFFERED) stream.resume();
    });
  });
  stream.on('end', () => socket.close(NORMAL, 'the console has ended'));
  stream.on('error', (error) => socket.close(ABNORMAL, messageOf(error).slice(0, MAX_REASON)));
}

/** Clients that name a subprotocol name this one: websockify's. */
const SUBPROTOCOLS = ['binary'];

export function consoleSockets(components: ConsoleSocketComponents): SocketRoute[] {
  const { agents, records, log } = components;
  const serial = websocket(
    SERIAL_PATH,
    async ({ search }) => {
      const server = await serverOfTicket(components, search.get('token'), 'serial');
      const stream = agents.attachConsole(records, server);
      return (socket) => relay(socket, stream, log, true);
    },
    SUBPROTOCOLS,
  );
  const vnc = websocket(
    VNC_PATH,
    async ({ search }) => {
      const server = await serverOfTicket(components, search.get('token'), 'novnc');
      const stream = agents.attachDisplay(records, server);
      return (socket) => relay(socket, stream, log, false);
    },
    SUBPROTOCOLS,
  );
  return [serial, vnc];
}
