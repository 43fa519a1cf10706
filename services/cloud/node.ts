// A node: the compute agent and the network agent of one host, and what joins them.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, Group, type Log, type Startable } from '#base';
import type { Bus } from '#bus';
import {
  type ComputeAgent,
  createComputeAgent,
  type Driver,
  EmulatorDriver,
  FakeDriver,
  FakeWorld,
  FolderRecords,
  type Resources,
} from '#compute';
import { createNetworkAgent, type NetworkAgent } from '#network';
import type { DriverName } from './options.ts';

export interface NodeComponents {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

export interface NodeInit {
  readonly host: string;
  /** Everything that the node keeps: instances, sockets. */
  readonly folder: string;
  readonly images: string;
  readonly driver: DriverName;
  readonly resources: Resources;
  /** Where this node's peers and the API reach it. */
  readonly address: string;
  /** Where the node's tunnels end. */
  readonly vtep: { readonly address: string; readonly port: number };
}

export interface Node extends Startable {
  readonly host: string;
  /** Saves the guests that run, for the next start, or powers them off. Before stop(). */
  stopGuests(options: { save: boolean }): Promise<void>;
  /** How many guests run. */
  running(): number;
}

export async function createNode(components: NodeComponents, init: NodeInit): Promise<Node> {
  await mkdir(init.folder, { recursive: true, mode: 0o700 });
  const { bus, clock, log } = components;
  const records = new FolderRecords(init.folder, log);
  const network = createNetworkAgent(
    { bus, clock, log },
    { host: init.host, vtep: init.vtep, stateFile: join(init.folder, 'network.json') },
  );
  const compute = createComputeAgent(
    { bus, clock, log, records, network, driver: driverOf(components, init) },
    {
      host: init.host,
      resources: init.resources,
      hostIp: init.address,
      grpc: { address: init.address },
      vtepAddress: () => network.vtepAddress,
    },
  );
  return new ComposedNode(network, compute);
}

function driverOf({ log }: NodeComponents, init: NodeInit): Driver {
  if (init.driver === 'fake') return new FakeDriver({ world: new FakeWorld(join(init.folder, 'fake.json')) });
  return new EmulatorDriver({ log }, { stateFolder: init.folder, imageRoot: init.images });
}

class ComposedNode implements Node {
  readonly #compute: ComputeAgent;
  /** The network first: guests that lived on are plugged in as soon as the compute agent finds them. */
  readonly #parts = new Group();

  constructor(network: NetworkAgent, compute: ComputeAgent) {
    this.#parts.add(network);
    this.#compute = this.#parts.add(compute);
  }

  get host(): string {
    return this.#compute.host;
  }

  start(): Promise<void> {
    return this.#parts.start();
  }

  stopGuests(options: { save: boolean }): Promise<void> {
    return this.#compute.stopAll(options);
  }

  stop(): Promise<void> {
    return this.#parts.stop();
  }

  running(): number {
    return this.#compute.list().filter((each) => each.power === 'running').length;
  }
}
