// The conductor and real node agents over one bus, with pretend guests: what the scripted agent of the other tests stands
// for is what the agent does.

import { afterEach, expect, it } from 'vitest';
import { silentLog } from '#base';
import { type ComputeAgent, createComputeAgent, FakeDriver, FakeWorld, MemoryRecords } from '#compute';
import { HOST, POWER, RESOURCE_PROVIDER } from '#model';
import { ServerCloud } from '../support/server-cloud.ts';
import { waitUntil } from '../support/wait.ts';

let cloud: ServerCloud;
let agents: { agent: ComputeAgent; world: FakeWorld }[] = [];

const resources = { vcpus: 4, memoryMib: 8192, diskGib: 100 };

async function startAgent(host: string, world = new FakeWorld(), records = new MemoryRecords()) {
  const components = { bus: cloud.bus, driver: new FakeDriver({ world }), records, log: silentLog };
  const agent = createComputeAgent(components, { host, resources, heartbeatMs: 100 });
  await agent.start();
  agents.push({ agent, world });
  return { agent, world, records };
}

afterEach(async () => {
  for (const { agent } of agents) await agent.stop();
  agents = [];
  await cloud.stop();
});

it('a server is made, walked through its states and deleted', async () => {
  cloud = new ServerCloud({ hosts: 0 });
  await cloud.start();
  for (const host of ['node-1', 'node-2', 'node-3']) await startAgent(host);
  await waitUntil(() => cloud.records.peekList(RESOURCE_PROVIDER).length === 3);
  const ids = await Promise.all([cloud.create(), cloud.create(), cloud.create()]);
  const servers = await Promise.all(ids.map((id) => cloud.settled(id)));
  expect(servers.map((server) => server.vmState)).toEqual(['active', 'active', 'active']);
  expect(new Set(servers.map((server) => server.owner?.host)).size).toBe(3);
  const walk = [
    ['stop', 'stopped', POWER.SHUTDOWN],
    ['start', 'active', POWER.RUNNING],
    ['pause', 'paused', POWER.PAUSED],
    ['unpause', 'active', POWER.RUNNING],
    ['suspend', 'suspended', POWER.SUSPENDED],
    ['resume', 'active', POWER.RUNNING],
    ['reboot', 'active', POWER.RUNNING],
    ['reboot_hard', 'active', POWER.RUNNING],
  ] as const;
  for (const [request, vmState, powerState] of walk) {
    await cloud.ask(ids[0]!, request);
    expect(await cloud.settled(ids[0]!), request).toMatchObject({ vmState, powerState });
  }
  for (const id of ids) await cloud.ask(id, 'delete');
  await waitUntil(() => ids.every((id) => cloud.server(id).vmState === 'deleted'));
  for (const { agent } of agents) expect(agent.list()).toEqual([]);
});

it('an agent that goes and comes back finds its guest, and the server notices nothing', async () => {
  cloud = new ServerCloud({ hosts: 0 });
  await cloud.start();
  const first = await startAgent('node-1');
  await waitUntil(() => cloud.records.peek(HOST, 'node-1') !== undefined);
  const id = await cloud.create();
  expect((await cloud.settled(id)).vmState).toBe('active');
  await first.agent.stop();
  agents = [];
  const second = await startAgent('node-1', first.world, first.records);
  await waitUntil(() => second.agent.list()[0]?.power === 'running');
  await cloud.ask(id, 'pause');
  expect((await cloud.settled(id)).vmState).toBe('paused');
});
