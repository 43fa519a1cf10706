// The network controller: keeps every host's agent told of what it needs to know, and the ports' status true. It reads
// stored intent alone; any number of controllers may run, and all tell the same.

import { type Clock, type Log, messageOf, type Startable } from '#base';
import { type Bus, type Subscription, topic } from '#bus';
import { networkV1 } from '#gen';
import type { Records } from '#store';
import { HostStates } from './host-states.ts';
import { IntentIndex } from './intent-index.ts';
import { PortStatusWriter } from './port-status.ts';

export interface NetworkControllerComponents {
  readonly records: Records;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
}

/** One of the controllers takes each report and each question. */
const QUEUE = { queue: 'network-controller' } as const;
/** Changes that come within this time are told together. */
const GATHER_MS = 2;

export const createNetworkController = (components: NetworkControllerComponents): Startable =>
  new Controller(components);

class Controller implements Startable {
  readonly #components: NetworkControllerComponents;
  readonly #index = new IntentIndex(() => this.#due());
  readonly #states = new HostStates(this.#index);
  readonly #statuses: PortStatusWriter;
  #subscriptions: Subscription[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(components: NetworkControllerComponents) {
    this.#components = components;
    this.#statuses = new PortStatusWriter(components.records, components.clock);
  }

  async start(): Promise<void> {
    const { bus, records } = this.#components;
    this.#index.start(records);
    this.#publish();
    const codecs = { request: networkV1.stateRequest, response: networkV1.hostState };
    const { controllerState } = networkV1.subjects;
    this.#subscriptions.push(
      await topic.respond(bus, controllerState, codecs, async ({ host }) => this.#stateOf(host), QUEUE),
      await topic.subscribe(
        bus,
        networkV1.subjects.ports('*'),
        networkV1.portsReport,
        (report) => this.#reported(report),
        QUEUE,
      ),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#index.stop();
    for (const subscription of this.#subscriptions.splice(0)) await subscription.unsubscribe();
  }

  /** What is not published yet goes out with the answer, so that nobody is told less than before. */
  #stateOf(host: string): networkV1.HostState {
    this.#publish();
    return this.#states.stateOf(host);
  }

  #due(): void {
    if (!this.#stopped) this.#timer ??= setTimeout(() => this.#publish(), GATHER_MS);
  }

  #publish(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const host of this.#states.refresh()) {
      topic.publish(
        this.#components.bus,
        networkV1.subjects.state(host),
        networkV1.hostState,
        this.#states.stateOf(host),
      );
    }
  }

  #reported(report: networkV1.PortsReport__Output): void {
    this.#statuses.take(report).catch((error: unknown) => {
      // The next report tells it again.
      this.#components.log.warn({ host: report.host, why: messageOf(error) }, 'the status of ports was not written');
    });
  }
}
