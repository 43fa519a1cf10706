// The conductor: runs the sagas of servers, hears the hosts, and brings records and guests together. Any number may share
// a store and a bus; each saga has one runner, each heartbeat one hearer.

import { type Clock, Group, type Log, type Startable } from '#base';
import type { Bus } from '#bus';
import type { PowerRequestName } from '#model';
import { POWER_TASKS } from '#model';
import type { Records, Store } from '#store';
import { createSagaRunner, reconcile, type SagaDefinition, type SagaRunnerOptions } from '#workflow';
import { AgentClient } from './agent-client.ts';
import type { ConductorComponents } from './components.ts';
import { answerMetadata } from './metadata-source.ts';
import { HostKeeper, type HostKeeperOptions } from './reconcilers/host-keeper.ts';
import { Observer } from './reconcilers/observer.ts';
import { TaskKeeper } from './reconcilers/task-keeper.ts';
import { serverCreate } from './sagas/server-create.ts';
import { serverDelete } from './sagas/server-delete.ts';
import { serverPower } from './sagas/server-power.ts';
import { serverRebuild } from './sagas/server-rebuild.ts';

export interface ConductorInit {
  readonly records: Records;
  readonly store: Store;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  /** Name of this controller, for people. */
  readonly owner: string;
}

export interface ConductorOptions {
  /** The sagas to run, made from those of servers: others beside them, or (in tests) the same with faults. */
  readonly definitions?: (servers: readonly SagaDefinition<unknown>[]) => readonly SagaDefinition<unknown>[];
  readonly sagas?: SagaRunnerOptions;
  readonly hosts?: HostKeeperOptions;
  /** Milliseconds between two looks for servers that their host has lost, and for tasks without a saga. */
  readonly lookEveryMs?: number;
  readonly purgeEveryMs?: number;
}

/** Every saga that works on servers. */
export function serverSagas(components: ConductorComponents): SagaDefinition<unknown>[] {
  const power = Object.keys(POWER_TASKS).map((request) => serverPower(components, request as PowerRequestName));
  const sagas = [serverCreate(components), serverDelete(components), serverRebuild(components), ...power];
  return sagas as SagaDefinition<unknown>[];
}

export function createConductor(init: ConductorInit, options: ConductorOptions = {}): Startable {
  const { records, store, bus, clock, log, owner } = init;
  const components: ConductorComponents = { records, clock, log, agents: new AgentClient(bus) };
  const observer = new Observer(components);
  const tasks = new TaskKeeper(components);
  const everyMs = options.lookEveryMs ?? 10_000;
  const group = new Group();
  const sagas = serverSagas(components);
  const definitions = options.definitions?.(sagas) ?? sagas;
  group.add(createSagaRunner({ records, store, clock, log, owner }, definitions, options.sagas));
  group.add(new HostKeeper({ ...components, bus }, observer, options.hosts));
  group.add(answerMetadata(records, bus));
  group.add(reconcile({ name: 'lost guests', run: () => observer.findLost(), everyMs, log }));
  group.add(reconcile({ name: 'lost tasks', run: () => tasks.endLostTasks(), everyMs, log }));
  const purgeEveryMs = options.purgeEveryMs ?? 600_000;
  group.add(reconcile({ name: 'purge of deleted servers', run: () => tasks.purge(), everyMs: purgeEveryMs, log }));
  return group;
}
