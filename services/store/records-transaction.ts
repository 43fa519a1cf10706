// One try of a transaction: what the change function reads and writes, turned into compares and operations. Pure.
// Every record read by `get` is compared; each new unique key must be free, or be freed by this same transaction.

import { CumuletError } from '#base';
import type { Kind } from '#model';
import type { Tx } from './records.ts';
import type { RecordsIndex } from './records-index.ts';
import { encode, recordKey, uniqueKey, uniquesOf } from './records-keys.ts';
import type { Compare, Op } from './store.ts';

interface Draft {
  readonly kind: Kind<unknown>;
  readonly id: string;
  /** As it is in the index; undefined: it does not exist. */
  before: unknown;
  /** As the transaction leaves it; undefined: deleted or never there. */
  after: unknown;
  /** Created although the index says that it exists: the store decides. */
  clash: boolean;
}

export interface TakenName {
  readonly kind: string;
  readonly id: string;
  /** The unique key as its kind gives it; undefined when the id itself exists. */
  readonly unique: string | undefined;
}

export interface Plan {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
  /** What this transaction wants to create and the index says exists. */
  readonly taken: readonly TakenName[];
}

export class Transaction implements Tx {
  readonly #index: RecordsIndex;
  /** Revision that each record read or written must still have, by key. */
  readonly #reads = new Map<string, number>();
  readonly #drafts = new Map<string, Draft>();

  constructor(index: RecordsIndex) {
    this.#index = index;
  }

  get<T>(kind: Kind<T>, id: string): T | undefined {
    const key = recordKey(kind.name, id);
    this.#reads.set(key, this.#index.get(kind.name, id)?.revision ?? 0);
    return this.peek(kind, id);
  }

  peek<T>(kind: Kind<T>, id: string): T | undefined {
    const draft = this.#drafts.get(recordKey(kind.name, id));
    return (draft ? draft.after : this.#index.get(kind.name, id)?.value) as T | undefined;
  }

  list<T>(kind: Kind<T>, where?: (value: T) => boolean): T[] {
    const found: T[] = [];
    for (const [id, record] of this.#index.all(kind.name)) {
      const draft = this.#drafts.get(recordKey(kind.name, id));
      const value = (draft ? draft.after : record.value) as T | undefined;
      if (value !== undefined && (!where || where(value))) found.push(value);
    }
    for (const draft of this.#drafts.values()) {
      const isNew = draft.kind.name === kind.name && draft.before === undefined && draft.after !== undefined;
      if (isNew && (!where || where(draft.after as T))) found.push(draft.after as T);
    }
    return found;
  }

  create<T>(kind: Kind<T>, value: T): void {
    const draft = this.#draft(kind, kind.id(value));
    if (draft.after !== undefined) {
      if (draft.after !== draft.before) {
        throw new CumuletError('internal', `This transaction has already written the ${kind.name} ${draft.id}.`);
      }
      draft.clash = true;
      draft.before = undefined;
    }
    draft.after = value;
  }

  update<T>(kind: Kind<T>, value: T): void {
    const id = kind.id(value);
    const key = recordKey(kind.name, id);
    if (!this.#reads.has(key) && !this.#drafts.has(key)) {
      throw new CumuletError('internal', `The ${kind.name} ${id} is updated without having been read by get.`);
    }
    if (this.peek(kind, id) === undefined) {
      throw new CumuletError('internal', `The ${kind.name} ${id} is updated and does not exist.`);
    }
    this.#draft(kind, id).after = value;
  }

  delete<T>(kind: Kind<T>, id: string): void {
    if (this.get(kind, id) === undefined) return;
    this.#draft(kind, id).after = undefined;
  }

  get reads(): boolean {
    return this.#reads.size > 0;
  }

  get writes(): boolean {
    return [...this.#drafts.values()].some((draft) => draft.after !== draft.before);
  }

  plan(): Plan {
    const compares = new Map(this.#reads);
    const ops = new Map<string, Op>();
    const taken: TakenName[] = [];
    const uniques = this.#uniqueChanges();
    for (const [key, draft] of this.#drafts) {
      const revision = this.#index.get(draft.kind.name, draft.id)?.revision ?? 0;
      compares.set(key, revision);
      if (draft.after !== undefined) {
        if (draft.clash) {
          compares.set(key, 0);
          taken.push({ kind: draft.kind.name, id: draft.id, unique: undefined });
        }
        ops.set(key, { put: key, value: encode(draft.after) });
      } else if (draft.before !== undefined) {
        ops.set(key, { delete: key });
      }
    }
    for (const [key, change] of uniques) {
      if (change.holder === undefined) {
        ops.set(key, { delete: key });
        continue;
      }
      // Freed by this transaction: its record is compared, so the key is as the index knows it.
      const revision = this.#index.uniqueRevision(key);
      compares.set(key, change.freed ? revision : 0);
      if (revision !== 0 && !change.freed) taken.push(change.holder);
      ops.set(key, { put: key, value: encode(change.holder.id) });
    }
    return {
      compares: [...compares].map(([key, modRevision]) => ({ key, modRevision })),
      ops: [...ops.values()],
      taken,
    };
  }

  #draft<T>(kind: Kind<T>, id: string): Draft {
    const key = recordKey(kind.name, id);
    let draft = this.#drafts.get(key);
    if (!draft) {
      const before = this.#index.get(kind.name, id)?.value;
      draft = { kind: kind as Kind<unknown>, id, before, after: before, clash: false };
      this.#drafts.set(key, draft);
    }
    return draft;
  }

  /** Unique keys that change hands, by key. */
  #uniqueChanges(): Map<string, { freed: boolean; holder: TakenName | undefined }> {
    const changes = new Map<string, { freed: boolean; holder: TakenName | undefined }>();
    for (const { kind, before, after } of this.#drafts.values()) {
      if (before === undefined) continue;
      const kept = new Set(after === undefined ? [] : uniquesOf(kind, after));
      for (const unique of uniquesOf(kind, before)) {
        if (!kept.has(unique)) changes.set(uniqueKey(kind.name, unique), { freed: true, holder: undefined });
      }
    }
    for (const { kind, id, before, after } of this.#drafts.values()) {
      if (after === undefined) continue;
      const held = new Set(before === undefined ? [] : uniquesOf(kind, before));
      for (const unique of uniquesOf(kind, after)) {
        if (held.has(unique)) continue;
        const key = uniqueKey(kind.name, unique);
        const other = changes.get(key);
        if (other?.holder) throw alreadyExists({ kind: kind.name, id, unique });
        changes.set(key, { freed: other?.freed ?? false, holder: { kind: kind.name, id, unique } });
      }
    }
    return changes;
  }
}

export function alreadyExists({ kind, id, unique }: TakenName): CumuletError {
  const what = unique === undefined ? `id ${id}` : unique;
  return new CumuletError('already_exists', `A ${kind} with ${what} already exists.`, { detail: { kind, unique } });
}
