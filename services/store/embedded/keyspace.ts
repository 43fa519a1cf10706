// The embedded store's state: entries, one global revision, and the changes of recent revisions for watches. Pure.
//
// Writing is in two steps, because a change may be seen only once it is on disk:
//
//   txn ─► Staging.run (decided against what is durable plus what is staged) ─► journal ─► Keyspace.apply
//                                                                                  └─ failed: the staging is dropped
//
// Invariants: revisions have no gaps; `apply` is the only writer; the history holds exactly the revisions after `compacted`.

import type { Change, Compare, Entry, Op } from '../store.ts';

/** All changes of one transaction: they share its revision. */
export interface RevisionChanges {
  readonly revision: number;
  readonly changes: readonly Change[];
}

export class Keyspace {
  readonly #entries = new Map<string, Entry>();
  readonly #keysByLease = new Map<string, Set<string>>();
  #history: RevisionChanges[] = [];
  #revision: number;
  #compacted: number;

  /** `revision` 1 is that of an empty store, as in etcd. History from before the start is gone. */
  constructor(entries: Iterable<Entry> = [], revision = 1) {
    for (const entry of entries) this.#set(entry);
    this.#revision = revision;
    this.#compacted = revision;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Changes of this revision and older can no longer be watched. */
  get compacted(): number {
    return this.#compacted;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  keysOfLease(leaseId: string): Iterable<string> {
    return this.#keysByLease.get(leaseId) ?? [];
  }

  leases(): string[] {
    return [...this.#keysByLease.keys()];
  }

  list(prefix: string): Entry[] {
    const found: Entry[] = [];
    for (const [key, entry] of this.#entries) if (key.startsWith(prefix)) found.push(entry);
    return found.sort((a, b) => compareKeys(a.key, b.key));
  }

  apply(batch: readonly RevisionChanges[]): void {
    for (const step of batch) {
      for (const change of step.changes) {
        if (change.type === 'put') this.#set(change.entry);
        else this.#remove(change.key);
      }
      this.#revision = step.revision;
      this.#history.push(step);
    }
  }

  /** The changes from revision `from` on; undefined when they are compacted. */
  since(from: number): readonly RevisionChanges[] | undefined {
    if (from <= this.#compacted) return undefined;
    return this.#history.slice(from - this.#compacted - 1);
  }

  /** Forgets the history up to and with `revision`. */
  compact(revision: number): void {
    const upTo = Math.min(revision, this.#revision);
    if (upTo <= this.#compacted) return;
    this.#history = this.#history.slice(upTo - this.#compacted);
    this.#compacted = upTo;
  }

  #set(entry: Entry): void {
    this.#detach(entry.key);
    this.#entries.set(entry.key, entry);
    if (entry.leaseId === undefined) return;
    const keys = this.#keysByLease.get(entry.leaseId);
    if (keys) keys.add(entry.key);
    else this.#keysByLease.set(entry.leaseId, new Set([entry.key]));
  }

  #remove(key: string): void {
    this.#detach(key);
    this.#entries.delete(key);
  }

  #detach(key: string): void {
    const leaseId = this.#entries.get(key)?.leaseId;
    if (leaseId === undefined) return;
    const keys = this.#keysByLease.get(leaseId);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysByLease.delete(leaseId);
  }
}

/** Transactions decided but not yet durable. */
export class Staging {
  readonly batch: RevisionChanges[] = [];
  readonly #base: Keyspace;
  readonly #overlay = new Map<string, Entry | undefined>();

  constructor(base: Keyspace) {
    this.#base = base;
  }

  get revision(): number {
    return this.#base.revision + this.batch.length;
  }

  /** Returns whether every compare held. When they did, the operations become the next revision. */
  run(compares: readonly Compare[], ops: readonly Op[]): boolean {
    if (!compares.every((compare) => this.#holds(compare))) return false;
    const revision = this.revision + 1;
    const changes = ops.flatMap((op) => this.#change(op, revision));
    // As in etcd, a transaction that changes nothing takes no revision.
    if (changes.length > 0) this.batch.push({ revision, changes });
    return true;
  }

  /** Deletes all keys of a lease in one revision. */
  expire(leaseId: string): void {
    const keys = new Set(this.#base.keysOfLease(leaseId));
    for (const [key, entry] of this.#overlay) if (entry?.leaseId === leaseId) keys.add(key);
    const ops = [...keys].filter((key) => this.#get(key)?.leaseId === leaseId).map((key) => ({ delete: key }));
    this.run([], ops);
  }

  #get(key: string): Entry | undefined {
    return this.#overlay.has(key) ? this.#overlay.get(key) : this.#base.get(key);
  }

  #holds(compare: Compare): boolean {
    const entry = this.#get(compare.key);
    if ('exists' in compare) return entry !== undefined;
    return (entry?.modRevision ?? 0) === compare.modRevision;
  }

  #change(op: Op, revision: number): Change[] {
    if ('delete' in op) {
      if (this.#get(op.delete) === undefined) return [];
      this.#overlay.set(op.delete, undefined);
      return [{ type: 'delete', key: op.delete, modRevision: revision }];
    }
    const entry: Entry = {
      key: op.put,
      value: op.value,
      createRevision: this.#get(op.put)?.createRevision ?? revision,
      modRevision: revision,
      ...(op.leaseId === undefined ? {} : { leaseId: op.leaseId }),
    };
    this.#overlay.set(op.put, entry);
    return [{ type: 'put', entry }];
  }
}

/** Order of the keys' UTF-8 bytes, which is that of code points; JavaScript's own order differs for surrogate pairs. */
export function compareKeys(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    if (a.charCodeAt(at) !== b.charCodeAt(at)) return (a.codePointAt(at) ?? 0) - (b.codePointAt(at) ?? 0);
  }
  return a.length - b.length;
}
