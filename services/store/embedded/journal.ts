// Where the embedded store writes what must survive. `write` resolves when the batch is on stable storage.
// The SQLite journal lives on a thread of its own (journal-worker.ts): the event loop never waits for an fsync.

import { Worker } from 'node:worker_threads';
import { CumuletError } from '#base';
import type { Entry } from '../store.ts';
import type { RevisionChanges } from './keyspace.ts';

export type StoredEntry = Entry;

export interface JournalOptions {
  readonly file: string;
  /** Refuse to grow beyond this, as etcd's --quota-backend-bytes. */
  readonly quotaBytes?: number;
}

export interface Journal {
  /** All of the batch or nothing of it. Called for one batch at a time. Throws CumuletError 'unavailable'. */
  write(batch: readonly RevisionChanges[]): Promise<void>;
  close(): Promise<void>;
}

export type JournalRequest =
  | { readonly type: 'write'; readonly revision: number; readonly puts: StoredEntry[]; readonly deletes: string[] }
  | { readonly type: 'close' };

export type JournalReply =
  | { readonly type: 'opened'; readonly entries: StoredEntry[]; readonly revision: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly message: string };

/** Keeps nothing: for unit tests. */
export const memoryJournal: Journal = { write: async () => {}, close: async () => {} };

export interface OpenedJournal {
  readonly journal: Journal;
  readonly entries: StoredEntry[];
  readonly revision: number;
}

/** Throws CumuletError 'internal' when the file is damaged: it is left as it is. */
export async function openJournal(options: JournalOptions): Promise<OpenedJournal> {
  const thread = new JournalThread(options);
  const opened = await thread.opened;
  if (opened.type !== 'opened') {
    await thread.stop();
    const why = opened.type === 'failed' ? opened.message : 'no answer';
    throw new CumuletError(
      'internal',
      `The store's file ${options.file} cannot be used: ${why}. Nothing was changed; restore it, or move its folder away to start empty.`,
    );
  }
  return { journal: thread, entries: opened.entries, revision: opened.revision };
}

class JournalThread implements Journal {
  readonly opened: Promise<JournalReply>;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #file: string;
  #answer: (reply: JournalReply) => void = () => {};
  #dead: string | undefined;

  constructor(options: JournalOptions) {
    this.#file = options.file;
    this.#worker = new Worker(new URL('./journal-worker.ts', import.meta.url), { workerData: options });
    this.opened = this.#nextReply();
    this.#worker.on('message', (reply: JournalReply) => this.#answer(reply));
    this.#worker.on('error', (error) => this.#die(error instanceof Error ? error.message : String(error)));
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#die('its thread has ended');
        resolve();
      });
    });
  }

  async write(batch: readonly RevisionChanges[]): Promise<void> {
    const last = new Map<string, StoredEntry | undefined>();
    for (const { changes } of batch) {
      for (const change of changes) {
        if (change.type === 'put') last.set(change.entry.key, change.entry);
        else last.set(change.key, undefined);
      }
    }
    const puts = [...last.values()].filter((entry) => entry !== undefined);
    const deletes = [...last].filter(([, entry]) => entry === undefined).map(([key]) => key);
    await this.#ask({ type: 'write', revision: batch.at(-1)?.revision ?? 0, puts, deletes });
  }

  async close(): Promise<void> {
    if (this.#dead === undefined) await this.#ask({ type: 'close' });
    await this.#exited;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(request: JournalRequest): Promise<void> {
    const reply = this.#dead === undefined ? this.#nextReply() : undefined;
    if (reply !== undefined) this.#worker.postMessage(request);
    const answer = (await reply) ?? { type: 'failed', message: this.#dead ?? '' };
    if (answer.type === 'failed') {
      throw new CumuletError('unavailable', `The store cannot write to ${this.#file}: ${answer.message}.`);
    }
  }

  #nextReply(): Promise<JournalReply> {
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  #die(message: string): void {
    this.#dead ??= message;
    this.#answer({ type: 'failed', message });
  }
}
