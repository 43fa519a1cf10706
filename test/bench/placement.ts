// Placements per second, for clouds of several sizes: `node test/bench/placement.ts`. The scheduler alone, and claims
// through a store in memory (choice, allocation, log of the choice; one transaction each).

import { newUuid, silentLog } from '#base';
import { HOST, type Host, inventoriesOf, NOTHING, RESOURCE_PROVIDER, type ResourceProvider, type Server } from '#model';
import { claim, type HostView, type RequestSpec, schedule } from '#scheduler';
import { createRecords, memoryStore } from '#store';

const hostOf = (at: number): Host => ({
  name: `node-${at}`,
  uuid: newUuid(),
  number: at,
  availabilityZone: 'nova',
  state: 'up',
  disabled: null,
  heartbeatAt: 0,
  startedAt: 0,
  createdAt: 0,
  hypervisorType: 'fake',
  resources: { vcpus: 64, memoryMib: 1 << 20, diskGib: 10_000 },
  traits: [],
  grpcAddress: '',
  vtepAddress: '',
  hostIp: '',
  cpuInfo: '',
});

const providerOf = (host: Host): ResourceProvider => ({
  uuid: newUuid(),
  name: host.name,
  generation: 1,
  inventories: inventoriesOf(host.resources),
  used: NOTHING,
  consumers: {},
  traits: [],
  createdAt: 0,
  updatedAt: 0,
});

const spec = (serverId: string): RequestSpec => ({
  serverId,
  projectId: 'p',
  amounts: { VCPU: 1, MEMORY_MB: 512, DISK_GB: 1 },
  availabilityZone: null,
  forcedHost: null,
  imageProperties: {},
  requiredTraits: [],
  forbiddenTraits: [],
  group: null,
  differentHosts: [],
  sameHosts: null,
  refusedHosts: [],
});

const flavor = {
  id: '1',
  name: 'm1.tiny',
  vcpus: 1,
  ramMib: 512,
  diskGib: 1,
  ephemeralGib: 0,
  swapMib: 0,
  extraSpecs: {},
};
const server = (): Server =>
  ({
    id: newUuid(),
    projectId: 'p',
    userId: 'u',
    flavor,
    image: null,
    schedulerHints: {},
    serverGroupId: null,
    availabilityZone: null,
    forcedHost: null,
    refusedHosts: [],
  }) as unknown as Server;

function rate(count: number, began: number): string {
  return `${Math.round((count * 1000) / (performance.now() - began)).toLocaleString('en')}/s`;
}

for (const size of [3, 100, 1000]) {
  const hosts = Array.from({ length: size }, (_, at) => hostOf(at));
  const views = hosts.map((host): HostView => ({ host, provider: providerOf(host), groupMembers: 0 }));
  const choices = Math.round(200_000 / size);
  let began = performance.now();
  for (let at = 0; at < choices; at++) schedule(spec(`s${at}`), views, `s${at}`);
  const decided = rate(choices, began);

  const store = memoryStore();
  const records = createRecords(store, { log: silentLog });
  await records.start();
  for (const host of hosts) {
    await records.transact((tx) => {
      tx.create(HOST, host);
      tx.create(RESOURCE_PROVIDER, providerOf(host));
    });
  }
  const claims = Math.min(2000, Math.round(100_000 / size));
  began = performance.now();
  for (let done = 0; done < claims; done += 16) {
    await Promise.all(Array.from({ length: 16 }, () => records.transact((tx) => claim(tx, server(), 'req-bench', 1))));
  }
  process.stdout.write(`${size} hosts: ${decided} decisions, ${rate(claims, began)} claims by 16 at once\n`);
  await records.stop();
  await store.close();
}
