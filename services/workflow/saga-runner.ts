// Runs the sagas of this controller: looks at every saga that is not ended, claims those that nobody has, runs a bounded
// number at a time, and removes those that ended long ago. Any number of runners may share a store.
//
//   saga appears / a claim vanishes / the sweep finds it ─► waits for a slot ─► claim ─┬─ taken: left alone
//                                                                                      └─ ours: run to the end

import { type Clock, type Log, messageOf, type Startable } from '#base';
import type { Records, Store } from '#store';
import { SAGA, type SagaDefinition, type SagaRecord } from './saga.ts';
import { SAGA_CLAIM, SagaClaims } from './saga-claims.ts';
import { isEnded, pauseAfter } from './saga-plan.ts';
import { pauseFor, runSaga } from './saga-run.ts';
import { Slots } from './slots.ts';

export interface SagaRunnerComponents {
  readonly records: Records;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Name of this controller, for people who ask who runs a saga. */
  readonly owner: string;
}

export interface SagaRunnerOptions {
  /** Sagas at a time; the default is 64. One that pauses before another try does not count. */
  readonly limit?: number;
  /** Seconds after which another runner takes over from a dead one; the default is 10. */
  readonly leaseSeconds?: number;
  /** Milliseconds that an ended saga is kept; the default is an hour. */
  readonly keepMs?: number;
  /** Milliseconds between sweeps; the default is 5,000. */
  readonly sweepMs?: number;
  /** Milliseconds before the next try after so many failures. */
  readonly pause?: (failures: number) => number;
}

export function createSagaRunner(
  components: SagaRunnerComponents,
  definitions: readonly SagaDefinition<unknown>[],
  options: SagaRunnerOptions = {},
): Startable {
  return new SagaRunner(components, definitions, options);
}

const HOUR_MS = 3_600_000;
const REMOVED_AT_ONCE = 30;

class SagaRunner implements Startable {
  readonly #components: SagaRunnerComponents;
  readonly #definitions: ReadonlyMap<string, SagaDefinition<unknown>>;
  readonly #options: SagaRunnerOptions;
  readonly #slots: Slots;
  readonly #claims: SagaClaims;
  readonly #stopping = new AbortController();
  /** Sagas that wait for a slot or run here, by id. */
  readonly #active = new Map<string, Promise<void>>();
  readonly #unknown = new Set<string>();
  #cancels: (() => void)[] = [];
  #sweeping: Promise<void> = Promise.resolve();

  constructor(
    components: SagaRunnerComponents,
    definitions: readonly SagaDefinition<unknown>[],
    options: SagaRunnerOptions,
  ) {
    this.#components = components;
    this.#definitions = new Map(definitions.map((definition) => [definition.name, definition]));
    this.#options = options;
    this.#slots = new Slots(options.limit ?? 64);
    this.#claims = new SagaClaims(components, options.leaseSeconds ?? 10);
  }

  async start(): Promise<void> {
    const { records } = this.#components;
    this.#cancels = [
      records.watch(SAGA, (change) => {
        if (change.type === 'put') this.#consider(change.value);
      }),
      records.watch(SAGA_CLAIM, (change) => {
        const saga = change.type === 'delete' ? records.peek(SAGA, change.id) : undefined;
        if (saga) this.#consider(saga.value);
      }),
    ];
    const timer = setInterval(() => this.#sweepSoon(), this.#options.sweepMs ?? 5000);
    this.#cancels.push(() => clearInterval(timer));
    this.#sweepSoon();
  }

  async stop(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    this.#stopping.abort();
    await Promise.all([...this.#active.values(), this.#sweeping]);
    // Other runners take over at once.
    await this.#claims.close();
  }

  #consider(saga: SagaRecord): void {
    if (isEnded(saga) || this.#active.has(saga.id) || this.#stopping.signal.aborted) return;
    if (this.#components.records.peek(SAGA_CLAIM, saga.id)) return;
    const definition = this.#definitions.get(saga.name);
    if (definition === undefined) {
      this.#noteUnknown(saga);
      return;
    }
    const run = this.#run(definition, saga.id)
      .catch((error: unknown) => {
        this.#components.log.error({ err: error, saga: saga.id }, `a saga stands still: ${messageOf(error)}`);
      })
      .finally(() => this.#active.delete(saga.id));
    this.#active.set(saga.id, run);
  }

  async #run(definition: SagaDefinition<unknown>, id: string): Promise<void> {
    const { records, clock, log } = this.#components;
    const stopping = this.#stopping.signal;
    if (!(await this.#slots.take(stopping))) return;
    let inSlot = true;
    try {
      const held = await this.#claims.claim(id);
      if (held === undefined) return;
      const signal = AbortSignal.any([stopping, held.lost]);
      const pause = async (failures: number) => {
        this.#slots.give();
        inSlot = false;
        await pauseFor(this.#options.pause?.(failures) ?? pauseAfter(failures, Math.random()), signal);
        inSlot = await this.#slots.take(signal);
      };
      try {
        await runSaga({ records, clock, log, pause }, definition, held.claim, signal);
      } finally {
        if (!signal.aborted) await this.#claims.release(held.claim);
      }
    } finally {
      if (inSlot) this.#slots.give();
    }
  }

  #noteUnknown(saga: SagaRecord): void {
    if (this.#unknown.has(saga.name)) return;
    this.#unknown.add(saga.name);
    this.#components.log.warn({ saga: saga.id }, `no saga is called ${saga.name} here; another controller may run it`);
  }

  #sweepSoon(): void {
    this.#sweeping = this.#sweeping
      .then(() => this.#sweep())
      .catch((error: unknown) => {
        this.#components.log.warn({ err: error }, `the sweep of the sagas failed: ${messageOf(error)}`);
      });
  }

  /** Finds sagas that no event told of, and removes those that ended long ago. */
  async #sweep(): Promise<void> {
    const { records, clock } = this.#components;
    const oldest = clock.now() - (this.#options.keepMs ?? HOUR_MS) * 1000;
    const old: string[] = [];
    for (const { value } of records.peekList(SAGA)) {
      if (!isEnded(value)) this.#consider(value);
      else if (value.updatedAt < oldest) old.push(value.id);
    }
    while (old.length > 0 && !this.#stopping.signal.aborted) {
      const some = old.splice(0, REMOVED_AT_ONCE);
      await records.transact((tx) => {
        for (const id of some) tx.delete(SAGA, id);
      });
    }
  }
}
