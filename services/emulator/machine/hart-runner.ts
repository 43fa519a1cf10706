// Runs one hart by slices, on its own thread (services/vmm) or on the caller's (Machine): what the processor does not
// know itself, which is SBI, the HSM state and the CLINT's timer.
//
//   stopped ──start by another hart──► ran ◄──► idle          ran | idle | stopped ──PAUSE──► paused
//                                                                   ran ──a debugger's breakpoint──► breakpoint
//                                       └─► halted (the system ends; nothing runs until a reset)
//
// A hart whose trap handler traps can never execute anything again: interrupts are off in a handler. Real hardware would
// go on so for ever; here the machine ends as a failure, so that a person learns what is wrong.

import type { Board } from '../board/board.ts';
import type { ExitCounts } from '../debug/exits.ts';
import { type HartExit, type HartPort, REQUEST, TIMEBASE_HZ } from '../hart/contract.ts';
import { HSM } from '../sbi/hart-states.ts';
import type { Sbi } from '../sbi/sbi.ts';

export type SliceOutcome = 'ran' | 'idle' | 'stopped' | 'paused' | 'halted' | 'breakpoint';

/** No hart sleeps longer than this without looking around. */
const MAX_IDLE_MS = 10_000;
const TICKS_PER_MS = TIMEBASE_HZ / 1000;
/** Slices without an instruction until a hart is given up. Another hart might mend its memory: it has a while. */
const STUCK_SLICES = 50;

export class HartRunner {
  readonly hart: HartPort;
  readonly #board: Board;
  readonly #sbi: Sbi;
  readonly #exits: ExitCounts | undefined;
  #halted = false;
  #stuckSlices = 0;
  #timerTicks = Number.POSITIVE_INFINITY;

  constructor(hart: HartPort, board: Board, sbi: Sbi, exits?: ExitCounts) {
    this.hart = hart;
    this.#board = board;
    this.#sbi = sbi;
    this.#exits = exits;
  }

  /** After a reset or a restore of the machine. */
  begin(): void {
    this.#halted = false;
    this.#stuckSlices = 0;
  }

  /** One instruction for a debugger, with what SBI and the CLINT have to do with it; no interrupt is taken. */
  stepInstruction(): SliceOutcome {
    return this.#step((hart) => hart.step());
  }

  step(instructions: number): SliceOutcome {
    return this.#step((hart) => hart.run(instructions));
  }

  #step(execute: (hart: HartPort) => HartExit): SliceOutcome {
    const { hart } = this;
    const states = this.#board.hartStates;
    if ((this.#board.lines[hart.id]!.requests() & REQUEST.PAUSE) !== 0) return 'paused';
    this.hart.answer();
    if (this.#halted) return 'halted';
    const start = states.takeStart(hart.id);
    if (start !== undefined) hart.reset(start.pc, 1, BigInt(hart.id), start.opaque);
    if (states.get(hart.id) !== HSM.STARTED) return 'stopped';
    this.#timerTicks = this.#board.clint.poll(hart.id);
    states.enterSlice(hart.id);
    const exit = execute(hart);
    states.leaveSlice(hart.id);
    if (exit !== 'stuck') this.#stuckSlices = 0;
    switch (exit) {
      case 'budget':
        return 'ran';
      case 'breakpoint':
        return 'breakpoint';
      case 'wfi':
        this.#exits?.waited();
        return 'idle';
      case 'paused':
        return 'paused';
      case 'stuck':
        this.#stuckSlices++;
        if (this.#stuckSlices < STUCK_SLICES) return 'ran';
        this.#board.signals.power({ kind: 'stuck', hart: hart.id });
        this.#halted = true;
        return 'halted';
      case 'ecall': {
        this.#exits?.called(low32(hart.getX(17)), low32(hart.getX(16)));
        const outcome = this.#sbi.handle(hart);
        if (outcome === 'continue') return 'ran';
        this.#halted = outcome === 'halted';
        return outcome;
      }
    }
  }

  /** After 'idle': sleeps until there is something to do. */
  park(): void {
    this.hart.park(Math.min(MAX_IDLE_MS, this.#timerTicks / TICKS_PER_MS));
  }

  /** After 'stopped' or 'halted': sleeps until another thread wakes this hart. */
  sleep(): void {
    const lines = this.#board.lines[this.hart.id]!;
    const seen = lines.wakes();
    const states = this.#board.hartStates;
    if (lines.requests() !== 0) return;
    if (!this.#halted && states.get(this.hart.id) !== HSM.STOPPED) return;
    lines.sleep(seen, MAX_IDLE_MS);
  }
}

const low32 = (value: bigint): number => Number(BigInt.asUintN(32, value));
