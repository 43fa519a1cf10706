// Tickets of consoles: which server a token opens, and whether it still does. A token is stored and looked up as its
// SHA-256, so how long a look-up takes tells nothing about any token.

import { createHash } from 'node:crypto';
import type { Clock } from '#base';
import { CONSOLE_TOKEN, type ConsoleToken, SERVER, type Server } from '#model';
import type { Records } from '#store';

export const ticketId = (token: string): string => createHash('sha256').update(token).digest('hex');

export interface Ticket {
  readonly ticket: ConsoleToken;
  readonly server: Server;
}

/** Undefined: the token is unknown or has expired, or its server is gone. */
export async function findTicket(
  components: { readonly records: Records; readonly clock: Clock },
  token: string,
): Promise<Ticket | undefined> {
  const { records, clock } = components;
  const ticket = (await records.get(CONSOLE_TOKEN, ticketId(token)))?.value;
  if (ticket === undefined || ticket.expiresAt < clock.now()) return undefined;
  const server = (await records.get(SERVER, ticket.serverId))?.value;
  return server === undefined || server.vmState === 'deleted' ? undefined : { ticket, server };
}
