// One watch on the keyspace: remembers the next revision to show and reads from the history, so that catching up with
// the past and following the present are the same thing.

import type { WatchOptions } from '../store.ts';
import type { Keyspace } from './keyspace.ts';

export class Watcher {
  readonly #keyspace: Keyspace;
  readonly #prefix: string;
  readonly #options: WatchOptions;
  readonly #onOver: () => void;
  #next: number;
  /** False until the caller of watch() has it in hand: no batch comes before that. */
  #awake = false;
  #over = false;

  constructor(keyspace: Keyspace, prefix: string, options: WatchOptions, onOver: () => void) {
    this.#keyspace = keyspace;
    this.#prefix = prefix;
    this.#options = options;
    this.#onOver = onOver;
    this.#next = options.from;
  }

  wake(): void {
    setImmediate(() => {
      this.#awake = true;
      this.deliver();
    });
  }

  /** Shows what is new. Called after each batch. */
  deliver(): void {
    if (this.#over || !this.#awake || this.#next > this.#keyspace.revision) return;
    const steps = this.#keyspace.since(this.#next);
    if (steps === undefined) {
      this.end('compacted');
      return;
    }
    const revision = this.#keyspace.revision;
    const changes = steps.flatMap((step) => step.changes).filter((change) => this.#concerns(change));
    this.#next = revision + 1;
    try {
      this.#options.onBatch({ changes, revision });
    } catch (error) {
      this.end('closed', error);
    }
  }

  cancel(): void {
    this.#over = true;
    this.#onOver();
  }

  end(reason: 'compacted' | 'closed', error?: unknown): void {
    if (this.#over) return;
    this.cancel();
    this.#options.onEnd(reason, error);
  }

  #concerns(change: { type: 'put'; entry: { key: string } } | { type: 'delete'; key: string }): boolean {
    return (change.type === 'put' ? change.entry.key : change.key).startsWith(this.#prefix);
  }
}
