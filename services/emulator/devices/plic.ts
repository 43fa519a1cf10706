// Platform-level interrupt controller (RISC-V PLIC specification 1.0.0), as on QEMU's `virt`: sources are level
// triggered, contexts are M and S of each hart (2 x hart, 2 x hart + 1), priorities 0 to 7.
//
// A source rises ─► pending ─► claimed (by the context that read claim) ─► complete ─► pending again if still up.
//
// State is shared; claims are answered on the hart's own thread. Invariant, under the lock: the external line of each
// context is up exactly when it has something to claim.

import type { Arena } from '../board/arena.ts';
import type { HartLines } from '../board/lines.ts';
import { Lock } from '../board/lock.ts';
import { PLIC_SOURCES } from '../board/memory-map.ts';
import { LINE } from '../hart/contract.ts';

const WORDS = PLIC_SOURCES / 32;
const MAX_PRIORITY = 7;

// Offsets, PLIC specification chapter 3 to 8.
const PENDING = 0x1000;
const ENABLE = 0x2000;
const ENABLE_STRIDE = 0x80;
const CONTEXT = 0x20_0000;
const CONTEXT_STRIDE = 0x1000;
const CLAIM = 4;

export interface PlicStateV1 {
  readonly kind: 'plic';
  readonly version: 1;
  readonly priority: readonly number[];
  readonly level: readonly number[];
  readonly pending: readonly number[];
  readonly claimed: readonly number[];
  readonly enable: readonly (readonly number[])[];
  readonly threshold: readonly number[];
}

export class Plic {
  readonly #lock: Lock;
  readonly #priority: Int32Array;
  readonly #level: Int32Array;
  readonly #pending: Int32Array;
  readonly #claimed: Int32Array;
  readonly #enable: Int32Array;
  readonly #threshold: Int32Array;
  readonly #lines: readonly HartLines[];
  readonly #contexts: number;

  constructor(arena: Arena, lines: readonly HartLines[]) {
    this.#lines = lines;
    this.#contexts = lines.length * 2;
    this.#lock = new Lock(arena.int32(1));
    this.#priority = arena.int32(PLIC_SOURCES);
    this.#level = arena.int32(WORDS);
    this.#pending = arena.int32(WORDS);
    this.#claimed = arena.int32(WORDS);
    this.#enable = arena.int32(this.#contexts * WORDS);
    this.#threshold = arena.int32(this.#contexts);
  }

  /** A device drives its wire. `level` is asked under the lock, so that a rise and a fall on two threads cannot cross. */
  drive(source: number, level: () => boolean): void {
    this.#lock.acquire();
    const word = source >> 5;
    const bit = 1 << (source & 31);
    const up = level();
    if (up !== ((this.#level[word]! & bit) !== 0)) {
      if (up) {
        this.#level[word]! |= bit;
        if ((this.#claimed[word]! & bit) === 0) this.#pending[word]! |= bit;
      } else {
        this.#level[word]! &= ~bit;
        // Nothing is left to serve: withdrawn, which spares the driver a spurious interrupt.
        this.#pending[word]! &= ~bit;
      }
      this.#update();
    }
    this.#lock.release();
  }

  load(offset: number): number {
    if (offset < PENDING) return offset >> 2 < PLIC_SOURCES ? this.#priority[offset >> 2]! : 0;
    if (offset < ENABLE) return (offset - PENDING) >> 2 < WORDS ? this.#pending[(offset - PENDING) >> 2]! >>> 0 : 0;
    if (offset < CONTEXT) {
      const at = this.#enableIndex(offset);
      return at < 0 ? 0 : this.#enable[at]! >>> 0;
    }
    const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
    if (context >= this.#contexts) return 0;
    const register = offset & (CONTEXT_STRIDE - 1);
    if (register === 0) return this.#threshold[context]!;
    return register === CLAIM ? this.#claim(context) : 0;
  }

  store(offset: number, value: number): void {
    this.#lock.acquire();
    if (offset < PENDING) {
      const source = offset >> 2;
      if (source > 0 && source < PLIC_SOURCES) this.#priority[source] = value & MAX_PRIORITY;
    } else if (offset >= ENABLE && offset < CONTEXT) {
      const at = this.#enableIndex(offset);
      if (at >= 0) this.#enable[at] = value;
    } else if (offset >= CONTEXT) {
      const context = Math.floor((offset - CONTEXT) / CONTEXT_STRIDE);
      const register = offset & (CONTEXT_STRIDE - 1);
      if (context < this.#contexts) {
        if (register === 0) this.#threshold[context] = value & MAX_PRIORITY;
        else if (register === CLAIM) this.#complete(context, value);
      }
    }
    this.#update();
    this.#lock.release();
  }

  reset(): void {
    for (const words of [this.#priority, this.#level, this.#pending, this.#claimed, this.#enable, this.#threshold])
      words.fill(0);
    this.#update();
  }

  save(): PlicStateV1 {
    return {
      kind: 'plic',
      version: 1,
      priority: [...this.#priority],
      level: [...this.#level],
      pending: [...this.#pending],
      claimed: [...this.#claimed],
      enable: Array.from({ length: this.#contexts }, (_, c) => [...this.#enable.subarray(c * WORDS, (c + 1) * WORDS)]),
      threshold: [...this.#threshold],
    };
  }

  restore(state: PlicStateV1): void {
    this.#priority.set(state.priority);
    this.#level.set(state.level);
    this.#pending.set(state.pending);
    this.#claimed.set(state.claimed);
    for (const [context, words] of state.enable.entries()) this.#enable.set(words, context * WORDS);
    this.#threshold.set(state.threshold);
    this.#update();
  }

  #enableIndex(offset: number): number {
    const context = Math.floor((offset - ENABLE) / ENABLE_STRIDE);
    const word = (offset & (ENABLE_STRIDE - 1)) >> 2;
    return context < this.#contexts && word < WORDS ? context * WORDS + word : -1;
  }

  /** Of what is pending and enabled, the highest priority above the threshold; the lowest number wins a tie. 0: none. */
  #best(context: number): number {
    let best = 0;
    let bestPriority = this.#threshold[context]!;
    for (let word = 0; word < WORDS; word++) {
      let bits = this.#pending[word]! & ~this.#claimed[word]! & this.#enable[context * WORDS + word]!;
      while (bits !== 0) {
        const source = (word << 5) + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        if (this.#priority[source]! > bestPriority) {
          best = source;
          bestPriority = this.#priority[source]!;
        }
      }
    }
    return best;
  }

  #claim(context: number): number {
    this.#lock.acquire();
    const source = this.#best(context);
    if (source !== 0) {
      const bit = 1 << (source & 31);
      this.#pending[source >> 5]! &= ~bit;
      this.#claimed[source >> 5]! |= bit;
      this.#update();
    }
    this.#lock.release();
    return source;
  }

  /** Ignored for a source that the context has not enabled (chapter 9). */
  #complete(context: number, source: number): void {
    if (source <= 0 || source >= PLIC_SOURCES) return;
    const word = source >> 5;
    const bit = 1 << (source & 31);
    if ((this.#enable[context * WORDS + word]! & bit) === 0) return;
    this.#claimed[word]! &= ~bit;
    if ((this.#level[word]! & bit) !== 0) this.#pending[word]! |= bit;
  }

  #update(): void {
    for (let context = 0; context < this.#contexts; context++) {
      this.#lines[context >> 1]!.set((context & 1) === 0 ? LINE.MEIP : LINE.SEIP, this.#best(context) !== 0);
    }
  }
}
