// The dirty log of a running guest: rounds with its harts, and several who follow it (a migration, incremental saves), each
// of whom gets every page that was written to since its own last look. Calls follow each other, never overlap.

import { CumuletError } from '#base';
import { type DirtyLog, type HartLines, REQUEST } from '#emulator';

export type Follower = 'migration' | 'snapshot';

/** Harts answer within a slice, some 0.2 ms. */
const LOOK_AGAIN_MS = 1;
/** Longer than any slice, on a loaded host too; a debugger may hold a hart for ever. */
const PATIENCE_MS = 10_000;

export class RamLog {
  readonly #log: DirtyLog;
  readonly #lines: readonly HartLines[];
  readonly #executing: () => boolean;
  /** What each has not been told yet. */
  readonly #pending = new Map<Follower, Uint8Array>();

  /** `executing` is false while no hart can store anything: it answers before it goes on. */
  constructor(log: DirtyLog, lines: readonly HartLines[], executing: () => boolean) {
    this.#log = log;
    this.#lines = lines;
    this.#executing = executing;
  }

  get pages(): number {
    return this.#log.pages;
  }

  follows(who: Follower): boolean {
    return this.#pending.has(who);
  }

  /** From here on nothing that is written to is missed. A follower who starts again forgets what was pending. */
  async start(who: Follower): Promise<void> {
    if (this.#pending.size === 0) this.#log.start();
    else await this.#gather();
    this.#pending.set(who, new Uint8Array(Math.ceil(this.#log.pages / 32) * 4));
    await this.#giveUpWrites();
  }

  /** Pages written to since the last call, as a bitmap; what they held then may be read as soon as this resolves. */
  async fetch(who: Follower): Promise<Uint8Array> {
    if (!this.#pending.has(who)) throw new CumuletError('conflict', 'the dirty log is not on: start it first');
    await this.#gather();
    const pages = this.#pending.get(who)!;
    this.#pending.set(who, new Uint8Array(pages.length));
    return pages;
  }

  stop(who: Follower): void {
    this.#pending.delete(who);
    if (this.#pending.size === 0) this.#log.stop();
  }

  note(offset: number, length: number): void {
    this.#log.note(offset, length);
  }

  async #gather(): Promise<void> {
    const taken = this.#log.take();
    for (const pages of this.#pending.values()) {
      for (let i = 0; i < taken.length; i++) pages[i]! |= taken[i]!;
    }
    await this.#giveUpWrites();
  }

  async #giveUpWrites(): Promise<void> {
    for (const lines of this.#lines) lines.request(REQUEST.WRITES);
    const waits = (): boolean => this.#lines.some((lines) => (lines.requests() & REQUEST.WRITES) !== 0);
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#executing() && waits()) {
      if (performance.now() > deadline) throw new CumuletError('conflict', 'a hart stands still and does not answer');
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}
