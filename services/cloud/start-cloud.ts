// The whole cloud in one process: a controller and N nodes over the embedded store and the in-process bus. `make up` runs
// it, and tests use it as a library. Guests are processes of their own and outlive it.

import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { Group, type Log, silentLog, systemClock } from '#base';
import { createInProcessBus } from '#bus';
import { hostResources, type Resources } from '#compute';
import { openEmbeddedStore } from '#store';
import { type Controller, createController } from './controller.ts';
import { loadPasswords, type Passwords } from './credentials.ts';
import { createNode, type Node } from './node.ts';
import type { DriverName } from './options.ts';

export interface CloudInit {
  readonly state: string;
  readonly nodes?: number;
  readonly driver?: DriverName;
  readonly listen?: string;
  readonly port?: number;
  readonly images?: string;
  readonly vxlanPort?: number;
  readonly log?: Log;
}

export interface Cloud {
  readonly url: string;
  readonly passwords: Passwords;
  readonly nodes: readonly Node[];
  /** Stops everything; running guests are saved for the next start when `save` is set, and live on when it is not. */
  stop(options: { save: boolean }): Promise<void>;
}

/** What a fake node offers: enough for thousands of small guests. */
const FAKE_RESOURCES: Resources = { vcpus: 256, memoryMib: 1_048_576, diskGib: 100_000 };

/** Every node's share of this machine. Guests mostly wait, so each node may count all processors. */
async function shareOf(state: string, nodes: number, driver: DriverName): Promise<Resources> {
  if (driver === 'fake') return FAKE_RESOURCES;
  const all = await hostResources(state);
  return {
    vcpus: all.vcpus,
    memoryMib: Math.floor(totalmem() / 2 ** 20 / nodes),
    diskGib: Math.max(1, Math.floor(all.diskGib / nodes)),
  };
}

/** The first three bytes of the nodes' tunnel addresses, on the loopback, so that clouds side by side seldom meet. */
function tunnelBlock(state: string): string {
  const [a = 0, b = 0] = createHash('sha256').update(resolve(state)).digest();
  return `127.${64 + (a % 64)}.${b}`;
}

export async function startCloud(init: CloudInit): Promise<Cloud> {
  const { state, nodes: count = 3, driver = 'emulator', log = silentLog } = init;
  await mkdir(state, { recursive: true, mode: 0o700 });
  const passwords = await loadPasswords(state);
  const images = init.images ?? join(state, 'images');
  const store = await openEmbeddedStore({ folder: join(state, 'store') });
  const bus = createInProcessBus();
  const clock = systemClock;
  const began = clock.now();
  const group = new Group();
  group.add({ start: async () => {}, stop: () => store.close() });
  group.add({ start: async () => {}, stop: () => bus.close() });
  const controller: Controller = group.add(
    createController(
      { store, bus, clock, log: log.child({ part: 'controller' }) },
      { name: 'controller-1', listen: init.listen ?? '127.0.0.1', port: init.port ?? 0, images, passwords },
    ),
  );
  const resources = await shareOf(state, count, driver);
  const tunnels = tunnelBlock(state);
  const nodes: Node[] = [];
  for (let index = 1; index <= count; index += 1) {
    const host = `node-${index}`;
    const node = await createNode(
      { bus, clock, log: log.child({ part: host }) },
      {
        host,
        folder: join(state, host),
        images,
        driver,
        resources,
        address: '127.0.0.1',
        vtep: { address: `${tunnels}.${index}`, port: init.vxlanPort ?? 4789 },
      },
    );
    nodes.push(group.add(node));
  }
  await group.start();
  // A server asked for the moment that we say that the cloud is up must find its hosts.
  await controller.hear(
    nodes.map(({ host }) => host),
    began,
  );
  return {
    url: controller.url,
    passwords,
    nodes,
    async stop({ save }) {
      if (save) await Promise.all(nodes.map((node) => node.stopGuests({ save: true })));
      await group.stop();
    },
  };
}
