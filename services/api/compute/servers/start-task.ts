// Begins a task on a server: the request goes through the transition table, and the record, the saga that serves it and
// the instance action that tells of it are written together. Refusals are Nova's 409.

import { CumuletError, newRequestId } from '#base';
import {
  INSTANCE_ACTION,
  instanceActionId,
  newInstanceAction,
  refusal,
  SERVER,
  type Server,
  type ServerRequest,
  type ServerTaskInput,
  transition,
} from '#model';
import type { Tx } from '#store';
import { newSaga, SAGA } from '#workflow';
import type { RequestContext } from '../../http/context.ts';

export type TaskContext = Pick<RequestContext, 'auth' | 'clock' | 'requestId' | 'isAdmin'>;

export interface Task {
  readonly request: ServerRequest;
  readonly saga: string;
  /** What os-instance-actions calls it, and what a refusal says: "Cannot 'stop' instance". */
  readonly action: string;
  readonly method?: string;
  /** Nova's must_have_launched: refuses servers that were never active. */
  readonly launched?: boolean;
}

/** Writes the action and the saga; the caller writes the server. */
export function writeTask(
  tx: Tx,
  ctx: TaskContext,
  server: Pick<Server, 'id'>,
  task: Pick<Task, 'saga' | 'action'>,
): NonNullable<Server['task']> {
  const now = ctx.clock.now();
  // A request that acts on one server twice (a client's retry with the same id) must not meet its own action.
  let requestId = ctx.requestId;
  if (tx.peek(INSTANCE_ACTION, instanceActionId(server.id, requestId)) !== undefined) requestId = newRequestId();
  const by = { requestId, userId: ctx.auth.userId, projectId: ctx.auth.projectId ?? '', now };
  const input: ServerTaskInput = { serverId: server.id, actionId: instanceActionId(server.id, requestId) };
  const saga = newSaga(task.saga, { kind: 'server', id: server.id }, input, by);
  tx.create(INSTANCE_ACTION, newInstanceAction(server, task.action, by));
  tx.create(SAGA, saga);
  return { sagaId: saga.id, action: task.action };
}

/** Throws 409 when the server's state does not allow it. `change` adds what the request also changes. */
export function startTask(
  tx: Tx,
  ctx: TaskContext,
  server: Server,
  task: Task,
  change: (server: Server) => Server = (same) => same,
): Server {
  const method = task.method ?? task.action;
  const verdict = transition(server, task.request);
  if (verdict.kind === 'refused') throw new CumuletError('conflict', refusal(server.id, method, verdict));
  if (task.launched === true && server.launchedAt === null) {
    throw new CumuletError('conflict', `Instance ${server.id} is in an invalid state for '${method}'`);
  }
  if (verdict.kind !== 'to') return server;
  const begun = change({
    ...server,
    ...verdict.state,
    task: writeTask(tx, ctx, server, task),
    updatedAt: ctx.clock.now(),
  });
  tx.update(SERVER, begun);
  return begun;
}
