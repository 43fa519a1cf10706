// Start, stop, reboot, pause, unpause, suspend, resume: one word to the server's host each, and its answer written down.
// One step, nothing to undo: a host that fails leaves the guest as it was, and the observer tells if it did not.
// A hard reboot is the way out of a broken state; when even that fails, the server is in ERROR.

import { CumuletError } from '#base';
import type { computeV1 } from '#gen';
import { POWER_TASKS, type PowerRequestName, SERVER, type Server, type ServerTaskInput } from '#model';
import type { SagaDefinition, StepContext, StepResult } from '#workflow';
import type { ConductorComponents } from '../components.ts';
import { after, answered, faultOf, finishAction } from '../server-changes.ts';
import { ATTEMPTS, serverOf, waitForTurn } from './server-saga.ts';

const ACTIONS: { readonly [request in PowerRequestName]: computeV1.PowerAction } = {
  start: 'POWER_ACTION_START',
  stop: 'POWER_ACTION_STOP',
  reboot: 'POWER_ACTION_SOFT_REBOOT',
  reboot_hard: 'POWER_ACTION_HARD_REBOOT',
  pause: 'POWER_ACTION_PAUSE',
  unpause: 'POWER_ACTION_UNPAUSE',
  suspend: 'POWER_ACTION_SUSPEND',
  resume: 'POWER_ACTION_RESUME',
};

/** Seconds that a guest has to power itself off before its host does it; an image may ask for others. */
const GUEST_SECONDS = 10;
const MAX_GUEST_SECONDS = 300;

function guestSeconds(server: Server): number {
  const asked = Number(server.image?.properties.os_shutdown_timeout ?? GUEST_SECONDS);
  return Number.isFinite(asked) && asked >= 0 ? Math.min(asked, MAX_GUEST_SECONDS) : GUEST_SECONDS;
}

export function serverPower(
  components: ConductorComponents,
  request: PowerRequestName,
): SagaDefinition<ServerTaskInput> {
  const { records, agents, clock } = components;
  const task = POWER_TASKS[request];

  async function act(context: StepContext<ServerTaskInput>): Promise<StepResult | undefined> {
    await waitForTurn(records, context);
    const began = clock.now();
    const server = await serverOf(records, context.input);
    // Another request has taken over (a delete, a hard reboot): the guest is theirs.
    if (server.task?.sagaId !== context.saga.id) throw new CumuletError('aborted', 'Another request took over.');
    if (server.owner === null) throw new CumuletError('unsupported', `Instance ${server.id} is on no host.`);
    const report = await agents.power(server.owner, server.id, ACTIONS[request], {
      requestId: context.saga.requestId,
      signal: context.signal,
      guestSeconds: request === 'stop' || request === 'reboot' ? guestSeconds(server) : 0,
    });
    return {
      commit: (tx) => {
        const current = tx.get(SERVER, server.id);
        if (current === undefined) return;
        const now = clock.now();
        const ended = current.task?.sagaId === context.saga.id ? after(current, task.end, now) : current;
        const mended = ended.vmState === 'active' ? { ...ended, fault: null } : ended;
        tx.update(SERVER, answered(mended, report, now));
        finishAction(tx, context.input.actionId, task.event, {
          now,
          host: current.owner?.host ?? null,
          startTime: began,
        });
      },
    };
  }

  return {
    name: task.saga,
    steps: [{ name: request, action: act, attempts: ATTEMPTS }],
    onFailed(tx, input, error) {
      const server = tx.get(SERVER, input.serverId);
      if (server === undefined) return;
      const now = clock.now();
      const host = server.owner?.host ?? null;
      if (server.taskState !== null && error.code !== 'aborted') {
        const event = request === 'reboot_hard' ? 'broken' : 'undone';
        const fault = faultOf(error.message, `${task.saga}: ${error.code}`, now);
        tx.update(SERVER, { ...after(server, event, now), fault });
      }
      finishAction(tx, input.actionId, task.event, { now, host, startTime: now, error: error.message });
    },
  };
}
