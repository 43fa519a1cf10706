// A node: the compute agent and the network agent of one host, and what joins them.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Log, Startable } from '#base';
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
  const agent = createComputeAgent(
    { bus, clock, log, records, driver: driverOf(components, init) },
    { host: init.host, resources: init.resources, hostIp: init.address, grpc: { address: init.address } },
  );
  return new ComposedNode(agent);
}

function driverOf({ log }: NodeComponents, init: NodeInit): Driver {
  if (init.driver === 'fake') return new FakeDriver({ world: new FakeWorld(join(init.folder, 'fake.json')) });
  return new EmulatorDriver({ log }, { stateFolder: init.folder, imageRoot: init.images });
}

class ComposedNode implements Node {
  readonly #agent: ComputeAgent;

  constructor(agent: ComputeAgent) {
    this.#agent = agent;
  }

  get host(): string {
    return this.#agent.host;
  }

  start(): Promise<void> {
    return this.#agent.start();
  }

  stopGuests(options: { save: boolean }): Promise<void> {
    return this.#agent.stopAll(options);
  }

  stop(): Promise<void> {
    return this.#agent.stop();
  }

  running(): number {
    return this.#agent.list().filter((each) => each.power === 'running').length;
  }
}
