// server_delete: the guest goes, then everything that was held for it, in one transaction that also marks the record.
// It has no undo: what is asked for is that nothing is left. A host that is down is not waited for (Nova's local delete):
// the guest that it may still have is an orphan from then on, and is destroyed when its host reports it. Errors that may
// pass are waited out: a delete ends done, or refused by its host in so many words.

import { isError, messageOf } from '#base';
import {
  HOST,
  PLACEMENT_EXPLANATION,
  SERVER,
  SERVER_DELETE,
  SERVER_PAYLOAD,
  type Server,
  type ServerTaskInput,
} from '#model';
import { countServers, release } from '#scheduler';
import type { SagaDefinition, StepContext, StepResult } from '#workflow';
import { isOutOfReach } from '../agent-client.ts';
import type { ConductorComponents } from '../components.ts';
import { after, faultOf, finishAction } from '../server-changes.ts';
import { detachPorts } from '../server-ports.ts';
import { serverOf, waitForTurn } from './server-saga.ts';

const EVENT = 'compute_terminate_instance';
/** Tries at a host that is said to be up and does not answer, before the server is deleted without it. */
const PATIENCE = 6;

export function serverDelete(components: ConductorComponents): SagaDefinition<ServerTaskInput> {
  const { records, agents, clock, log } = components;

  /** Takes the guest from its host; false when the host is out of reach for good. */
  async function removeGuest(server: Server, context: StepContext<ServerTaskInput>): Promise<void> {
    if (server.owner === null) return;
    try {
      await agents.destroy(server.owner, server.id, { requestId: context.saga.requestId, signal: context.signal });
    } catch (error) {
      if (context.signal.aborted || !isOutOfReach(error)) throw error;
      const isUp = records.peek(HOST, server.owner.host)?.value.state === 'up';
      if (isUp && context.saga.failures < PATIENCE) throw error;
      log.warn({ server: server.id, host: server.owner.host }, `deleted without its host: ${messageOf(error)}`);
    }
  }

  async function destroy(context: StepContext<ServerTaskInput>): Promise<StepResult | undefined> {
    await waitForTurn(records, context);
    const began = clock.now();
    let server: Server;
    try {
      server = await serverOf(records, context.input);
    } catch (error) {
      if (isError(error, 'not_found')) return undefined;
      throw error;
    }
    if (server.vmState === 'deleted') return undefined;
    await removeGuest(server, context);
    return {
      commit: (tx) => {
        const current = tx.get(SERVER, server.id);
        if (current === undefined || current.vmState === 'deleted') return;
        const now = clock.now();
        release(tx, server.id, now);
        detachPorts(tx, current, now);
        countServers(tx, current.projectId, { vcpus: current.flavor.vcpus, ramMib: current.flavor.ramMib }, -1);
        tx.delete(SERVER_PAYLOAD, server.id);
        tx.delete(PLACEMENT_EXPLANATION, server.id);
        const deleted = after(current, 'deleted', now);
        tx.update(SERVER, { ...deleted, owner: null, nics: [], terminatedAt: now, deletedAt: now });
        const host = current.owner?.host ?? null;
        finishAction(tx, context.input.actionId, EVENT, { now, host, startTime: began });
      },
    };
  }

  return {
    name: SERVER_DELETE,
    steps: [{ name: 'destroy', action: destroy, attempts: Number.MAX_SAFE_INTEGER }],
    onFailed(tx, input, error) {
      const server = tx.get(SERVER, input.serverId);
      if (server === undefined) return;
      const now = clock.now();
      const fault = faultOf(
        `The server could not be deleted: ${error.message}`,
        `${SERVER_DELETE}: ${error.code}`,
        now,
      );
      tx.update(SERVER, { ...after(server, 'delete_failed', now), fault });
      const host = server.owner?.host ?? null;
      finishAction(tx, input.actionId, EVENT, { now, host, startTime: now, error: error.message });
    },
  };
}
