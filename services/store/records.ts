// Typed records over the store: a watch-fed index in memory that answers reads, and `transact`, a pure function under
// compare-and-set. Invariants: every read inside a transaction is compared when it commits; a transaction returns when
// the local index has reached its revision; a get that misses asks the store; a list waits for the store's revision.

import type { Kind } from '#model';

export interface Versioned<T> {
  readonly value: T;
  /** The store's revision of the record's last change. */
  readonly revision: number;
}

/** What a transaction function may do. Synchronous: it reads the index alone and may run again after a conflict. */
export interface Tx {
  /** Reads a record; the commit fails and is tried again when it has changed since. */
  get<T>(kind: Kind<T>, id: string): T | undefined;
  /** Reads without comparing: for lists, where a unique key or a counter record guards the decision. */
  peek<T>(kind: Kind<T>, id: string): T | undefined;
  list<T>(kind: Kind<T>, where?: (value: T) => boolean): T[];
  /** Adds a record that must not exist, with its unique keys. */
  create<T>(kind: Kind<T>, value: T): void;
  /** Replaces a record that this transaction has read by `get`; unique keys follow. */
  update<T>(kind: Kind<T>, value: T): void;
  /** Removes a record and its unique keys; nothing happens when it is gone already. */
  delete<T>(kind: Kind<T>, id: string): void;
}

export type RecordChange<T> =
  | { readonly type: 'put'; readonly value: T; readonly revision: number; readonly previous: T | undefined }
  | { readonly type: 'delete'; readonly id: string; readonly revision: number; readonly previous: T };

export interface Records {
  /** From the index; on a miss from the store. */
  get<T>(kind: Kind<T>, id: string): Promise<Versioned<T> | undefined>;
  /** From the index, at once. */
  peek<T>(kind: Kind<T>, id: string): Versioned<T> | undefined;
  /** After the index has reached the store's present revision. */
  list<T>(kind: Kind<T>, where?: (value: T) => boolean): Promise<Versioned<T>[]>;
  /** From the index, at once. */
  peekList<T>(kind: Kind<T>, where?: (value: T) => boolean): Versioned<T>[];
  /**
   * Runs `change` and commits what it did in one transaction; runs it again when a record that it read has changed.
   * Throws CumuletError 'already_exists' (detail: { kind, unique }) when a unique key is taken or a created id exists,
   * 'conflict' after too many tries, 'invalid' above MAX_TXN_OPS, and whatever `change` throws.
   * When `change` writes nothing, nothing is sent.
   */
  transact<R>(change: (tx: Tx) => R): Promise<R>;
  /** Calls back for each record now in the index and for each change from now on, in order. Returns the cancel. */
  watch<T>(kind: Kind<T>, onChange: (change: RecordChange<T>) => void): () => void;
}
