// One watch over etcd, on a stream of its own, opened again from the next revision when it breaks. It asks for the whole
// keyspace and picks what lies under its prefix: so every revision arrives, and the watcher knows how far it has come
// without etcd's progress messages (which before 3.4.25 could run ahead of the events).

import { setTimeout as sleep } from 'node:timers/promises';
import type { Etcd3 } from 'etcd3';
import type { Change, Watch, WatchOptions } from '../store.ts';
import { translate } from './errors.ts';
import { entryOf } from './etcd-store.ts';

type Stream = Awaited<ReturnType<Etcd3['watchClient']['watch']>>;

/** What of etcd's answer is used. */
interface Answer {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly events: readonly { readonly type: 'Put' | 'Delete' | number; readonly kv: Parameters<typeof entryOf>[0] }[];
}

const EVERYTHING = Buffer.from([0]);
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2000;

export class EtcdWatch implements Watch {
  readonly #client: Etcd3;
  readonly #prefix: string;
  readonly #options: WatchOptions;
  readonly #onOver: () => void;
  readonly #over = new AbortController();
  #next: number;
  #stream: Stream | undefined;
  #pause = FIRST_PAUSE_MS;

  constructor(client: Etcd3, prefix: string, options: WatchOptions, onOver: () => void) {
    this.#client = client;
    this.#prefix = prefix;
    this.#options = options;
    this.#onOver = onOver;
    this.#next = options.from;
  }

  /** Resolves when etcd has accepted the watch, or has said that it is compacted. */
  async start(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      await this.cancel();
      throw translate(error);
    }
  }

  async cancel(): Promise<void> {
    this.#over.abort();
    this.#onOver();
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  end(reason: 'compacted' | 'closed', error?: unknown): void {
    if (this.#over.signal.aborted) return;
    void this.cancel();
    this.#options.onEnd(reason, error);
  }

  async #open(): Promise<void> {
    const stream = await this.#client.watchClient.watch();
    if (this.#over.signal.aborted) {
      stream.cancel();
      return;
    }
    this.#stream = stream;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stream.on('data', (answer: unknown) => {
      resolve();
      if (this.#stream === stream) this.#take(answer as Answer);
    });
    const broken = (error?: unknown) => {
      reject(error ?? new Error('the stream ended'));
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      void this.#reopen();
    };
    stream.on('error', broken);
    stream.on('end', () => broken());
    stream.write({ create_request: { key: EVERYTHING, range_end: EVERYTHING, start_revision: this.#next } });
    await promise;
  }

  async #reopen(): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted && this.#stream === undefined) {
      await sleep(this.#pause, undefined, { signal }).catch(() => {});
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
      if (signal.aborted) return;
      // A stream that breaks after it was opened comes here by its own event.
      await this.#open().catch(() => {});
    }
  }

  #take(answer: Answer): void {
    if (answer.canceled) {
      if (Number(answer.compact_revision) > 0) this.end('compacted');
      else this.#stream?.cancel();
      return;
    }
    this.#pause = FIRST_PAUSE_MS;
    const last = answer.events.at(-1);
    if (last === undefined) return;
    const revision = Number(last.kv.mod_revision);
    const changes = answer.events.map(changeOf).filter((change) => keyOf(change).startsWith(this.#prefix));
    this.#next = revision + 1;
    try {
      this.#options.onBatch({ changes, revision });
    } catch (error) {
      this.end('closed', error);
    }
  }
}

function changeOf(event: Answer['events'][number]): Change {
  const entry = entryOf(event.kv);
  if (event.type === 'Put' || event.type === 0) return { type: 'put', entry };
  return { type: 'delete', key: entry.key, modRevision: entry.modRevision };
}

const keyOf = (change: Change): string => (change.type === 'put' ? change.entry.key : change.key);
