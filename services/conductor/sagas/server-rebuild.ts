// server_rebuild: the same server, host, ports and addresses, with a new disk made from the image that its record now
// names. The old guest goes first; the new one carries the next generation, so that nothing of the old can come back.
// There is no undo: the old disk is what was asked to be thrown away. A failure leaves the server in ERROR, and a rebuild
// or a hard reboot leads out of it.

import { CumuletError } from '#base';
import { SERVER, SERVER_REBUILD, type Server, type ServerTaskInput } from '#model';
import type { SagaDefinition, StepContext, StepResult } from '#workflow';
import type { ConductorComponents } from '../components.ts';
import { instanceSpec } from '../instance-spec.ts';
import { after, answered, faultOf, finishAction } from '../server-changes.ts';
import { forgetPassword } from './guest-password.ts';
import { guestSource } from './guest-source.ts';
import { ATTEMPTS, serverOf, waitForTurn } from './server-saga.ts';

const EVENT = 'rebuild_server';

export function serverRebuild(components: ConductorComponents): SagaDefinition<ServerTaskInput> {
  const { records, agents, clock } = components;

  const nextGeneration = (server: Server): Promise<Server> =>
    records.transact((tx) => {
      const current = tx.get(SERVER, server.id);
      if (current?.owner == null || current.owner.generation !== server.owner?.generation) {
        throw new CumuletError('aborted', 'The server has changed hands meanwhile.');
      }
      const owner = { ...current.owner, generation: current.owner.generation + 1 };
      const next = { ...current, owner };
      tx.update(SERVER, next);
      return next;
    });

  async function rebuild(context: StepContext<ServerTaskInput>): Promise<StepResult> {
    await waitForTurn(records, context);
    const began = clock.now();
    const old = await serverOf(records, context.input);
    if (old.task?.sagaId !== context.saga.id) throw new CumuletError('aborted', 'Another request took over.');
    if (old.owner === null) throw new CumuletError('unsupported', `Instance ${old.id} is on no host.`);
    const options = { requestId: context.saga.requestId, signal: context.signal };
    await agents.destroy(old.owner, old.id, options);
    const server = await nextGeneration(old);
    const report = await agents.spawn(server.owner!, instanceSpec(guestSource(records, server)), {
      ...options,
      powerOn: server.vmState !== 'stopped',
    });
    return {
      commit: (tx) => {
        const current = tx.get(SERVER, server.id);
        if (current === undefined) return;
        const now = clock.now();
        const ended = after(current, 'rebuilt', now);
        const mended = ended.taskState === null ? { ...ended, fault: null, launchedAt: now } : ended;
        tx.update(SERVER, answered(mended, report, now));
        forgetPassword(tx, server.id);
        finishAction(tx, context.input.actionId, EVENT, { now, host: server.owner?.host ?? null, startTime: began });
      },
    };
  }

  return {
    name: SERVER_REBUILD,
    steps: [{ name: 'rebuild', action: rebuild, attempts: ATTEMPTS }],
    onFailed(tx, input, error) {
      const server = tx.get(SERVER, input.serverId);
      if (server === undefined) return;
      const now = clock.now();
      if (error.code !== 'aborted') {
        const fault = faultOf(error.message, `${SERVER_REBUILD}: ${error.code}`, now);
        tx.update(SERVER, { ...after(server, 'broken', now), fault });
      }
      forgetPassword(tx, server.id);
      const host = server.owner?.host ?? null;
      finishAction(tx, input.actionId, EVENT, { now, host, startTime: now, error: error.message });
    },
  };
}
