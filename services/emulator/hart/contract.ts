// The border between a hart and its machine. A hart executes on one thread (a worker, or the caller's thread in tests)
// and touches two memories: `ram`, the guest's RAM and nothing else, shared, where byte 0 is guest physical address
// RAM_BASE; and `state`, shared too, that holds hart registers, TLBs, decoded code, and words that other threads use.
//
// Other threads reach a hart only through its lines (below). What they write to RAM needs no notice: decoded code is
// compared with RAM after each fence.i, which is when RISC-V promises to see it (mmu/fetch.ts).

/** Guest physical address of RAM, as on QEMU's `virt` board. */
export const RAM_BASE = 0x8000_0000;

/** mtime ticks a second, as on QEMU's `virt` board (`timebase-frequency`). */
export const TIMEBASE_HZ = 10_000_000;

/** Bits of the line word: exactly the bits of `mip` (privileged spec, 3.1.9) that hardware drives. */
export const LINE = { SSIP: 1 << 1, MSIP: 1 << 3, STIP: 1 << 5, MTIP: 1 << 7, SEIP: 1 << 9, MEIP: 1 << 11 } as const;

/**
 * Bits of the request word: what another thread asks of a hart; seen at the next slice border.
 * FENCE_I, SFENCE_VMA: a remote fence; WRITES: give up all permission to write (the dirty log starts a new round), and
 * lower the bit afterwards, with a notify on `requests`, so that the round's owner knows; PAUSE: leave run() with 'paused' and stay out until it is cleared.
 */
export const REQUEST = { FENCE_I: 1, SFENCE_VMA: 2, PAUSE: 4, WRITES: 8 } as const;

/** What a hart asks of its machine, on the hart's own thread. Synchronous; addresses are exact integers below 2^53. */
export interface HartBus {
  /** A load of 1, 2, 4 or 8 bytes outside RAM, zero-extended; undefined: nothing there (access fault). */
  load(gpa: number, size: 1 | 2 | 4 | 8): bigint | number | undefined;
  /** False: nothing there (access fault). `value` is zero-extended; a bigint only when size is 8. */
  store(gpa: number, size: 1 | 2 | 4 | 8, value: bigint | number): boolean;
  /** mtime, in ticks of TIMEBASE_HZ. Asked once a slice, and by rdtime. */
  time(): number;
}

export type HartExit =
  | 'budget' // all instructions of the slice were executed
  | 'wfi' // waits for an interrupt: park() or do something else
  | 'ecall' // `firmware: 'sbi'` only: ecall from S-mode; pc still points at it; see HartPort.finishEcall
  | 'stuck' // a whole slice of traps, and not one instruction: the trap handler traps itself
  | 'paused' // REQUEST.PAUSE is set
  | 'breakpoint'; // ebreak while `debug` is on; or a debugger's breakpoint or watchpoint, see HartPort.breaks

/** What a debugger waits for: first and last byte, and the accesses that count. */
export interface WatchedBytes {
  readonly first: bigint;
  readonly last: bigint;
  readonly read: boolean;
  readonly write: boolean;
}

/** Where run() left with 'breakpoint': at the pc, or before an access to a watched address. */
export interface BreakHit {
  readonly pc: bigint;
  readonly watched?: bigint;
}

export interface HartPort {
  readonly id: number;
  /** Executes up to `instructions`; takes pending interrupts; returns early as HartExit says. */
  run(instructions: number): HartExit;
  /** Blocks the thread (Atomics.wait) until a line or request is raised, the timer is due, or `milliseconds` passed. */
  park(milliseconds: number): void;

  /** Carries out what other threads ask (all but PAUSE) without running: for a hart that is stopped. */
  answer(): void;

  pc: bigint;
  /** Integer register 0..31, as unsigned 64 bits. */
  getX(index: number): bigint;
  setX(index: number, value: bigint): void;
  /** The raw bits of a floating-point register. */
  getF(index: number): bigint;
  setF(index: number, value: bigint): void;
  /** Reads and writes as M-mode would; throws CumuletError 'invalid' for a CSR that does not exist. */
  getCsr(csr: number): bigint;
  setCsr(csr: number, value: bigint): void;
  /** 0 U, 1 S, 3 M. */
  privilege: 0 | 1 | 3;

  /** After 'ecall': sets a0 and a1 and steps over the ecall. */
  finishEcall(a0: bigint, a1: bigint): void;
  /** Sstc and SBI set_timer: the supervisor timer fires when time() >= ticks. */
  setStimecmp(ticks: bigint): void;
  /** Instructions retired and other counters, for `stats`. */
  counters(): Readonly<Record<string, number>>;

  /**
   * All breakpoints and watchpoints from now on, by virtual address. False: more than there is room for, and nothing has
   * changed. They outlive reset() and restore().
   */
  setBreaks(breakpoints: readonly bigint[], watched: readonly WatchedBytes[]): boolean;
  /** After 'breakpoint': where. The instruction at the pc has not been executed. */
  breaks(): BreakHit;
  /** run(1) without taking an interrupt first and without waiting in WFI; breakpoints at the pc are passed over. */
  step(): HartExit;

  save(): HartStateV1;
  restore(state: HartStateV1): void;
  /** All registers to their reset values; starts at `pc` in `privilege` with a0 and a1 set. */
  reset(pc: bigint, privilege: 1 | 3, a0: bigint, a1: bigint): void;
}

/** Registers as hex text (`0x...`), so that the state survives JSON. */
export interface HartStateV1 {
  readonly kind: 'hart';
  readonly version: 1;
  readonly pc: string;
  readonly privilege: 0 | 1 | 3;
  readonly x: readonly string[];
  readonly f: readonly string[];
  /** By CSR name, lower case as in the spec. */
  readonly csrs: Readonly<Record<string, string>>;
  readonly waiting: boolean;
}

/** Where the shared words of one hart lie in `state`, in bytes; the layout itself is hart/layout.ts. */
export interface HartWords {
  /** Int32: LINE bits. Raised by Atomics.or and then Atomics.notify on `wake`. */
  readonly lines: number;
  /** Int32: REQUEST bits. */
  readonly requests: number;
  /** Int32: bumped and notified by whoever raises a line or a request: what park() waits on. */
  readonly wake: number;
}
