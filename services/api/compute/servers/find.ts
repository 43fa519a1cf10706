// Finding the server of a request, and the guards that stand before every change of one.

import { CumuletError } from '#base';
import { SERVER, type Server } from '#model';
import type { Tx } from '#store';
import type { RequestContext } from '../../http/context.ts';

type Context = Pick<RequestContext, 'records' | 'param' | 'sees' | 'isAdmin'>;

export const serverNotFound = (id: string): CumuletError =>
  new CumuletError('not_found', `Instance ${id} could not be found.`);

/** The server that the path names. Another project's and a deleted one are not there. */
export async function findServer(ctx: Context): Promise<Server> {
  const id = ctx.param('server_id');
  const server = (await ctx.records.get(SERVER, id))?.value;
  if (server === undefined || server.vmState === 'deleted' || !ctx.sees(server.projectId)) throw serverNotFound(id);
  return server;
}

/** The same inside a transaction. */
export function readServer(tx: Tx, ctx: Context): Server {
  const id = ctx.param('server_id');
  const server = tx.get(SERVER, id);
  if (server === undefined || server.vmState === 'deleted' || !ctx.sees(server.projectId)) throw serverNotFound(id);
  return server;
}

/** A locked server obeys admins alone. */
export function checkLock(ctx: Context, server: Server): void {
  if (server.locked !== null && !ctx.isAdmin) {
    throw new CumuletError('conflict', `Instance ${server.id} is locked`);
  }
}

/** Nova's check_instance_state for changes that are no task: metadata, tags. */
export function checkState(server: Server, what: string, states: readonly Server['vmState'][]): void {
  if (!states.includes(server.vmState)) throw stateConflict(server.id, what, 'vm_state', server.vmState);
  if (server.taskState !== null) throw stateConflict(server.id, what, 'task_state', server.taskState);
}

export const stateConflict = (id: string, what: string, attr: string, value: string): CumuletError =>
  new CumuletError('conflict', `Cannot '${what}' instance ${id} while it is in ${attr} ${value}`);
