// Nothing stays in between: every task_state is served by a saga. The API writes both in one transaction, so a task
// without a living saga can only be the trace of a fault; this finds it and ends it. It also forgets servers that were
// deleted long ago, with what is kept about them.

import { newRequestId } from '#base';
import {
  CONSOLE_TOKEN,
  INSTANCE_ACTION,
  instanceActionId,
  newInstanceAction,
  SERVER,
  SERVER_DELETE,
  type Server,
} from '#model';
import { newSaga, SAGA, type SagaRecord } from '#workflow';
import type { ConductorComponents } from '../components.ts';
import { after, faultOf } from '../server-changes.ts';

/** How long deleted servers stay visible to `changes-since` and os-instance-actions. */
const KEEP_DELETED_MICROS = 24 * 3600 * 1_000_000;
/** How long an expired console token is kept, to say that it has expired. */
const KEEP_TOKENS_MICROS = 3600 * 1_000_000;
/** A saga that has just ended may still be on its way into the index. */
const GRACE_MICROS = 10_000_000;
/** Records removed in one transaction. */
const PURGE_BATCH = 30;

const isLiving = (saga: SagaRecord | undefined): boolean =>
  saga !== undefined && (saga.state === 'running' || saga.state === 'unwinding');

export class TaskKeeper {
  readonly #components: ConductorComponents;

  constructor(components: ConductorComponents) {
    this.#components = components;
  }

  /** Ends tasks that no saga serves. */
  async endLostTasks(): Promise<void> {
    const { records, clock, log } = this.#components;
    const old = clock.now() - GRACE_MICROS;
    const lost = records.peekList(
      SERVER,
      (server) =>
        server.taskState !== null &&
        server.updatedAt < old &&
        !isLiving(records.peek(SAGA, server.task?.sagaId ?? '')?.value),
    );
    for (const { value } of lost) {
      await records.transact((tx) => {
        const server = tx.get(SERVER, value.id);
        if (server === undefined || server.taskState === null || server.updatedAt >= old) return;
        if (isLiving(tx.get(SAGA, server.task?.sagaId ?? ''))) return;
        const now = clock.now();
        if (server.taskState === 'deleting') return this.#deleteAnew(tx, server, now);
        const event = server.vmState === 'building' ? 'build_failed' : 'undone';
        const fault = faultOf(`The task ${server.taskState} was lost.`, 'task-keeper', now);
        tx.update(SERVER, { ...after(server, event, now), fault });
      });
      log.error({ server: value.id, task: value.taskState }, 'a task without a saga was ended');
    }
  }

  #deleteAnew(
    tx: Parameters<Parameters<ConductorComponents['records']['transact']>[0]>[0],
    server: Server,
    now: number,
  ) {
    const by = { requestId: newRequestId(), userId: server.userId, projectId: server.projectId, now };
    const input = { serverId: server.id, actionId: instanceActionId(server.id, by.requestId) };
    const saga = newSaga(SERVER_DELETE, { kind: 'server', id: server.id }, input, by);
    tx.create(INSTANCE_ACTION, newInstanceAction(server, 'delete', by));
    tx.create(SAGA, saga);
    tx.update(SERVER, { ...server, task: { sagaId: saga.id, action: 'delete' }, updatedAt: now });
  }

  /** Forgets what was deleted, or has expired, long ago. */
  async purge(): Promise<void> {
    const { records, clock } = this.#components;
    const stale = records.peekList(CONSOLE_TOKEN, (token) => token.expiresAt < clock.now() - KEEP_TOKENS_MICROS);
    for (let at = 0; at < stale.length; at += PURGE_BATCH) {
      const batch = stale.slice(at, at + PURGE_BATCH);
      await records.transact((tx) => {
        for (const { value } of batch) tx.delete(CONSOLE_TOKEN, value.id);
      });
    }
    const before = clock.now() - KEEP_DELETED_MICROS;
    const gone = records.peekList(SERVER, (server) => server.deletedAt !== null && server.deletedAt < before);
    for (const { value: server } of gone) {
      const actions = records.peekList(INSTANCE_ACTION, (action) => action.serverId === server.id);
      for (let at = 0; at < actions.length; at += PURGE_BATCH) {
        const batch = actions.slice(at, at + PURGE_BATCH);
        await records.transact((tx) => {
          for (const { value } of batch) tx.delete(INSTANCE_ACTION, value.id);
        });
      }
      await records.transact((tx) => tx.delete(SERVER, server.id));
    }
  }
}
