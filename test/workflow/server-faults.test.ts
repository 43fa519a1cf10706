// Every step of every saga of servers, in turn: fails after it has acted and before that is written down, and is run
// twice, as after a crash between the two. Whatever happens, the invariants hold, and a delete settles the rest.

import { afterEach, describe, expect, it } from 'vitest';
import { CumuletError } from '#base';
import { POWER_TASKS, type PowerRequestName } from '#model';
import type { SagaDefinition, Step } from '#workflow';
import { ServerCloud } from '../support/server-cloud.ts';
import { waitUntil } from '../support/wait.ts';

let cloud: ServerCloud | undefined;
afterEach(async () => {
  await cloud?.stop();
  cloud = undefined;
});

type Change = (step: Step<unknown>) => Step<unknown>;

/** A cloud whose saga `name` has its step `step` changed while `on()` says so. */
async function start(name: string, step: string, change: Change): Promise<ServerCloud> {
  const definitions = (sagas: readonly SagaDefinition<unknown>[]) =>
    sagas.map((saga) =>
      saga.name === name ? { ...saga, steps: saga.steps.map((one) => (one.name === step ? change(one) : one)) } : saga,
    );
  cloud = new ServerCloud({ conductor: { definitions } });
  await cloud.start();
  return cloud;
}

/** Acts, and then fails as if it had not been able to write it down; once. */
function failingOnce(): Change {
  let failed = false;
  return (step) => ({
    ...step,
    async action(context) {
      const result = await step.action(context);
      if (failed) return result;
      failed = true;
      throw new CumuletError('internal', 'a fault was injected');
    },
  });
}

const twice: Change = (step) => ({
  ...step,
  async action(context) {
    await step.action(context);
    return step.action(context);
  },
});

/** The way to a state from which the request may be asked. */
const BEFORE: { readonly [request in PowerRequestName]: readonly PowerRequestName[] } = {
  start: ['stop'],
  stop: [],
  reboot: [],
  reboot_hard: [],
  pause: [],
  unpause: ['pause'],
  suspend: [],
  resume: ['suspend'],
};
const REQUESTS = Object.keys(BEFORE) as PowerRequestName[];

async function deleteAll(c: ServerCloud, id: string): Promise<void> {
  await c.ask(id, 'delete');
  await waitUntil(() => c.server(id).vmState === 'deleted' || c.server(id).taskState === null);
  await c.settled(id);
  if (c.server(id).vmState !== 'deleted') {
    await c.ask(id, 'delete');
    await c.settled(id);
  }
  expect(c.server(id).vmState).toBe('deleted');
  expect(c.agents.every((agent) => agent.guests.size === 0)).toBe(true);
  expect(c.broken()).toEqual([]);
}

describe('a step that fails after it has acted', () => {
  it.each(['schedule', 'spawn'])('server_create, %s: everything is undone', async (step) => {
    const c = await start('server_create', step, failingOnce());
    const id = await c.create();
    const server = await c.settled(id);
    expect(server).toMatchObject({ vmState: 'error', owner: null, nics: [] });
    expect(server.fault?.message).toBe('a fault was injected');
    expect(c.agents.every((agent) => agent.guests.size === 0)).toBe(true);
    expect(c.broken()).toEqual([]);
    await deleteAll(c, id);
  });

  it('server_delete, destroy: the server says so, and the next delete ends it', async () => {
    const c = await start('server_delete', 'destroy', failingOnce());
    const id = await c.create();
    await c.settled(id);
    await deleteAll(c, id);
  });

  it.each(REQUESTS)('server_%s: nothing is stuck, and what the host then reports counts', async (request) => {
    const c = await start(POWER_TASKS[request].saga, request, failingOnce());
    const id = await c.create();
    await c.settled(id);
    for (const before of BEFORE[request]) {
      await c.ask(id, before);
      await c.settled(id);
    }
    await c.ask(id, request);
    const server = await c.settled(id);
    expect(server.taskState).toBeNull();
    expect(c.broken()).toEqual([]);
    await deleteAll(c, id);
  });
});

describe('a step that is run twice', () => {
  it.each(['schedule', 'spawn'])('server_create, %s: one guest, one place', async (step) => {
    const c = await start('server_create', step, twice);
    const id = await c.create();
    expect(await c.settled(id)).toMatchObject({ vmState: 'active', owner: { generation: 1 } });
    expect(c.broken()).toEqual([]);
    await deleteAll(c, id);
  });

  it('server_delete, destroy', async () => {
    const c = await start('server_delete', 'destroy', twice);
    const id = await c.create();
    await c.settled(id);
    await deleteAll(c, id);
  });

  it.each(REQUESTS)('server_%s', async (request) => {
    const c = await start(POWER_TASKS[request].saga, request, twice);
    const id = await c.create();
    await c.settled(id);
    for (const before of BEFORE[request]) {
      await c.ask(id, before);
      await c.settled(id);
    }
    await c.ask(id, request);
    const server = await c.settled(id);
    expect(server.fault).toBeNull();
    expect(c.broken()).toEqual([]);
    await deleteAll(c, id);
  });
});
