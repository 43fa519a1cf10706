// The node agent's compute side, put together: supervisor, bus commands, heartbeats, gRPC. The composition chooses the
// driver, the network and the numbers.
//
//   bus ──► commands ─┐                ┌──► driver ──► guests
//                     ├──► supervisor ─┤
//   gRPC ─► server ───┘        │       └──► network plug
//                              └──► heartbeat ──► bus

import { statfs } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { type Clock, type Log, type Startable, systemClock } from '#base';
import type { Bus, Subscription } from '#bus';
import { answerCommands } from './commands.ts';
import type { Driver } from './driver.ts';
import { Heartbeat, type Resources } from './heartbeat.ts';
import { type NetworkPlug, noNetwork } from './network-plug.ts';
import type { InstanceRecords } from './records.ts';
import { AgentServer, type AgentServerInit } from './server.ts';
import { type Observation, Supervisor } from './supervisor.ts';

/** How often logs are looked at, and ports that could not be plugged in. */
const TEND_MS = 5000;

export interface ComputeAgentComponents {
  readonly bus: Bus;
  readonly driver: Driver;
  readonly records: InstanceRecords;
  readonly log: Log;
  /** Default: frames go nowhere. */
  readonly network?: NetworkPlug;
  readonly clock?: Clock;
}

export interface ComputeAgentInit {
  /** The node's name: a token of bus subjects. */
  readonly host: string;
  /** What the node offers; see hostResources(). */
  readonly resources: Resources;
  readonly hostIp?: string;
  /** Where the node's VTEP listens, address:port. */
  readonly vtepAddress?: () => string;
  readonly grpc?: Partial<AgentServerInit>;
  /** Default: 2,000. */
  readonly heartbeatMs?: number;
  /** Seconds that a graceful stop takes when nothing else is asked for. Default: 10. */
  readonly stopSeconds?: number;
}

export interface ComputeAgent extends Startable {
  readonly host: string;
  /** host:port of the gRPC service, once started. */
  readonly grpcAddress: string;
  list(): Observation[];
  /**
   * Before stop(), when the cloud ends for good: running guests are saved for the next start, or powered off. Without it
   * stop() leaves them running for the next agent to take over.
   */
  stopAll(options: { save: boolean }): Promise<void>;
}

export function createComputeAgent(components: ComputeAgentComponents, init: ComputeAgentInit): ComputeAgent {
  return new Agent(components, init);
}

/** What this machine has, for a node that has it to itself. */
export async function hostResources(stateFolder: string): Promise<Resources> {
  const disk = await statfs(stateFolder);
  return {
    vcpus: availableParallelism(),
    memoryMib: Math.floor(totalmem() / 2 ** 20),
    diskGib: Math.floor((disk.blocks * disk.bsize) / 2 ** 30),
  };
}

class Agent implements ComputeAgent {
  readonly host: string;
  readonly #bus: Bus;
  readonly #driver: Driver;
  readonly #log: Log;
  readonly #supervisor: Supervisor;
  readonly #server: AgentServer;
  readonly #heartbeat: Heartbeat;
  #subscriptions: Subscription[] = [];
  #tending: NodeJS.Timeout | undefined;

  constructor(components: ComputeAgentComponents, init: ComputeAgentInit) {
    const { bus, driver, records, log } = components;
    const clock = components.clock ?? systemClock;
    const network = components.network ?? noNetwork;
    this.host = init.host;
    this.#bus = bus;
    this.#driver = driver;
    this.#log = log;
    this.#supervisor = new Supervisor(
      { driver, records, network, clock, log },
      { stopSeconds: init.stopSeconds ?? 10, width: 4 },
    );
    this.#server = new AgentServer(
      { supervisor: this.#supervisor, driver, log },
      { address: '127.0.0.1', port: 0, ...init.grpc },
    );
    this.#heartbeat = new Heartbeat(
      { bus, clock, supervisor: this.#supervisor },
      {
        host: init.host,
        intervalMs: init.heartbeatMs ?? 2000,
        hypervisorType: driver.type,
        resources: init.resources,
        traits: driver.traits,
        cpuInfo: JSON.stringify({ arch: 'riscv64', model: 'rv64gc', host: cpus()[0]?.model ?? '' }),
        hostIp: init.hostIp ?? '127.0.0.1',
        grpcAddress: () => this.#server.address,
        vtepAddress: init.vtepAddress ?? (() => ''),
      },
    );
  }

  get grpcAddress(): string {
    return this.#server.address;
  }

  list(): Observation[] {
    return this.#supervisor.list();
  }

  /** Commands are answered only when every guest that was here has been found: a spawn must never double one. */
  async start(): Promise<void> {
    await this.#driver.start();
    await this.#supervisor.recover();
    await this.#server.start();
    this.#subscriptions = await answerCommands(this.#bus, this.host, this.#supervisor);
    await this.#heartbeat.start();
    this.#tending = setInterval(() => {
      this.#tend().catch((error: unknown) => {
        this.#log.warn({ err: error }, 'guests could not be looked after');
      });
    }, TEND_MS);
  }

  async stopAll(options: { save: boolean }): Promise<void> {
    await this.#quieten();
    await this.#supervisor.stopAll(options);
  }

  async stop(): Promise<void> {
    await this.#quieten();
    await this.#supervisor.stop();
    await this.#server.stop();
    await this.#driver.stop();
  }

  async #tend(): Promise<void> {
    await this.#supervisor.replug();
    await this.#driver.tend(this.#supervisor.instances());
  }

  async #quieten(): Promise<void> {
    clearInterval(this.#tending);
    const subscriptions = this.#subscriptions;
    this.#subscriptions = [];
    await this.#heartbeat.stop();
    for (const subscription of subscriptions) await subscription.unsubscribe();
  }
}
