// The store inside one process: etcd's semantics without etcd. The state is a keyspace in memory; transactions are
// decided in the order of their arrival, written as one batch while the next gathers (group commit), and applied,
// answered and shown to watches once the batch is on stable storage. Memory never runs ahead of the disk.
//
// Leases belong to this process, so only revoke, close or the process's death ends them: an event loop that stood still
// or a laptop that slept expires nobody. A dead process's keys are removed at the next open.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CumuletError, newUuid } from '#base';
import type { Compare, Entry, Lease, Op, Store, TxnResult, Watch, WatchOptions } from '../store.ts';
import { checkTxn } from '../txn-rules.ts';
import { type FolderLock, lockFolder } from './folder-lock.ts';
import { type Journal, memoryJournal, openJournal } from './journal.ts';
import { Keyspace, Staging } from './keyspace.ts';
import { Watcher } from './watcher.ts';

export interface EmbeddedStoreOptions {
  /** Made when it does not exist. */
  readonly folder: string;
  /** Refuse to grow beyond this. */
  readonly quotaBytes?: number;
  /** Revisions that a watch may start behind the present; the default is 10,000. */
  readonly history?: number;
}

export interface EmbeddedStore extends Store {
  /** Forgets the history up to and with `revision`, as etcd's compaction. */
  compact(revision: number): void;
  /** Ends a lease as if its holder had died: for tests of take-over. */
  expire(leaseId: string): Promise<void>;
}

/** Throws CumuletError 'conflict' when another process has the folder, 'internal' when its file is damaged. */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<EmbeddedStore> {
  mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  const lock = lockFolder(options.folder);
  try {
    const opened = await openJournal({ file: join(options.folder, 'store.db'), quotaBytes: options.quotaBytes });
    const store = new Embedded(new Keyspace(opened.entries, opened.revision), opened.journal, options.history, lock);
    await store.endForeignLeases();
    return store;
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** The same store without a disk: for unit tests. */
export function memoryStore(options: { history?: number } = {}): EmbeddedStore {
  return new Embedded(new Keyspace(), memoryJournal, options.history);
}

const DEFAULT_HISTORY = 10_000;
/** Keeps one batch's transaction on disk short. */
const MAX_BATCH = 512;

interface Task {
  decide(staging: Staging): TxnResult;
  resolve(result: TxnResult): void;
  reject(error: unknown): void;
}

class Embedded implements EmbeddedStore {
  readonly #keyspace: Keyspace;
  readonly #journal: Journal;
  readonly #history: number;
  readonly #lock: FolderLock | undefined;
  readonly #watchers = new Set<Watcher>();
  readonly #leases = new Map<string, () => void>();
  #queue: Task[] = [];
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(keyspace: Keyspace, journal: Journal, history = DEFAULT_HISTORY, lock?: FolderLock) {
    this.#keyspace = keyspace;
    this.#journal = journal;
    this.#history = history;
    this.#lock = lock;
  }

  async get(key: string): Promise<Entry | undefined> {
    this.#checkOpen();
    return this.#keyspace.get(key);
  }

  async list(prefix: string): Promise<{ entries: Entry[]; revision: number }> {
    this.#checkOpen();
    return { entries: this.#keyspace.list(prefix), revision: this.#keyspace.revision };
  }

  async revision(): Promise<number> {
    this.#checkOpen();
    return this.#keyspace.revision;
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult> {
    this.#checkOpen();
    checkTxn(compares, ops);
    // The caller may use its buffers again at once.
    const owned = ops.map((op) => ('put' in op ? { ...op, value: Uint8Array.from(op.value) } : op));
    return this.#submit((staging) => {
      for (const op of owned) if ('put' in op && op.leaseId !== undefined) this.#checkLease(op.leaseId);
      const succeeded = staging.run(compares, owned);
      return { succeeded, revision: staging.revision };
    });
  }

  async watch(prefix: string, options: WatchOptions): Promise<Watch> {
    this.#checkOpen();
    const watcher = new Watcher(this.#keyspace, prefix, options, () => this.#watchers.delete(watcher));
    this.#watchers.add(watcher);
    watcher.wake();
    return { cancel: async () => watcher.cancel() };
  }

  async lease(ttl: number): Promise<Lease> {
    this.#checkOpen();
    if (!(ttl >= 1)) throw new CumuletError('invalid', `A lease lasts at least one second, not ${ttl}.`);
    const id = newUuid();
    const lost = new Promise<void>((resolve) => this.#leases.set(id, resolve));
    return { id, lost, revoke: () => this.expire(id) };
  }

  async expire(leaseId: string): Promise<void> {
    const notify = this.#leases.get(leaseId);
    if (notify === undefined) return;
    // Taken out first: no transaction decided from now on may attach another key to it.
    this.#leases.delete(leaseId);
    try {
      await this.#removeKeysOf([leaseId]);
    } finally {
      notify();
    }
  }

  compact(revision: number): void {
    this.#keyspace.compact(revision);
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  /** Removes the keys of leases that nobody holds: their process is gone, as it no longer holds the folder. */
  async endForeignLeases(): Promise<void> {
    const foreign = this.#keyspace.leases().filter((id) => !this.#leases.has(id));
    if (foreign.length > 0) await this.#removeKeysOf(foreign);
  }

  async #shutDown(): Promise<void> {
    const leases = [...this.#leases.keys()];
    const ends = leases.map((id) => this.expire(id).catch(() => {}));
    await Promise.all(ends);
    while (this.#writing) await this.#writing;
    for (const watcher of [...this.#watchers]) watcher.end('closed');
    await this.#journal.close().finally(() => this.#lock?.release());
  }

  async #removeKeysOf(leases: readonly string[]): Promise<void> {
    await this.#submit((staging) => {
      for (const id of leases) staging.expire(id);
      return { succeeded: true, revision: staging.revision };
    });
  }

  #submit(decide: Task['decide']): Promise<TxnResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ decide, resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // What arrives in the same turn of the event loop shares a batch.
    await Promise.resolve();
    while (this.#queue.length > 0) await this.#writeBatch(this.#queue.splice(0, MAX_BATCH));
    this.#writing = undefined;
  }

  async #writeBatch(tasks: readonly Task[]): Promise<void> {
    const staging = new Staging(this.#keyspace);
    const answers: (() => void)[] = [];
    try {
      for (const task of tasks) answers.push(decideTask(task, staging));
      if (staging.batch.length > 0) {
        await this.#journal.write(staging.batch);
        this.#keyspace.apply(staging.batch);
        this.#keyspace.compact(this.#keyspace.revision - this.#history);
        for (const watcher of [...this.#watchers]) watcher.deliver();
      }
    } catch (error) {
      // Nothing of the batch was written; its decisions stood on each other, so all of it fails.
      for (const task of tasks) task.reject(error);
      return;
    }
    for (const answer of answers) answer();
  }

  #checkLease(id: string): void {
    if (!this.#leases.has(id)) throw new CumuletError('not_found', 'The lease of this write is gone.');
  }

  #checkOpen(): void {
    if (this.#closed) throw new CumuletError('unavailable', 'The store is closed.');
  }
}

/** A task that is refused (a lost lease) stages nothing and harms no other. */
function decideTask(task: Task, staging: Staging): () => void {
  try {
    const result = task.decide(staging);
    return () => task.resolve(result);
  } catch (error) {
    return () => task.reject(error);
  }
}
