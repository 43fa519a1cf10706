// A hart: the generated interpreter on one thread, and what it asks of JavaScript. HartPort (contract.ts) is its face;
// the words that it shares with other threads are in layout.ts.

import { CumuletError } from '#base';
import { STEP_PAGE } from '../mmu/fetch.ts';
import {
  type HartBus,
  type HartExit,
  type HartPort,
  type HartStateV1,
  LINE,
  RAM_BASE,
  REQUEST,
  TIMEBASE_HZ,
} from './contract.ts';
import { accessCsr, type CsrContext, csrByNumber, SAVED_CSRS, updatePmp } from './csr.ts';
import { writePlainTable } from './csr-access.ts';
import { decoderTable } from './decoder.ts';
import { compileInterpreter, type InterpreterExports } from './interpreter.ts';
import {
  CODE,
  CODE_DIRECTORY,
  CODE_PAGE,
  CODE_PAGE_SIZE,
  CODE_PAGES,
  DECODER,
  DECODER_SIZE,
  F,
  hartOffset,
  LINES,
  REQUESTS,
  SLOTS_SIZE,
  TLB,
  TLB_CONTEXT_SIZE,
  TLB_CONTEXTS,
  TRAP_COUNTS,
  W,
  WAKE,
  X,
} from './layout.ts';
import { CAUSE, EXIT } from './runtime.ts';
import { HANDLER } from './slot.ts';

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
  /** ebreak leaves run() with 'breakpoint'. */
  readonly debug?: boolean;
}

/** Instructions between two looks at interrupts, requests and the clock: some 100 us. */
const SLICE = 20_000;

/** mcounteren bits that firmware hands to S-mode: cycle, time, instret. */
const COUNTERS = 7n;
const STCE = 1n << 63n;
const MASK64 = (1n << 64n) - 1n;

const DECODER_TABLE = decoderTable();
if (DECODER_TABLE.byteLength > DECODER_SIZE) throw new Error('the decoder table has outgrown its place');

type WordName = keyof typeof W;

export class Hart implements HartPort {
  readonly id: number;
  readonly #bus: HartBus;
  readonly #base: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #ramBytes: number;
  readonly #wasm: InterpreterExports;
  readonly #csrs: CsrContext;
  #instructions = 0;
  #slices = 0;

  constructor(options: HartOptions) {
    this.id = options.id;
    this.#bus = options.bus;
    this.#base = hartOffset(options.id);
    this.#bytes = new Uint8Array(options.state.buffer);
    this.#view = new DataView(options.state.buffer);
    this.#words = new Int32Array(options.state.buffer);
    this.#ramBytes = options.ram.buffer.byteLength;
    const module = options.module ?? compileInterpreter();
    const instance = new WebAssembly.Instance(module, {
      env: {
        state: options.state,
        ram: options.ram,
        busLoad: (address: number, size: 1 | 2 | 4 | 8) => this.#busLoad(address, size),
        busStore: (address: number, size: 1 | 2 | 4 | 8) => this.#busStore(address, size),
        time: () => this.#bus.time(),
        csr: (number: number, update: number, writes: number) => accessCsr(this.#csrs, number, update, writes !== 0),
      },
    });
    this.#wasm = instance.exports as unknown as InterpreterExports;
    this.#csrs = this.#csrContext();
    this.#clear();
    this.#setWord32('firmware', options.firmware === 'sbi' ? 1 : 0);
    this.#setWord32('debug', options.debug ? 1 : 0);
  }

  // --- Words of the hart's region ---

  #word(name: WordName): bigint {
    return this.#view.getBigUint64(this.#base + W[name], true);
  }

  #setWord(name: WordName, value: bigint): void {
    this.#view.setBigUint64(this.#base + W[name], value & MASK64, true);
  }

  #word32(name: WordName): number {
    return this.#view.getInt32(this.#base + W[name], true);
  }

  #setWord32(name: WordName, value: number): void {
    this.#view.setInt32(this.#base + W[name], value, true);
  }

  #csrContext(): CsrContext {
    const line = (this.#base + LINES) / 4;
    return {
      id: this.id,
      bytes: this.#view,
      base: this.#base,
      word: (name) => this.#word(name),
      setWord: (name, value) => this.#setWord(name, value),
      word32: (name) => this.#word32(name),
      setWord32: (name, value) => this.#setWord32(name, value),
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
      setRetired: (value) => this.#setWord('retired', this.#word('retired') + value - this.#retired()),
      ticks: () => BigInt(Math.floor(this.#bus.time())),
      updateTimer: () => this.#updateTimer(),
    };
  }

  /** minstret while an instruction is under way: `left` was counted down for it already. */
  #retired(): bigint {
    return this.#word('retired') - BigInt(this.#word32('left') + this.#word32('traps') + 1);
  }

  // --- What the interpreter calls ---

  #busLoad(address: number, size: 1 | 2 | 4 | 8): number {
    const value = this.#bus.load(address, size);
    if (value === undefined) return 0;
    this.#setWord('scratch', typeof value === 'bigint' ? value : BigInt(value));
    return 1;
  }

  #busStore(address: number, size: 1 | 2 | 4 | 8): number {
    const at = this.#base + W.scratch;
    const view = this.#view;
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
    while (left > 0) {
      const asked = Atomics.load(this.#words, requests);
      if (asked !== 0) {
        if (asked & REQUEST.SFENCE_VMA) {
          Atomics.and(this.#words, requests, ~REQUEST.SFENCE_VMA);
          wasm.flushAll(base);
        }
        if (asked & REQUEST.FENCE_I) {
          Atomics.and(this.#words, requests, ~REQUEST.FENCE_I);
          wasm.fenceI(base);
        }
        if (asked & REQUEST.PAUSE) return 'paused';
      }
      this.#updateTimer();
      if (wasm.takeInterrupt(base)) this.#setWord32('waiting', 0);
      if (this.#word32('waiting')) {
        if (!this.#wakes()) return 'wfi';
        this.#setWord32('waiting', 0);
      }

      const slice = Math.min(left, SLICE);
      this.#setWord('retired', this.#word('retired') + BigInt(slice));
      this.#setWord32('traps', 0);
      const exit = wasm.exec(base, slice);
      const unused = this.#word32('left');
      const traps = this.#word32('traps');
      this.#setWord('retired', this.#word('retired') - BigInt(unused + traps));
      this.#instructions += slice - unused - traps;
      this.#slices++;
      left -= slice - unused;
      switch (exit) {
        case EXIT.WFI:
          return 'wfi';
        case EXIT.ECALL:
          return 'ecall';
        case EXIT.BREAKPOINT:
          return 'breakpoint';
      }
    }
    return 'budget';
  }

  /** An interrupt is pending that ends WFI, whether it will be taken or not (privileged spec, 3.3.3). */
  #wakes(): boolean {
    return (this.#csrs.interruptBits() & this.#word('mie')) !== 0n;
  }

  #updateTimer(): void {
    const on = (this.#word('menvcfg') & STCE) !== 0n;
    this.#setWord32('timerDue', on && this.#bus.time() >= Number(this.#word('stimecmp')) ? 1 : 0);
  }

  park(milliseconds: number): void {
    const wake = (this.#base + WAKE) / 4;
    const seen = Atomics.load(this.#words, wake);
    this.#updateTimer();
    if (this.#wakes() || Atomics.load(this.#words, (this.#base + REQUESTS) / 4) !== 0) return;
    const armed = (this.#word('menvcfg') & STCE) !== 0n && (this.#word('mie') & BigInt(LINE.STIP)) !== 0n;
    const due = armed
      ? ((Number(this.#word('stimecmp')) - this.#bus.time()) / TIMEBASE_HZ) * 1000
      : Number.POSITIVE_INFINITY;
    const timeout = Math.min(milliseconds, due);
    if (timeout > 0) Atomics.wait(this.#words, wake, seen, timeout);
  }

  // --- Registers ---

  get pc(): bigint {
    return this.#word('pc');
  }
  set pc(value: bigint) {
    this.#setWord('pc', value);
    this.#setWord32('waiting', 0);
  }

  getX(index: number): bigint {
    return this.#view.getBigUint64(this.#base + X + index * 8, true);
  }
  setX(index: number, value: bigint): void {
    if (index !== 0) this.#view.setBigUint64(this.#base + X + index * 8, value & MASK64, true);
  }
  getF(index: number): bigint {
    return this.#view.getBigUint64(this.#base + F + index * 8, true);
  }
  setF(index: number, value: bigint): void {
    this.#view.setBigUint64(this.#base + F + index * 8, value & MASK64, true);
  }

  get privilege(): 0 | 1 | 3 {
    return this.#word32('privilege') as 0 | 1 | 3;
  }
  set privilege(value: 0 | 1 | 3) {
    this.#setWord32('privilege', value);
    this.#wasm.setContext(this.#base);
  }

  getCsr(number: number): bigint {
    const csr = csrByNumber(number);
    if (!csr) throw new CumuletError('invalid', `There is no CSR 0x${number.toString(16)}.`);
    // Outside of run() no instruction is under way.
    if (csr.name === 'minstret' || csr.name === 'instret') return this.#word('retired');
    if (csr.name === 'mcycle' || csr.name === 'cycle')
      return (this.#word('retired') + this.#word('mcycleOffset')) & MASK64;
    return BigInt.asUintN(64, csr.read(this.#csrs));
  }

  setCsr(number: number, value: bigint): void {
    const csr = csrByNumber(number);
    if (!csr) throw new CumuletError('invalid', `There is no CSR 0x${number.toString(16)}.`);
    if (csr.name === 'minstret') {
      const cycle = this.#word('retired') + this.#word('mcycleOffset');
      this.#setWord('retired', value);
      this.#setWord('mcycleOffset', cycle - value);
    } else if (csr.name === 'mcycle') {
      this.#setWord('mcycleOffset', value - this.#word('retired'));
    } else {
      csr.write?.(this.#csrs, value & MASK64);
    }
  }

  finishEcall(a0: bigint, a1: bigint): void {
    this.setX(10, a0);
    this.setX(11, a1);
    this.#setWord('pc', this.#word('pc') + 4n);
    this.#setWord('retired', this.#word('retired') + 1n);
  }

  setStimecmp(ticks: bigint): void {
    this.#setWord('stimecmp', ticks);
    this.#updateTimer();
  }

  counters(): Readonly<Record<string, number>> {
    const traps: Record<string, number> = {};
    for (let code = 0; code < 32; code++) {
      const count = this.#view.getUint32(this.#base + TRAP_COUNTS + code * 4, true);
      if (count === 0) continue;
      const name = code < 16 ? CAUSE_NAMES.get(code) : `interrupt_${code - 16}`;
      traps[`trap_${name ?? code}`] = count;
    }
    return {
      instructions: this.#instructions,
      slices: this.#slices,
      tlb_misses: this.#word32('tlbMisses'),
      bus_accesses: this.#word32('busAccesses'),
      code_fills: this.#word32('codeFills'),
      code_checks: this.#word32('codeChecks'),
      ...traps,
    };
  }

  // --- State ---

  /** A region as it is before the first instruction; the words that other threads write are left alone. */
  #clear(): void {
    const base = this.#base;
    this.#bytes.fill(0, base + X, base + W.pc);
    for (const offset of Object.values(W)) this.#bytes.fill(0, base + offset, base + offset + 4);
    this.#bytes.fill(0, base + W.pc, base + LINES);
    this.#bytes.fill(0, base + CODE_DIRECTORY, base + CODE_DIRECTORY + (this.#ramBytes / 4096) * 4);
    for (let page = 0; page < CODE_PAGES; page++) {
      this.#view.setInt32(base + CODE + page * CODE_PAGE_SIZE + CODE_PAGE.ramPage, 0, true);
    }
    writePlainTable(this.#view, base);
    this.#words.set(DECODER_TABLE, (base + DECODER) / 4);
    const step = base + STEP_PAGE;
    for (let slot = 0; slot < SLOTS_SIZE; slot += 8) this.#bytes[step + slot] = HANDLER.STEP;
    this.#setWord('ramBytes', BigInt(this.#ramBytes));
    this.#setWord('reservation', -1n);
    this.#setWord('stimecmp', MASK64);
    this.#setWord('mstatus', (2n << 32n) | (2n << 34n));
    this.#setWord32('epoch', 1);
    this.#setWord32('privilege', 3);
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      const at = base + TLB + context * TLB_CONTEXT_SIZE;
      this.#bytes.fill(0xff, at, at + TLB_CONTEXT_SIZE);
    }
    updatePmp(this.#csrs);
  }

  reset(pc: bigint, privilege: 1 | 3, a0: bigint, a1: bigint): void {
    const [firmware, debug] = [this.#word32('firmware'), this.#word32('debug')];
    this.#bytes.fill(0, this.#base + TRAP_COUNTS, this.#base + TRAP_COUNTS + 128);
    this.#bytes.fill(0, this.#base + 0x600, this.#base + 0xa00);
    this.#clear();
    this.#setWord32('firmware', firmware);
    this.#setWord32('debug', debug);
    this.#setWord('pc', pc);
    this.setX(10, a0);
    this.setX(11, a1);
    if (privilege === 1) this.#handOver();
    this.privilege = privilege;
  }

  /** What M-mode firmware leaves behind for a supervisor: everything delegated, memory open, counters and timer given. */
  #handOver(): void {
    const set = (number: number, value: bigint): void => this.setCsr(number, value);
    set(0x3b0, (1n << 54n) - 1n);
    set(0x3a0, 0x1fn);
    set(0x302, 0xb1ffn);
    set(0x303, 0x222n);
    set(0x306, COUNTERS);
    // OpenSBI opens them to U-mode too, and the vDSO of a kernel without a PMU driver reads time.
    set(0x106, COUNTERS);
    set(0x30a, STCE);
  }

  save(): HartStateV1 {
    const hex = (value: bigint): string => `0x${value.toString(16)}`;
    const csrs: Record<string, string> = {};
    for (const csr of SAVED_CSRS) csrs[csr.name] = hex(this.getCsr(csr.number));
    // As saved, mip is what software wrote: lines belong to their devices.
    csrs.mip = hex(this.#word('mip') | (this.getCsr(0x344) & BigInt(LINE.SSIP)));
    return {
      kind: 'hart',
      version: 1,
      pc: hex(this.pc),
      privilege: this.privilege,
      x: Array.from({ length: 32 }, (_, i) => hex(this.getX(i))),
      f: Array.from({ length: 32 }, (_, i) => hex(this.getF(i))),
      csrs,
      waiting: this.#word32('waiting') !== 0,
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
    // mtval and the like were written after mstatus.FS may have been touched by fcsr.
    this.setCsr(0x300, BigInt(state.csrs.mstatus ?? '0x0'));
    this.#setWord('mip', BigInt(state.csrs.mip ?? '0x0') & ~BigInt(LINE.SSIP));
    this.privilege = state.privilege;
    this.#setWord32('waiting', state.waiting ? 1 : 0);
    this.#wasm.flushAll(this.#base);
    this.#wasm.fenceI(this.#base);
  }
}

const CAUSE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(CAUSE).map(([name, code]) => [code, name.toLowerCase()]),
);

/** Bytes of address space that a guest's RAM takes, from RAM_BASE. */
export const ramEnd = (bytes: number): number => RAM_BASE + bytes;
