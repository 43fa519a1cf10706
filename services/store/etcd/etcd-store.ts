// The store over etcd 3.4 or newer. Reads are linearizable and tried again; a transaction is sent once, because a second
// sending could meet its own first one: when its outcome is unknown the caller is told 'unavailable'.

import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd3, type IKeyValue, type IOptions } from 'etcd3';
import { CumuletError } from '#base';
import type { Compare, Entry, Lease, Op, Store, TxnResult, Watch, WatchOptions } from '../store.ts';
import { checkTxn } from '../txn-rules.ts';
import type { EtcdStoreOptions } from './connect.ts';
import { translate, wasNotSent } from './errors.ts';
import { EtcdLease } from './etcd-lease.ts';
import { EtcdWatch } from './etcd-watch.ts';

const CALL_MS = 10_000;
const READ_TRIES = 4;
const PAGE_KEYS = 2000;

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** The client's own retries and circuit breakers are off: they would send writes twice. */
const once = { execute: async (call: (context: unknown) => unknown) => call({}) } as unknown as Policy;

export async function connectToEtcd(options: EtcdStoreOptions): Promise<Store> {
  const client = new Etcd3({
    hosts: [...options.hosts],
    grpcOptions: {
      'grpc.max_receive_message_length': -1,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
    },
    defaultCallOptions: (context) => (context.isStream ? {} : { deadline: Date.now() + CALL_MS }),
    faultHandling: { global: once, host: () => once },
    ...(options.tls
      ? { credentials: { rootCertificate: options.tls.ca, privateKey: options.tls.key, certChain: options.tls.cert } }
      : {}),
    ...(options.username ? { auth: { username: options.username, password: options.password ?? '' } } : {}),
  });
  const store = new EtcdStore(client);
  try {
    await store.revision();
    return store;
  } catch (error) {
    await store.close();
    const message = `The etcd at ${options.hosts.join(', ')} cannot be reached.`;
    throw new CumuletError('unavailable', message, { cause: error });
  }
}

class EtcdStore implements Store {
  readonly #client: Etcd3;
  readonly #watches = new Set<EtcdWatch>();
  readonly #leases = new Set<EtcdLease>();
  #closed: Promise<void> | undefined;

  constructor(client: Etcd3) {
    this.#client = client;
  }

  async get(key: string): Promise<Entry | undefined> {
    const { kvs } = await this.#read(() => this.#client.kv.range({ key: Buffer.from(key) }));
    return kvs[0] && entryOf(kvs[0]);
  }

  async list(prefix: string): Promise<{ entries: Entry[]; revision: number }> {
    const end = endOfPrefix(prefix);
    const entries: Entry[] = [];
    let revision = 0;
    let key = Buffer.from(prefix === '' ? '\0' : prefix);
    for (;;) {
      const from = key;
      const page = await this.#read(() =>
        this.#client.kv.range({ key: from, range_end: end, limit: PAGE_KEYS, ...(revision > 0 ? { revision } : {}) }),
      );
      if (revision === 0) revision = Number(page.header.revision);
      for (const kv of page.kvs) entries.push(entryOf(kv));
      const last = page.kvs.at(-1);
      if (!page.more || last === undefined) return { entries, revision };
      // The next key after the last one.
      key = Buffer.concat([last.key, Buffer.from([0])]);
    }
  }

  async revision(): Promise<number> {
    const answer = await this.#read(() => this.#client.kv.range({ key: Buffer.from('\0'), count_only: true }));
    return Number(answer.header.revision);
  }

  async txn(compares: readonly Compare[], ops: readonly Op[]): Promise<TxnResult> {
    checkTxn(compares, ops);
    const request = { compare: compares.map(compareOf), success: ops.map(operationOf) };
    const answer = await this.#call(() => this.#client.kv.txn(request), READ_TRIES, wasNotSent);
    return { succeeded: answer.succeeded, revision: Number(answer.header.revision) };
  }

  async watch(prefix: string, options: WatchOptions): Promise<Watch> {
    this.#checkOpen();
    const watch = new EtcdWatch(this.#client, prefix, options, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    await watch.start();
    return watch;
  }

  async lease(ttl: number): Promise<Lease> {
    this.#checkOpen();
    if (!(ttl >= 1)) throw new CumuletError('invalid', `A lease lasts at least one second, not ${ttl}.`);
    const granted = await this.#call(() => this.#client.leaseClient.leaseGrant({ TTL: ttl }), READ_TRIES, wasNotSent);
    const lease = new EtcdLease(this.#client, granted.ID, Number(granted.TTL), () => this.#leases.delete(lease));
    this.#leases.add(lease);
    lease.start();
    return lease;
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutDown();
    return this.#closed;
  }

  async #shutDown(): Promise<void> {
    for (const watch of [...this.#watches]) watch.end('closed');
    await Promise.all([...this.#leases].map((lease) => lease.revoke().catch(() => {})));
    this.#client.close();
  }

  #read<T>(call: () => Promise<T>): Promise<T> {
    return this.#call(call, READ_TRIES, () => true);
  }

  async #call<T>(call: () => Promise<T>, tries: number, mayRepeat: (error: unknown) => boolean): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      this.#checkOpen();
      try {
        return await call();
      } catch (error) {
        if (attempt === tries || !mayRepeat(error)) throw translate(error);
        await sleep(50 * 2 ** attempt);
      }
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new CumuletError('unavailable', 'The store is closed.');
  }
}

export function entryOf(kv: IKeyValue): Entry {
  return {
    key: kv.key.toString(),
    value: kv.value,
    createRevision: Number(kv.create_revision),
    modRevision: Number(kv.mod_revision),
    ...(kv.lease === '0' ? {} : { leaseId: kv.lease }),
  };
}

const compareOf = (compare: Compare) => {
  const key = Buffer.from(compare.key);
  return 'exists' in compare
    ? ({ key, target: 'Version', result: 'Greater', version: 0 } as const)
    : ({ key, target: 'Mod', result: 'Equal', mod_revision: compare.modRevision } as const);
};

const operationOf = (op: Op) => {
  if ('delete' in op) return { request_delete_range: { key: Buffer.from(op.delete) } };
  // The caller may use its buffer again at once.
  const put = { key: Buffer.from(op.put), value: Buffer.from(op.value) };
  return { request_put: op.leaseId === undefined ? put : { ...put, lease: op.leaseId } };
};

/** The first key after all keys with the prefix; etcd's `\0` means: no end. */
function endOfPrefix(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end[at] ?? 255;
    if (byte < 255) return Buffer.concat([end.subarray(0, at), Buffer.from([byte + 1])]);
  }
  return Buffer.from([0]);
}
