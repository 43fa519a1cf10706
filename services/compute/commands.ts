// The agent's ears on the bus: one responder for each verb of `compute.v1.host.<host>`.

import { type Bus, type Subscription, topic } from '#bus';
import { computeV1 } from '#gen';
import { actionFrom, observedTo, specFrom } from './convert.ts';
import type { Supervisor } from './supervisor.ts';

export async function answerCommands(bus: Bus, host: string, supervisor: Supervisor): Promise<Subscription[]> {
  const { subjects } = computeV1;
  return [
    await topic.respond(
      bus,
      subjects.spawn(host),
      { request: computeV1.spawnRequest, response: computeV1.spawnResponse },
      async ({ spec, generation, powerOn }) => ({
        observed: observedTo(await supervisor.spawn(specFrom(spec), generation, powerOn)),
      }),
    ),
    await topic.respond(
      bus,
      subjects.power(host),
      { request: computeV1.powerRequest, response: computeV1.powerResponse },
      async ({ instanceId, generation, action, timeoutSeconds }) => ({
        observed: observedTo(await supervisor.power(instanceId, generation, actionFrom(action), timeoutSeconds)),
      }),
    ),
    await topic.respond(
      bus,
      subjects.destroy(host),
      { request: computeV1.destroyRequest, response: computeV1.destroyResponse },
      async ({ instanceId, generation }) => {
        await supervisor.destroy(instanceId, generation);
        return {};
      },
    ),
    await topic.respond(
      bus,
      subjects.list(host),
      { request: computeV1.listRequest, response: computeV1.listResponse },
      async () => ({ instances: supervisor.list().map(observedTo) }),
    ),
  ];
}
