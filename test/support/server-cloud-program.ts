// A control plane with three node agents (pretend guests) as a process of its own, on a store in a folder: to be killed.
//   churn <folder>    asks for servers and deletes some of them, for ever; prints a line for each
//   settle <folder>   starts, waits until nothing is under way, prints what is broken as JSON, and ends

import { join } from 'node:path';
import { silentLog } from '#base';
import { type ComputeAgent, createComputeAgent, FakeDriver, FakeWorld, FolderRecords } from '#compute';
import { RESOURCE_PROVIDER, SERVER } from '#model';
import { openEmbeddedStore } from '#store';
import { SAGA } from '#workflow';
import { ServerCloud } from './server-cloud.ts';
import { waitUntil } from './wait.ts';

const [mode, folder] = process.argv.slice(2) as [string, string];
const HOSTS = ['node-1', 'node-2', 'node-3'];
/** Servers at a time: fewer than the hosts can take. */
const LIMIT = 12;
const resources = { vcpus: 4, memoryMib: 4096, diskGib: 100 };

const store = await openEmbeddedStore({ folder: join(folder, 'store') });
const cloud = new ServerCloud({ hosts: 0, store });
await cloud.start();
const agents: ComputeAgent[] = [];
for (const host of HOSTS) {
  const world = new FakeWorld(join(folder, `${host}.json`));
  // Slow enough that a kill falls into the middle.
  const driver = new FakeDriver({ world, script: { delay: () => 15 } });
  const records = new FolderRecords(join(folder, host), silentLog);
  const agent = createComputeAgent(
    { bus: cloud.bus, driver, records, log: silentLog },
    { host, resources, heartbeatMs: 100 },
  );
  await agent.start();
  agents.push(agent);
}
await waitUntil(() => cloud.records.peekList(RESOURCE_PROVIDER).length === HOSTS.length);
process.stdout.write('ready\n');

const living = () => cloud.records.peekList(SERVER, (server) => server.vmState !== 'deleted').map(({ value }) => value);

async function churn(): Promise<never> {
  for (;;) {
    const ids = await Promise.all([cloud.create(), cloud.create()]);
    process.stdout.write(`asked ${ids.join(' ')}\n`);
    const [oldest] = living().filter((server) => server.taskState === null);
    if (oldest !== undefined) await cloud.ask(oldest.id, 'delete');
    while (living().length >= LIMIT) {
      const next = await waitUntil(() => living().find((server) => server.taskState === null));
      await cloud.ask(next!.id, 'delete');
    }
  }
}

async function settle(): Promise<void> {
  const underWay = () => cloud.records.peekList(SAGA, ({ state }) => state === 'running' || state === 'unwinding');
  await waitUntil(() => underWay().length === 0 && living().every((server) => server.taskState === null), 60_000);
  const reported = () => agents.flatMap((agent) => agent.list().map((guest) => ({ host: agent.host, ...guest })));
  const owned = (id: string) => living().find((server) => server.id === id)?.owner;
  // Guests that nobody owns are found by their hosts' next heartbeats.
  await waitUntil(() => reported().every((guest) => owned(guest.instanceId)?.host === guest.host)).catch(() => {});
  const broken = cloud.broken().filter((line) => !line.includes('its guest on'));
  for (const guest of reported()) {
    if (owned(guest.instanceId)?.host !== guest.host)
      broken.push(`guest ${guest.instanceId} on ${guest.host} is nobody's`);
  }
  for (const server of living()) {
    const guests = reported().filter((guest) => guest.instanceId === server.id);
    if (guests.length > 1) broken.push(`server ${server.id} runs ${guests.length} times`);
    if (server.vmState === 'active' && guests.length === 0)
      broken.push(`server ${server.id} is active without a guest`);
  }
  const states = living().map((server) => server.vmState);
  const faults = living().flatMap((server) => server.fault?.message ?? []);
  const deleted = cloud.records.peekList(SERVER).length - states.length;
  process.stdout.write(`${JSON.stringify({ broken, states, deleted, faults })}\n`);
  for (const agent of agents) await agent.stop();
  await cloud.stop();
  process.exit(0);
}

if (mode === 'churn') await churn();
else await settle();
