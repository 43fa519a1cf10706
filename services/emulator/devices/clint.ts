// Core-local interruptor (SiFive CLINT, as on QEMU's `virt`): msip, mtimecmp of each hart, and mtime. Only M-mode
// software uses it; a guest on our SBI sets its timer by SBI or stimecmp. poll() compares, on the hart's own thread.

import type { Arena } from '../board/arena.ts';
import type { GuestClock } from '../board/clock.ts';
import type { HartLines } from '../board/lines.ts';
import { LINE } from '../hart/contract.ts';

const MTIMECMP = 0x4000;
const MTIME = 0xbff8;
const NEVER = -1n;

export interface ClintStateV1 {
  readonly kind: 'clint';
  readonly version: 1;
  readonly mtime: number;
  readonly msip: readonly boolean[];
  /** Hex text: 64 bits do not fit a JSON number. */
  readonly mtimecmp: readonly string[];
}

export class Clint {
  readonly #compare: BigInt64Array;
  readonly #lines: readonly HartLines[];
  readonly #clock: GuestClock;

  constructor(arena: Arena, lines: readonly HartLines[], clock: GuestClock) {
    this.#lines = lines;
    this.#clock = clock;
    this.#compare = arena.bigint64(lines.length);
  }

  /** Drives MTIP of a hart; returns the ticks until it rises, Infinity when it is up or nothing is armed. */
  poll(hart: number): number {
    const compare = this.#compare[hart]!;
    if (compare === NEVER) return Number.POSITIVE_INFINITY;
    const left = Number(BigInt.asUintN(64, compare)) - this.#clock.now();
    this.#lines[hart]!.set(LINE.MTIP, left <= 0);
    return left <= 0 ? Number.POSITIVE_INFINITY : left;
  }

  load(offset: number): bigint | undefined {
    if (offset < MTIMECMP) {
      const lines = this.#lines[offset >> 2];
      return lines === undefined ? 0n : (lines.get() & LINE.MSIP) !== 0 ? 1n : 0n;
    }
    if (offset >= MTIME) return BigInt(this.#clock.now());
    const compare = this.#compare[(offset - MTIMECMP) >> 3];
    return compare === undefined ? 0n : BigInt.asUintN(64, compare);
  }

  store(offset: number, value: bigint): void {
    if (offset < MTIMECMP) {
      this.#lines[offset >> 2]?.set(LINE.MSIP, (value & 1n) !== 0n);
      return;
    }
    if (offset >= MTIME) {
      this.#clock.write(Number(value));
      return;
    }
    const hart = (offset - MTIMECMP) >> 3;
    const lines = this.#lines[hart];
    if (lines === undefined) return;
    this.#compare[hart] = BigInt.asIntN(64, value);
    if (value === BigInt.asUintN(64, NEVER)) lines.set(LINE.MTIP, false);
    this.poll(hart);
    // Another hart may have set it while this one sleeps until an older time.
    lines.wake();
  }

  reset(): void {
    this.#compare.fill(NEVER);
    for (const lines of this.#lines) lines.set(LINE.MSIP | LINE.MTIP, false);
  }

  save(): ClintStateV1 {
    return {
      kind: 'clint',
      version: 1,
      mtime: this.#clock.now(),
      msip: this.#lines.map((lines) => (lines.get() & LINE.MSIP) !== 0),
      mtimecmp: [...this.#compare].map((value) => `0x${BigInt.asUintN(64, value).toString(16)}`),
    };
  }

  restore(state: ClintStateV1): void {
    this.#clock.set(state.mtime);
    state.mtimecmp.forEach((text, hart) => {
      this.#compare[hart] = BigInt.asIntN(64, BigInt(text));
    });
    for (const [hart, up] of state.msip.entries()) this.#lines[hart]!.set(LINE.MSIP, up);
  }
}
