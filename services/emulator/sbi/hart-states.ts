// The hart state machine of SBI's HSM extension (SBI 2.0, chapter 9), shared by all harts, and what each hart is doing
// right now, so that a remote fence can be waited for.
//
//   STOPPED ──hart_start──► START_PENDING ──(its own thread)──► STARTED ──hart_stop──► STOPPED

import type { Arena } from '../board/arena.ts';
import type { HartLines } from '../board/lines.ts';

export const HSM = { STARTED: 0, STOPPED: 1, START_PENDING: 2 } as const;
export type HsmState = (typeof HSM)[keyof typeof HSM];

export interface HartStatesV1 {
  readonly kind: 'hsm';
  readonly version: 1;
  readonly states: readonly number[];
  readonly starts: readonly { pc: string; opaque: string }[];
}

export class HartStates {
  readonly #states: Int32Array<SharedArrayBuffer>;
  /** Odd while the hart executes guest instructions; goes up with each slice. */
  readonly #slices: Int32Array<SharedArrayBuffer>;
  readonly #starts: BigInt64Array<SharedArrayBuffer>;
  readonly #lines: readonly HartLines[];

  constructor(arena: Arena, lines: readonly HartLines[]) {
    this.#lines = lines;
    this.#states = arena.int32(lines.length);
    this.#slices = arena.int32(lines.length);
    this.#starts = arena.bigint64(lines.length * 2);
  }

  get count(): number {
    return this.#lines.length;
  }

  get(hart: number): HsmState {
    return Atomics.load(this.#states, hart) as HsmState;
  }

  /** False: the hart is not stopped. */
  start(hart: number, pc: bigint, opaque: bigint): boolean {
    // Claimed first, so that of two starters one loses; the hart looks at the state alone.
    if (Atomics.compareExchange(this.#states, hart, HSM.STOPPED, -1) !== HSM.STOPPED) return false;
    this.#starts[hart * 2] = BigInt.asIntN(64, pc);
    this.#starts[hart * 2 + 1] = BigInt.asIntN(64, opaque);
    Atomics.store(this.#states, hart, HSM.START_PENDING);
    this.#lines[hart]!.wake();
    return true;
  }

  /** On the hart's own thread: where to begin, if another hart has started it. */
  takeStart(hart: number): { pc: bigint; opaque: bigint } | undefined {
    if (Atomics.load(this.#states, hart) !== HSM.START_PENDING) return undefined;
    Atomics.store(this.#states, hart, HSM.STARTED);
    return { pc: BigInt.asUintN(64, this.#starts[hart * 2]!), opaque: BigInt.asUintN(64, this.#starts[hart * 2 + 1]!) };
  }

  stop(hart: number): void {
    Atomics.store(this.#states, hart, HSM.STOPPED);
  }

  /** All run at once, as M-mode software finds them. */
  startAll(): void {
    this.#states.fill(HSM.STARTED);
  }

  enterSlice(hart: number): void {
    Atomics.add(this.#slices, hart, 1);
  }

  leaveSlice(hart: number): void {
    Atomics.add(this.#slices, hart, 1);
    if (this.#lines.length > 1) Atomics.notify(this.#slices, hart);
  }

  /** Returns when the hart has left the slice that it executes now, if any: it has answered its requests then. */
  waitSliceEnd(hart: number, answered: () => boolean): void {
    const slice = Atomics.load(this.#slices, hart);
    if ((slice & 1) === 0) return;
    while (Atomics.load(this.#slices, hart) === slice && !answered()) Atomics.wait(this.#slices, hart, slice, 0.2);
  }

  reset(): void {
    this.#states.fill(HSM.STOPPED);
    if (this.#lines.length > 0) this.#states[0] = HSM.STARTED;
    this.#slices.fill(0);
  }

  save(): HartStatesV1 {
    return {
      kind: 'hsm',
      version: 1,
      states: [...this.#states],
      starts: this.#lines.map((_, hart) => ({
        pc: hex(this.#starts[hart * 2]!),
        opaque: hex(this.#starts[hart * 2 + 1]!),
      })),
    };
  }

  restore(state: HartStatesV1): void {
    this.#states.set(state.states);
    state.starts.forEach((start, hart) => {
      this.#starts[hart * 2] = BigInt.asIntN(64, BigInt(start.pc));
      this.#starts[hart * 2 + 1] = BigInt.asIntN(64, BigInt(start.opaque));
    });
  }
}

const hex = (value: bigint): string => `0x${BigInt.asUintN(64, value).toString(16)}`;
