// The store's contract, that of etcd v3: one global revision, transactions of compares and puts, watches from a revision,
// leases. Two implementations (etcd, embedded) pass one compliance suite (test/compliance/store.ts).
// Values are opaque bytes. Keys are UTF-8 text compared byte by byte.

/** At most this many compares and operations together in one transaction, as etcd's default. */
export const MAX_TXN_OPS = 128;

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly createRevision: number;
  /** Revision of the last change: what compare-and-set compares. */
  readonly modRevision: number;
  readonly leaseId?: string;
}

export type Compare =
  /** `revision` 0: the key must not exist. */
  { readonly key: string; readonly modRevision: number } | { readonly key: string; readonly exists: true };

export type Op =
  | { readonly put: string; readonly value: Uint8Array; readonly leaseId?: string }
  | { readonly delete: string };

export interface TxnResult {
  /** Whether every compare held. When false nothing was written. */
  readonly succeeded: boolean;
  /** The store's revision after the transaction. */
  readonly revision: number;
}

export type Change =
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly modRevision: number };

export interface WatchBatch {
  /** All changes of one or more whole transactions, in order of revision. May be empty: then it tells the progress. */
  readonly changes: readonly Change[];
  /** All changes under the prefix up to and with this revision have been delivered. */
  readonly revision: number;
}

export interface Watch {
  /** Ends the watch; no batch is delivered after the promise resolves. */
  cancel(): Promise<void>;
}

export interface WatchOptions {
  /** First revision to deliver. */
  readonly from: number;
  onBatch(batch: WatchBatch): void;
  /** The watch is over: `compacted` means that `from` is gone and the watcher must list again. Reconnects are silent. */
  onEnd(reason: 'compacted' | 'closed', error?: unknown): void;
}

export interface Lease {
  readonly id: string;
  /** Resolves when the lease is gone: expired, revoked, or the store was out of reach for longer than its time. */
  readonly lost: Promise<void>;
  revoke(): Promise<void>;
}

export interface Store {
  get(key: string): Promise<Entry | undefined>;
  /** All entries under the prefix in order of key, as of `revision`. */
  list(prefix: string): Promise<{ entries: Entry[]; revision: number }>;
  /** Throws CumuletError 'invalid' beyond MAX_TXN_OPS, 'unavailable' when the store is out of reach. */
  txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult>;
  watch(prefix: string, options: WatchOptions): Promise<Watch>;
  /** A lease kept alive by this process until revoked or closed. Keys put with it vanish with it. `ttl` in seconds. */
  lease(ttl: number): Promise<Lease>;
  /** The store's present revision, linearizable. */
  revision(): Promise<number>;
  close(): Promise<void>;
}
