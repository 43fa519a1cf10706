// A hart: the generated interpreter on one thread, and what it asks of JavaScript. HartPort (contract.ts) is its face;
// the words that it shares with other threads are in layout.ts.

import { CumuletError } from '#base';
import { lookAtTlb, type TlbLook } from '../debug/tlb.ts';
import { Translator } from '../jit/translator.ts';
import { CAUSE_WATCHPOINT, WATCH } from './break.ts';
import {
  type BreakHit,
  type HartBus,
  type HartExit,
  type HartPort,
  type HartStateV1,
  LINE,
  REQUEST,
  TIMEBASE_HZ,
  type WatchedBytes,
} from './contract.ts';
import { accessCsr, type CsrContext, csrByNumber, SAVED_CSRS, SHOWN_CSRS, updatePmp } from './csr.ts';
import { ENVCFG } from './envcfg.ts';
import { compileInterpreter, type InterpreterExports } from './interpreter.ts';
import {
  BREAKPOINT_LIMIT,
  BREAKPOINTS,
  LINES,
  REGION_LIMIT,
  REQUESTS,
  TRAP_KINDS,
  W,
  WAKE,
  WATCHPOINT_LIMIT,
  WATCHPOINT_SIZE,
  WATCHPOINTS,
} from './layout.ts';
import { HartRegion, MASK64 } from './region.ts';
import { CAUSE, EXIT } from './runtime.ts';

export interface HartOptions {
  readonly id: number;
  /** Guest RAM: newRamMemory, or any shared memory that holds nothing else. */
  readonly ram: WebAssembly.Memory;
  /** newStateMemory: shared by all harts of the machine. */
  readonly state: WebAssembly.Memory;
  readonly bus: HartBus;
  /** sbi: ecall from S-mode leaves run(). none: it traps to M-mode, where firmware of the guest answers. */
  readonly firmware: 'sbi' | 'none';
  /** From compileInterpreter: one for all harts. */
  readonly module?: WebAssembly.Module;
  /** Hot code is translated to WebAssembly (jit/). Off unless told. */
  readonly translate?: boolean;
  /** Visits until a place counts as hot, for tests. */
  readonly hotThreshold?: number;
  /** ebreak leaves run() with 'breakpoint'. */
  readonly debug?: boolean;
}

/**
 * Instructions between two looks at interrupts, requests and the clock. The number follows the speed of the code that
 * runs, so that a slice takes some 100 us: much more than the look, and little to wait.
 */
const SLICE = 20_000;
const LONGEST_SLICE = 320_000;
const SHORT_TICKS = 60e-6 * TIMEBASE_HZ;
const LONG_TICKS = 200e-6 * TIMEBASE_HZ;
/** Visits until code is worth translating. */
const HOT_THRESHOLD = 4000;
/** A guest that has just started executes much code a few times: at first only what is much hotter is translated. */
const START_INSTRUCTIONS = 100_000_000;
const START_FACTOR = 8;
/** As many traps in a row, and nothing else, are no work of a guest's. */
const STUCK_TRAPS = 1000;

const MSTATUS = 0x300;
const MIP = 0x344;

/**
 * What M-mode firmware leaves behind for a supervisor, by CSR: memory open to all (pmp), exceptions and interrupts
 * delegated, counters given to S-mode and, as OpenSBI does, to U-mode (the vDSO reads time); the timer of Sstc, memory types
 * of pages, hardware's marks in page tables and operations on cache blocks switched on.
 */
const HAND_OVER: readonly (readonly [number, bigint])[] = [
  [0x3b0, (1n << 54n) - 1n],
  [0x3a0, 0x1fn],
  [0x302, 0xb1ffn],
  [0x303, 0x222n],
  [0x306, 7n],
  [0x106, 7n],
  [0x30a, ENVCFG.STCE | ENVCFG.PBMTE | ENVCFG.ADUE | ENVCFG.CBIE | ENVCFG.CBCFE | ENVCFG.CBZE],
];
const { STCE } = ENVCFG;
const WATCHPOINT = BigInt(CAUSE_WATCHPOINT);

export class Hart implements HartPort {
  readonly id: number;
  readonly #bus: HartBus;
  readonly #base: number;
  readonly #region: HartRegion;
  readonly #words: Int32Array;
  readonly #wasm: InterpreterExports;
  readonly #csrs: CsrContext;
  readonly #translator: Translator | undefined;
  #instructions = 0;
  #slices = 0;
  #starting = false;
  #slice = SLICE;
  #sliceBegan = 0;
  #fullSlice = false;
  /** In step(): interrupts wait. */
  #stepping = false;

  constructor(options: HartOptions) {
    this.id = options.id;
    this.#bus = options.bus;
    this.#region = new HartRegion(options.id, options.state, options.ram.buffer.byteLength);
    this.#base = this.#region.base;
    this.#words = this.#region.words;
    const module = options.module ?? compileInterpreter();
    const regions = new WebAssembly.Table({ element: 'anyfunc', initial: 0, maximum: REGION_LIMIT });
    const instance = new WebAssembly.Instance(module, {
      env: {
        state: options.state,
        ram: options.ram,
        busLoad: (address: number, size: 1 | 2 | 4 | 8) => this.#busLoad(address, size),
        busStore: (address: number, size: 1 | 2 | 4 | 8) => this.#busStore(address, size),
        time: () => this.#bus.time(),
        csr: (number: number, update: number, writes: number) => accessCsr(this.#csrs, number, update, writes !== 0),
        regions,
      },
    });
    this.#wasm = instance.exports as unknown as InterpreterExports;
    this.#csrs = this.#csrContext();
    if (options.translate) {
      this.#translator = new Translator({
        view: this.#region.view,
        base: this.#base,
        table: regions,
        imports: { ...instance.exports, state: options.state, ram: options.ram, regions },
        decodeCold: (slot, bits) => this.#wasm.decodeBits(this.#base, slot, bits, 1),
        threshold: options.hotThreshold ?? HOT_THRESHOLD,
      });
      this.#starting = options.hotThreshold === undefined;
    }
    this.#clear();
    this.#region.setWord32('firmware', options.firmware === 'sbi' ? 1 : 0);
    this.#region.setWord32('debug', options.debug ? 1 : 0);
  }

  #csrContext(): CsrContext {
    const line = (this.#base + LINES) / 4;
    return {
      id: this.id,
      bytes: this.#region.view,
      base: this.#base,
      word: (name) => this.#region.word(name),
      setWord: (name, value) => this.#region.setWord(name, value),
      word32: (name) => this.#region.word32(name),
      setWord32: (name, value) => this.#region.setWord32(name, value),
      interruptBits: () => BigInt.asUintN(64, this.#wasm.interruptBits(this.#base)),
      setSoftwareLine: (on) => {
        if (on) Atomics.or(this.#words, line, LINE.SSIP);
        else Atomics.and(this.#words, line, ~LINE.SSIP);
      },
      readStatus: (mask) => this.#wasm.readStatus(this.#base, mask),
      writeStatus: (value, mask) => {
        this.#wasm.writeStatus(this.#base, value, mask);
      },
      writeSatp: (value) => this.#wasm.writeSatp(this.#base, value),
      flushAll: () => this.#wasm.flushAll(this.#base),
      retired: () => this.#retired(),
      setRetired: (value) => this.#setRetired(this.#region.word('retired') + value - this.#retired()),
      ticks: () => BigInt(Math.floor(this.#bus.time())),
      updateTimer: () => this.#updateTimer(),
    };
  }

  /** minstret while an instruction is under way: `left` was counted down for it already. */
  #retired(): bigint {
    return this.#region.word('retired') - BigInt(this.#region.word32('left') + this.#region.word32('traps') + 1);
  }

  /** Software changes minstret; what each mode has executed stays what it is. */
  #setRetired(value: bigint): void {
    const change = value - this.#region.word('retired');
    this.#region.setWord('retired', value);
    this.#region.setWord('modeSince', this.#region.word('modeSince') + change);
  }

  // --- What the interpreter calls ---

  #busLoad(address: number, size: 1 | 2 | 4 | 8): number {
    const value = this.#bus.load(address, size);
    if (value === undefined) return 0;
    this.#region.setWord('scratch', typeof value === 'bigint' ? value : BigInt(value));
    return 1;
  }

  #busStore(address: number, size: 1 | 2 | 4 | 8): number {
    const at = this.#base + W.scratch;
    const { view } = this.#region;
    const value =
      size === 8
        ? view.getBigUint64(at, true)
        : size === 4
          ? view.getUint32(at, true)
          : size === 2
            ? view.getUint16(at, true)
            : view.getUint8(at);
    return this.#bus.store(address, size, value) ? 1 : 0;
  }

  // --- Running ---

  run(instructions: number): HartExit {
    const base = this.#base;
    const wasm = this.#wasm;
    const requests = (base + REQUESTS) / 4;
    let left = instructions;
    if (this.#region.word('cause') === WATCHPOINT) this.#region.setWord('cause', 0n);
    while (left > 0) {
      if (Atomics.load(this.#words, requests) !== 0) {
        this.answer();
        if ((Atomics.load(this.#words, requests) & REQUEST.PAUSE) !== 0) return 'paused';
      }
      const now = this.#bus.time();
      this.#updateTimer(now);
      if (!this.#stepping && wasm.takeInterrupt(base)) this.#region.setWord32('waiting', 0);
      if (this.#region.word32('waiting')) {
        if (!this.#wakes()) return 'wfi';
        this.#region.setWord32('waiting', 0);
      }

      if (this.#fullSlice) this.#adaptSlice(now - this.#sliceBegan);
      this.#sliceBegan = now;
      const slice = Math.min(left, this.#slice);
      this.#region.setWord('retired', this.#region.word('retired') + BigInt(slice));
      this.#region.setWord32('traps', 0);
      const exit = wasm.exec(base, slice);
      const unused = this.#region.word32('left');
      const traps = this.#region.word32('traps');
      this.#region.setWord('retired', this.#region.word('retired') - BigInt(unused + traps));
      this.#region.setWord32('left', 0);
      this.#region.setWord32('traps', 0);
      this.#instructions += slice - unused - traps;
      this.#slices++;
      if (this.#starting && this.#instructions > START_INSTRUCTIONS) {
        this.#starting = false;
        this.#translator?.start();
      }
      left -= slice - unused;
      this.#fullSlice = exit === EXIT.BUDGET;
      if (exit !== EXIT.BREAKPOINT && this.#region.word('cause') === WATCHPOINT) return 'breakpoint';
      const hot = this.#region.word32('hotCount');
      if (hot > 0) this.#translator?.serve(hot);
      switch (exit) {
        case EXIT.WFI:
          return 'wfi';
        case EXIT.ECALL:
          return 'ecall';
        case EXIT.BREAKPOINT:
          return this.#broke();
      }
      if (traps === slice && traps >= STUCK_TRAPS) return 'stuck';
    }
    return 'budget';
  }

  answer(): void {
    const requests = (this.#base + REQUESTS) / 4;
    const asked = Atomics.load(this.#words, requests);
    if (asked & REQUEST.SFENCE_VMA) {
      Atomics.and(this.#words, requests, ~REQUEST.SFENCE_VMA);
      this.#wasm.flushAll(this.#base);
    }
    if (asked & REQUEST.FENCE_I) {
      Atomics.and(this.#words, requests, ~REQUEST.FENCE_I);
      this.#wasm.fenceI(this.#base);
    }
    if (asked & REQUEST.WRITES) {
      // Lowered afterwards: whoever asked goes by it.
      this.#wasm.flushWrites(this.#base);
      Atomics.and(this.#words, requests, ~REQUEST.WRITES);
      Atomics.notify(this.#words, requests);
    }
  }

  /** The instruction at the pc was counted and not executed. */
  #broke(): 'breakpoint' {
    this.#instructions--;
    this.#region.setWord('retired', this.#region.word('retired') - 1n);
    return 'breakpoint';
  }

  setBreaks(breakpoints: readonly bigint[], watched: readonly WatchedBytes[]): boolean {
    if (breakpoints.length > BREAKPOINT_LIMIT || watched.length > WATCHPOINT_LIMIT) return false;
    const { view } = this.#region;
    for (const [i, address] of breakpoints.entries())
      view.setBigUint64(this.#base + BREAKPOINTS + i * 8, address, true);
    for (const [i, { first, last, read, write }] of watched.entries()) {
      const at = this.#base + WATCHPOINTS + i * WATCHPOINT_SIZE;
      view.setBigUint64(at, first, true);
      view.setBigUint64(at + 8, last, true);
      view.setInt32(at + 16, (read ? WATCH.READ : 0) | (write ? WATCH.WRITE : 0), true);
    }
    this.#region.setWord32('breakpoints', breakpoints.length);
    this.#region.setWord32('watchpoints', watched.length);
    // Pages that are watched must leave the TLB, and those that no longer are may come back.
    this.#wasm.flushAll(this.#base);
    this.#wasm.fenceI(this.#base);
    return true;
  }

  breaks(): BreakHit {
    const watched = this.#region.word('cause') === WATCHPOINT ? this.#region.word('tval') : undefined;
    return { pc: this.pc, watched };
  }

  step(): HartExit {
    const count = this.#region.word32('breakpoints');
    this.#region.setWord32('waiting', 0);
    this.#region.setWord32('breakpoints', 0);
    this.#stepping = true;
    try {
      return this.run(1);
    } finally {
      this.#stepping = false;
      this.#region.setWord32('breakpoints', count);
      // The page of the pc may have got a fetch entry meanwhile.
      if (count > 0) this.#wasm.fenceI(this.#base);
    }
  }

  /** An interrupt is pending that ends WFI, whether it will be taken or not (privileged spec, 3.3.3). */
  #wakes(): boolean {
    return (this.#csrs.interruptBits() & this.#region.word('mie')) !== 0n;
  }

  #updateTimer(now = this.#bus.time()): void {
    const on = (this.#region.word('menvcfg') & STCE) !== 0n;
    this.#region.setWord32('timerDue', on && now >= Number(this.#region.word('stimecmp')) ? 1 : 0);
  }

  /** The last slice was executed to its end, in so many ticks. */
  #adaptSlice(ticks: number): void {
    if (ticks < SHORT_TICKS) this.#slice = Math.min(this.#slice * 2, LONGEST_SLICE);
    else if (ticks > LONG_TICKS) this.#slice = Math.max(this.#slice / 2, SLICE);
  }

  park(milliseconds: number): void {
    const wake = (this.#base + WAKE) / 4;
    const seen = Atomics.load(this.#words, wake);
    this.#updateTimer();
    if (this.#wakes() || Atomics.load(this.#words, (this.#base + REQUESTS) / 4) !== 0) return;
    const armed = (this.#region.word('menvcfg') & STCE) !== 0n && (this.#region.word('mie') & BigInt(LINE.STIP)) !== 0n;
    const due = armed
      ? ((Number(this.#region.word('stimecmp')) - this.#bus.time()) / TIMEBASE_HZ) * 1000
      : Number.POSITIVE_INFINITY;
    const timeout = Math.min(milliseconds, due);
    if (timeout > 0) Atomics.wait(this.#words, wake, seen, timeout);
  }

  // --- Registers ---

  get pc(): bigint {
    return this.#region.word('pc');
  }
  set pc(value: bigint) {
    this.#region.setWord('pc', value);
    this.#region.setWord32('waiting', 0);
  }

  getX(index: number): bigint {
    return this.#region.getX(index);
  }
  setX(index: number, value: bigint): void {
    this.#region.setX(index, value);
  }
  getF(index: number): bigint {
    return this.#region.getF(index);
  }
  setF(index: number, value: bigint): void {
    this.#region.setF(index, value);
  }

  get privilege(): 0 | 1 | 3 {
    return this.#region.word32('privilege') as 0 | 1 | 3;
  }
  set privilege(value: 0 | 1 | 3) {
    this.#region.setWord32('privilege', value);
    this.#wasm.setContext(this.#base);
  }

  getCsr(number: number): bigint {
    const csr = csrByNumber(number);
    if (!csr) throw new CumuletError('invalid', `There is no CSR 0x${number.toString(16)}.`);
    // Outside of run() no instruction is under way.
    if (csr.name === 'minstret' || csr.name === 'instret') return this.#region.word('retired');
    if (csr.name === 'mcycle' || csr.name === 'cycle')
      return (this.#region.word('retired') + this.#region.word('mcycleOffset')) & MASK64;
    return BigInt.asUintN(64, csr.read(this.#csrs));
  }

  setCsr(number: number, value: bigint): void {
    const csr = csrByNumber(number);
    if (!csr) throw new CumuletError('invalid', `There is no CSR 0x${number.toString(16)}.`);
    if (csr.name === 'minstret') {
      const cycle = this.#region.word('retired') + this.#region.word('mcycleOffset');
      this.#setRetired(value);
      this.#region.setWord('mcycleOffset', cycle - value);
    } else if (csr.name === 'mcycle') {
      this.#region.setWord('mcycleOffset', value - this.#region.word('retired'));
    } else {
      csr.write?.(this.#csrs, value & MASK64);
    }
  }

  finishEcall(a0: bigint, a1: bigint): void {
    this.setX(10, a0);
    this.setX(11, a1);
    this.#region.setWord('pc', this.#region.word('pc') + 4n);
    this.#region.setWord('retired', this.#region.word('retired') + 1n);
  }

  setStimecmp(ticks: bigint): void {
    this.#region.setWord('stimecmp', ticks);
    this.#updateTimer();
  }

  counters(): Readonly<Record<string, number>> {
    const traps: Record<string, number> = {};
    for (let code = 0; code < TRAP_KINDS; code++) {
      const count = this.#region.trapCount(code);
      if (count === 0) continue;
      const name = code < 16 ? CAUSE_NAMES.get(code) : `interrupt_${code - 16}`;
      traps[`trap_${name ?? code}`] = count;
    }
    return {
      instructions: this.#instructions,
      slices: this.#slices,
      tlb_misses: this.#region.word32('tlbMisses'),
      bus_accesses: this.#region.word32('busAccesses'),
      code_fills: this.#region.word32('codeFills'),
      code_checks: this.#region.word32('codeChecks'),
      ...this.#translator?.counters(),
      ...(this.#translator && {
        regions_entered: this.#region.word32('regionRuns'),
        regions_not_taken: this.#region.word32('regionStays'),
      }),
      ...traps,
    };
  }

  // --- Looking inside (debug/look.ts) ---

  /** Instructions retired by privilege since the last reset. */
  retiredByMode(): { user: number; supervisor: number; machine: number } {
    const open = this.#region.word('retired') - this.#region.word('modeSince');
    const of = (privilege: number, name: 'retiredUser' | 'retiredSupervisor' | 'retiredMachine'): number =>
      Number(BigInt.asIntN(64, this.#region.word(name) + (this.privilege === privilege ? open : 0n)));
    return { user: of(0, 'retiredUser'), supervisor: of(1, 'retiredSupervisor'), machine: of(3, 'retiredMachine') };
  }

  tlb(): TlbLook {
    return lookAtTlb(this.#region);
  }

  /** Every CSR that can be read without consequence, by name. */
  csrs(): Record<string, bigint> {
    return Object.fromEntries(SHOWN_CSRS.map(({ name, number }) => [name, this.getCsr(number)]));
  }

  get waiting(): boolean {
    return this.#region.word32('waiting') !== 0;
  }

  // --- State ---

  #clear(): void {
    this.#region.clear();
    this.#translator?.clear();
    this.#translator?.start(this.#starting ? START_FACTOR : 1);
    updatePmp(this.#csrs);
  }

  reset(pc: bigint, privilege: 1 | 3, a0: bigint, a1: bigint): void {
    const kept = (['firmware', 'debug', 'breakpoints', 'watchpoints'] as const).map(
      (name) => [name, this.#region.word32(name)] as const,
    );
    this.#clear();
    for (const [name, value] of kept) this.#region.setWord32(name, value);
    this.#region.setWord('pc', pc);
    this.setX(10, a0);
    this.setX(11, a1);
    if (privilege === 1) for (const [number, value] of HAND_OVER) this.setCsr(number, value);
    this.privilege = privilege;
  }

  save(): HartStateV1 {
    const hex = (value: bigint): string => `0x${value.toString(16)}`;
    const csrs: Record<string, string> = {};
    for (const csr of SAVED_CSRS) csrs[csr.name] = hex(this.getCsr(csr.number));
    // As saved, mip is what software wrote: lines belong to their devices.
    csrs.mip = hex(this.#region.word('mip') | (this.getCsr(MIP) & BigInt(LINE.SSIP)));
    return {
      kind: 'hart',
      version: 1,
      pc: hex(this.pc),
      privilege: this.privilege,
      x: Array.from({ length: 32 }, (_, i) => hex(this.getX(i))),
      f: Array.from({ length: 32 }, (_, i) => hex(this.getF(i))),
      csrs,
      waiting: this.#region.word32('waiting') !== 0,
    };
  }

  restore(state: HartStateV1): void {
    if (state.kind !== 'hart' || state.version !== 1) {
      throw new CumuletError('invalid', `A hart cannot be restored from ${state.kind} version ${state.version}.`);
    }
    this.reset(BigInt(state.pc), 3, 0n, 0n);
    for (const [i, value] of state.x.entries()) this.setX(i, BigInt(value));
    for (const [i, value] of state.f.entries()) this.setF(i, BigInt(value));
    for (const csr of SAVED_CSRS) {
      const value = state.csrs[csr.name];
      if (value !== undefined) this.setCsr(csr.number, BigInt(value));
    }
    // Once more: writing fcsr has marked the floating-point unit dirty.
    this.setCsr(MSTATUS, BigInt(state.csrs.mstatus ?? '0x0'));
    this.#region.setWord('mip', BigInt(state.csrs.mip ?? '0x0') & ~BigInt(LINE.SSIP));
    this.privilege = state.privilege;
    this.#region.setWord32('waiting', state.waiting ? 1 : 0);
    this.#wasm.flushAll(this.#base);
    this.#wasm.fenceI(this.#base);
  }
}

const CAUSE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(CAUSE).map(([name, code]) => [code, name.toLowerCase()]),
);
