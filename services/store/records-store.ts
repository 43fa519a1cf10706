// Records over a store: the index fed by one watch on /v1/, and transactions as optimistic tries. Owns the watch, the
// waits for a revision, and the callbacks of those who watch a kind.
//
//   transact ─► change(tx) on the index ─► store.txn ─┬─ held: wait for the index to reach its revision, return
//        ▲                                            └─ lost: wait for the index to catch up ─┐
//        └───────────────────────────── in the lane of the contested key ─────────────────────┘
//
// No refusal rests on the past: what `change` throws, names that seem taken and a decision to write nothing are believed
// only after the index has been as new as the store at some moment of the call.

import { setTimeout as sleep } from 'node:timers/promises';
import { CumuletError, createLog, type Log, messageOf, type Startable } from '#base';
import type { Kind } from '#model';
import type { RecordChange, Records, Tx, Versioned } from './records.ts';
import { type IndexChange, listenerFailure, RecordsIndex } from './records-index.ts';
import { decode, parseKey, ROOT, recordKey } from './records-keys.ts';
import { Lanes } from './records-lanes.ts';
import { alreadyExists, type Plan, Transaction } from './records-transaction.ts';
import type { Store, Watch, WatchBatch } from './store.ts';

export interface RecordsOptions {
  readonly log?: Log;
  /** Milliseconds that a reader waits for the index to reach the store's revision; the default is 10,000. */
  readonly patience?: number;
}

const MAX_TRIES = 100;
const MAX_PAUSE_MS = 50;

export function createRecords(store: Store, options: RecordsOptions = {}): Records & Startable {
  return new StoreRecords(store, options);
}

type Listener = (change: RecordChange<unknown>) => void;

class StoreRecords implements Records, Startable {
  readonly #store: Store;
  readonly #log: Log;
  readonly #patience: number;
  readonly #lanes = new Lanes();
  /** By kind; with the index's revision when each came, so that none is told again what it has been told. */
  readonly #listeners = new Map<string, Map<Listener, number>>();
  #index = new RecordsIndex();
  #waiters: { revision: number; resolve: () => void }[] = [];
  #watch: Watch | undefined;
  #stopping: AbortController | undefined;
  #asking: Promise<void> | undefined;
  #nextAsking: Promise<void> | undefined;

  constructor(store: Store, options: RecordsOptions) {
    this.#store = store;
    this.#log = options.log ?? createLog('records');
    this.#patience = options.patience ?? 10_000;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    await this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping?.abort();
    await this.#watch?.cancel();
    this.#watch = undefined;
  }

  async get<T>(kind: Kind<T>, id: string): Promise<Versioned<T> | undefined> {
    const known = this.peek(kind, id);
    if (known !== undefined) return known;
    const key = recordKey(kind.name, id);
    const entry = await this.#store.get(key);
    if (entry === undefined) return undefined;
    await this.#reach(entry.modRevision);
    return this.peek(kind, id) ?? { value: decode(key, entry.value) as T, revision: entry.modRevision };
  }

  peek<T>(kind: Kind<T>, id: string): Versioned<T> | undefined {
    const record = this.#index.get(kind.name, id);
    return record && { value: record.value as T, revision: record.revision };
  }

  async list<T>(kind: Kind<T>, where?: (value: T) => boolean): Promise<Versioned<T>[]> {
    await this.#sync();
    return this.peekList(kind, where);
  }

  peekList<T>(kind: Kind<T>, where?: (value: T) => boolean): Versioned<T>[] {
    const found: Versioned<T>[] = [];
    for (const record of this.#index.all(kind.name).values()) {
      const value = record.value as T;
      if (!where || where(value)) found.push({ value, revision: record.revision });
    }
    return found;
  }

  async transact<R>(change: (tx: Tx) => R): Promise<R> {
    let leave: (() => void) | undefined;
    let isFresh = false;
    try {
      for (let tries = 1; tries <= MAX_TRIES; tries++) {
        const tx = new Transaction(this.#index);
        let result: R;
        try {
          result = change(tx);
        } catch (error) {
          if (isFresh) throw error;
          await this.#sync();
          isFresh = true;
          continue;
        }
        if (result instanceof Promise)
          throw new CumuletError('internal', 'A transaction function may not be asynchronous.');
        if (!tx.writes) {
          if (isFresh || !tx.reads) return result;
          await this.#sync();
          isFresh = true;
          continue;
        }
        const plan = tx.plan();
        if (isFresh && plan.taken[0]) throw alreadyExists(plan.taken[0]);
        const busy = leave ? undefined : this.#lanes.busy(keysOf(plan));
        if (busy !== undefined) {
          leave = await this.#lanes.enter(busy);
          continue;
        }
        const outcome = await this.#store.txn(plan.compares, plan.ops);
        if (outcome.succeeded) {
          await this.#reachAfterWrite(outcome.revision);
          return result;
        }
        await this.#reach(outcome.revision);
        isFresh = true;
        if (!leave) leave = await this.#lanes.enter(this.#contested(plan));
        else await sleep(Math.random() * Math.min(2 ** tries, MAX_PAUSE_MS));
      }
    } finally {
      leave?.();
    }
    throw new CumuletError('conflict', 'Too many others are changing the same thing. Try again.');
  }

  watch<T>(kind: Kind<T>, onChange: (change: RecordChange<T>) => void): () => void {
    const listener = onChange as Listener;
    let listeners = this.#listeners.get(kind.name);
    if (!listeners) {
      listeners = new Map();
      this.#listeners.set(kind.name, listeners);
    }
    for (const record of this.#index.all(kind.name).values()) {
      this.#tell(kind.name, listener, {
        type: 'put',
        value: record.value,
        revision: record.revision,
        previous: undefined,
      });
    }
    listeners.set(listener, this.#index.revision);
    return () => listeners.delete(listener);
  }

  /** Lists everything and watches from there. */
  async #follow(): Promise<void> {
    const { entries, revision } = await this.#store.list(ROOT);
    this.#publish(this.#index.replace(entries, revision));
    this.#watch = await this.#store.watch(ROOT, {
      from: revision + 1,
      onBatch: (batch) => this.#onBatch(batch),
      onEnd: (reason, error) => void this.#followAgain(reason, error),
    });
  }

  async #followAgain(reason: string, error: unknown): Promise<void> {
    this.#watch = undefined;
    const signal = this.#stopping?.signal;
    for (let pause = 10; signal?.aborted === false; pause = Math.min(pause * 2, 2000)) {
      this.#log.info(
        { reason, error: error && messageOf(error) },
        'the watch on the records ended; listing them again',
      );
      try {
        await this.#follow();
        return;
      } catch (failure) {
        error = failure;
        await sleep(pause, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  #onBatch(batch: WatchBatch): void {
    this.#publish(this.#index.apply(batch.changes, batch.revision));
  }

  /** Tells the listeners, then those who wait for a revision. */
  #publish(changes: readonly IndexChange[]): void {
    for (const change of changes) {
      const listeners = this.#listeners.get(change.kind);
      if (!listeners) continue;
      const told = publicChange(change);
      for (const [listener, since] of [...listeners]) {
        if (told.revision > since) this.#tell(change.kind, listener, told);
      }
    }
    const reached = this.#waiters.filter((waiter) => waiter.revision <= this.#index.revision);
    if (reached.length === 0) return;
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > this.#index.revision);
    for (const waiter of reached) waiter.resolve();
  }

  #tell(kind: string, listener: Listener, change: RecordChange<unknown>): void {
    try {
      listener(change);
    } catch (error) {
      this.#log.error({ err: error }, listenerFailure(kind, error));
    }
  }

  /** Waits until the index is as new as the store was when this was called; all who wait share one question. */
  #sync(): Promise<void> {
    this.#nextAsking ??= this.#ask(this.#asking);
    return this.#nextAsking;
  }

  /** A question under way was asked before its newest callers came: they share the one after it. */
  async #ask(before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {});
    this.#asking = this.#nextAsking;
    this.#nextAsking = undefined;
    await this.#reach(await this.#store.revision());
  }

  async #reach(revision: number): Promise<void> {
    if (this.#index.revision >= revision) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter = { revision, resolve };
    this.#waiters.push(waiter);
    const timer = new AbortController();
    const late = sleep(this.#patience, 'late', { signal: timer.signal, ref: false }).catch(() => 'reached');
    if ((await Promise.race([promise, late])) === 'late') {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      throw new CumuletError('unavailable', 'The store does not report its changes. Try again.');
    }
    timer.abort();
  }

  /** The write has happened: a late index is no reason to say otherwise. */
  async #reachAfterWrite(revision: number): Promise<void> {
    await this.#reach(revision).catch((error: unknown) => this.#log.warn({ revision }, messageOf(error)));
  }

  /** Of a plan that lost, the first key that has changed. */
  #contested(plan: Plan): string {
    const changed = plan.compares.find(
      (compare) => 'modRevision' in compare && this.#revisionOf(compare.key) !== compare.modRevision,
    );
    return (changed ?? plan.compares[0])?.key ?? ROOT;
  }

  #revisionOf(key: string): number {
    const parsed = parseKey(key);
    if (parsed.type === 'record') return this.#index.get(parsed.kind, parsed.id)?.revision ?? 0;
    return this.#index.uniqueRevision(key);
  }
}

const keysOf = (plan: Plan): string[] => plan.compares.map((compare) => compare.key);

function publicChange(change: IndexChange): RecordChange<unknown> {
  const previous = change.previous?.value;
  if (change.type === 'put') {
    return { type: 'put', value: change.record.value, revision: change.record.revision, previous };
  }
  return { type: 'delete', id: change.id, revision: change.revision, previous };
}
