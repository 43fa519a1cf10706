// The agent's voice on the bus: a heartbeat every few seconds, and each change of an instance at once.

import type { Clock, Startable } from '#base';
import { type Bus, topic } from '#bus';
import { computeV1 } from '#gen';
import { observedTo } from './convert.ts';
import type { Supervisor } from './supervisor.ts';

export interface Resources {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly diskGib: number;
}

export interface HeartbeatInit {
  readonly host: string;
  readonly intervalMs: number;
  readonly hypervisorType: string;
  readonly resources: Resources;
  readonly traits: readonly string[];
  readonly cpuInfo: string;
  readonly hostIp: string;
  /** Asked at each beat: both are known once their servers listen. */
  readonly grpcAddress: () => string;
  readonly vtepAddress: () => string;
}

export class Heartbeat implements Startable {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #supervisor: Supervisor;
  readonly #init: HeartbeatInit;
  readonly #startedAt: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(components: { bus: Bus; clock: Clock; supervisor: Supervisor }, init: HeartbeatInit) {
    this.#bus = components.bus;
    this.#clock = components.clock;
    this.#supervisor = components.supervisor;
    this.#init = init;
    this.#startedAt = this.#clock.now();
    this.#supervisor.onObserved((observation) => {
      if (this.#timer === undefined) return;
      topic.publish(this.#bus, computeV1.subjects.observed(init.host), computeV1.observed, observedTo(observation));
    });
  }

  async start(): Promise<void> {
    this.#timer = setInterval(() => this.beat(), this.#init.intervalMs);
    this.beat();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  beat(): void {
    const init = this.#init;
    const all = this.#supervisor.list();
    const message: computeV1.Heartbeat = {
      host: init.host,
      grpcAddress: init.grpcAddress(),
      hypervisorType: init.hypervisorType,
      resources: init.resources,
      traits: [...init.traits],
      startedAt: this.#startedAt,
      sentAt: this.#clock.now(),
      instances: all.map(observedTo),
      vtepAddress: init.vtepAddress(),
      hostIp: init.hostIp,
      runningVms: all.filter(({ power }) => power === 'running' || power === 'paused').length,
      cpuInfo: init.cpuInfo,
    };
    topic.publish(this.#bus, computeV1.subjects.heartbeat(init.host), computeV1.heartbeat, message);
  }
}
