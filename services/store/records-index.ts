// The watch-fed copy of all records in memory: by kind and id, and the unique keys that are taken. Changed by batches of
// the store's watch alone, so that it is always the store's state at `revision`. No I/O.

import { messageOf } from '#base';
import { decode, parseKey, ROOT } from './records-keys.ts';
import type { Change, Entry } from './store.ts';

/** A record as it lies in the index; decoded at the first look, and then without its bytes. */
export class IndexedRecord {
  readonly revision: number;
  readonly #key: string;
  #bytes: Uint8Array | undefined;
  #value: unknown;

  constructor(entry: Entry) {
    this.revision = entry.modRevision;
    this.#key = entry.key;
    this.#bytes = entry.value;
  }

  get value(): unknown {
    if (this.#bytes !== undefined) {
      this.#value = decode(this.#key, this.#bytes);
      this.#bytes = undefined;
    }
    return this.#value;
  }
}

export type IndexChange =
  | {
      readonly type: 'put';
      readonly kind: string;
      readonly record: IndexedRecord;
      readonly previous: IndexedRecord | undefined;
    }
  | {
      readonly type: 'delete';
      readonly kind: string;
      readonly id: string;
      readonly revision: number;
      readonly previous: IndexedRecord;
    };

const NONE: ReadonlyMap<string, IndexedRecord> = new Map();

export class RecordsIndex {
  readonly #kinds = new Map<string, Map<string, IndexedRecord>>();
  readonly #uniques = new Map<string, number>();
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get(kind: string, id: string): IndexedRecord | undefined {
    return this.#kinds.get(kind)?.get(id);
  }

  all(kind: string): ReadonlyMap<string, IndexedRecord> {
    return this.#kinds.get(kind) ?? NONE;
  }

  /** The revision of a taken unique key; 0 when it is free. */
  uniqueRevision(key: string): number {
    return this.#uniques.get(key) ?? 0;
  }

  /** Applies a batch of the watch; returns what happened to records, in order. */
  apply(changes: readonly Change[], revision: number): IndexChange[] {
    const happened = changes.flatMap((change) => this.#apply(change) ?? []);
    this.#revision = Math.max(this.#revision, revision);
    return happened;
  }

  /** Becomes a listing of everything, after a watch that fell behind; returns the difference as changes. */
  replace(entries: readonly Entry[], revision: number): IndexChange[] {
    const present = new Set(entries.map((entry) => entry.key));
    const deletes: Change[] = [];
    for (const [kind, records] of this.#kinds) {
      for (const id of records.keys()) {
        const key = `${ROOT}${kind}/${id}`;
        if (!present.has(key)) deletes.push({ type: 'delete', key, modRevision: revision });
      }
    }
    for (const key of this.#uniques.keys()) {
      if (!present.has(key)) deletes.push({ type: 'delete', key, modRevision: revision });
    }
    const puts = entries.map((entry): Change => ({ type: 'put', entry }));
    puts.sort((a, b) => revisionOf(a) - revisionOf(b));
    return this.apply([...deletes, ...puts], revision);
  }

  #apply(change: Change): IndexChange | undefined {
    const key = change.type === 'put' ? change.entry.key : change.key;
    const parsed = parseKey(key);
    if (parsed.type === 'unique') {
      if (change.type === 'put') this.#uniques.set(key, change.entry.modRevision);
      else this.#uniques.delete(key);
    }
    if (parsed.type !== 'record') return undefined;
    const { kind, id } = parsed;
    const previous = this.get(kind, id);
    if (change.type === 'delete') {
      this.#kinds.get(kind)?.delete(id);
      return previous && { type: 'delete', kind, id, revision: change.modRevision, previous };
    }
    if (previous && previous.revision >= change.entry.modRevision) return undefined;
    const record = new IndexedRecord(change.entry);
    const records = this.#kinds.get(kind);
    if (records) records.set(id, record);
    else this.#kinds.set(kind, new Map([[id, record]]));
    return { type: 'put', kind, record, previous };
  }
}

const revisionOf = (change: Change): number => (change.type === 'put' ? change.entry.modRevision : change.modRevision);

/** What a listener's failure is called in the log. */
export const listenerFailure = (kind: string, error: unknown): string =>
  `a watch on ${kind} failed: ${messageOf(error)}`;
