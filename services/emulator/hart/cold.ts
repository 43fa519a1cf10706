// The interpreter's second half: a generated function for each instruction, in a table by number, that executes it from a
// cold slot. They serve instructions that are rare, that may trap or leave, or that write x0, and keep the dispatcher small.
//
//   cold_<name>(h, slot, pc, length) -> STATUS     after NEXT the caller goes on at pc + length; others: runtime.ts

import { inlineFp, plainSite } from '../fp/inline.ts';
import type { AmoKind, AtomicWidth, Emit, LoadWidth, StoreWidth, SystemCall } from '../isa/meaning.ts';
import type { FieldName } from '../isa/pattern.ts';
import { INSTRUCTIONS } from '../isa/table.ts';
import type { Code, Local, TableRef } from '../wasm/code.ts';
import { type Expr, type I32, type I64, i32, i64, select, type ValueType } from '../wasm/expr.ts';
import { emitAmo, emitLoadReserved, emitStoreConditional } from './atomics.ts';
import { barred } from './cache.ts';
import { UPDATE } from './csr-update.ts';
import { ENVCFG } from './envcfg.ts';
import { F, STEP_SLOT, X } from './layout.ts';
import { CAUSE, EXIT, type Runtime, STATUS } from './runtime.ts';
import { MSTATUS } from './trap.ts';

/** The number of each instruction, as cold slots hold it. */
export const COLD_NUMBER: ReadonlyMap<string, number> = new Map(INSTRUCTIONS.map((i, number) => [i.name, number]));

export const SIZE: Readonly<Record<LoadWidth, number>> = { b: 1, bu: 1, h: 2, hu: 2, w: 4, wu: 4, d: 8 };

const FIELD_BYTE: Readonly<Partial<Record<FieldName, number>>> = { rd: 1, rs1: 2, rs2: 3 };

/** Extends what a load of the width returned zero-extended. */
export function extend(width: LoadWidth, value: I64): I64 {
  switch (width) {
    case 'b':
      return i64.extend8S(value);
    case 'h':
      return i64.extend16S(value);
    case 'w':
      return i64.extend32S(value);
    default:
      return value;
  }
}

class ColdEmit implements Emit {
  readonly code: Code;
  readonly #rt: Runtime;
  readonly #h: I32;
  readonly #slot: I32;
  readonly #pc: I64;
  readonly #length: I32;
  /** What the instruction returns at its end. */
  readonly #status: Local<'i32'>;

  constructor(rt: Runtime, code: Code, h: I32, slot: I32, pc: I64, length: I32, status: Local<'i32'>) {
    this.#rt = rt;
    this.code = code;
    this.#h = h;
    this.#slot = slot;
    this.#pc = pc;
    this.#length = length;
    this.#status = status;
  }

  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    return this.code.let(value);
  }

  /** Offset of a register: the byte of its field without the bits of the instruction's number. */
  #register(field: FieldName): I32 {
    const byte = field === 'rs3' ? 4 : FIELD_BYTE[field]!;
    return i32.add(this.#h, i32.and(this.#rt.state.load('i32_8u', this.#slot, byte), 0xf8));
  }

  x(register: 'rs1' | 'rs2'): I64 {
    return this.#rt.state.load('i64', this.#register(register), X);
  }

  setX(value: I64): void {
    this.code.store(this.#rt.state, 'i64', this.#register('rd'), value, X);
    this.code.store(this.#rt.state, 'i64', this.#h, i64.const(0n), X);
  }

  imm(): I64 {
    return this.#rt.state.load('i64_32s', this.#slot, 4);
  }

  number(field: FieldName): I32 {
    return i32.shrU(this.#rt.state.load('i32_8u', this.#slot, FIELD_BYTE[field]!), 3);
  }

  pc(): I64 {
    return this.#pc;
  }

  link(): I64 {
    return i64.add(this.#pc, i64.extendU(this.#length));
  }

  #failIfTrapped(): void {
    this.code.if(this.#rt.flag.get, () => this.code.return(i32.const(STATUS.TRAP)));
  }

  load(width: LoadWidth, address: I64): I64 {
    const value = this.let(this.#rt.call64('load', this.#h, address, i32.const(SIZE[width])));
    this.#failIfTrapped();
    return extend(width, value);
  }

  store(width: StoreWidth, address: I64, value: I64): void {
    this.code.call(this.#rt.fn('store'), this.#h, address, i32.const(SIZE[width]), value);
    this.#failIfTrapped();
  }

  branch(condition: I32): void {
    this.code.if(condition, () => this.jump());
  }

  jump(): void {
    this.jumpTo(i64.add(this.#pc, this.imm()));
  }

  jumpTo(address: I64): void {
    this.#rt.setWord(this.code, this.#h, 'pc', address);
    this.code.set(this.#status, i32.const(STATUS.GO));
  }

  raise(cause: number, tval: I64): void {
    this.#rt.raise(this.code, this.#h, cause, tval, i32.const(STATUS.TRAP));
  }

  #atomic(address: I64, width: AtomicWidth, reserve: number): I32 {
    const size = i32.const(SIZE[width]);
    const offset = this.let(this.#rt.call32('atomicAddress', this.#h, address, size, i32.const(reserve)));
    this.#failIfTrapped();
    return offset;
  }

  loadReserved(width: AtomicWidth, address: I64): I64 {
    return emitLoadReserved(this.#rt, this.code, this.#h, width, this.#atomic(address, width, 1));
  }

  storeConditional(width: AtomicWidth, address: I64, value: I64): I64 {
    const target = this.let(address);
    return emitStoreConditional(this.#rt, this.code, this.#h, width, value, () => this.#atomic(target, width, 0));
  }

  amo(kind: AmoKind, width: AtomicWidth, address: I64, value: I64): I64 {
    const operand = this.let(value);
    const offset = this.#atomic(address, width, 0);
    return emitAmo(this.#rt, this.code, kind, width, offset, operand);
  }

  fence(): void {
    this.code.fence();
  }

  /** TRAP ends the instruction here; other statuses are returned when the rest of it is done. */
  #take(status: I32): void {
    this.code.set(this.#status, status);
    this.code.if(i32.eq(this.#status.get, STATUS.TRAP), () => this.code.return(this.#status.get));
  }

  csr(update: 'write' | 'set' | 'clear', operand: I64): I64 {
    // csrrs and csrrc with x0 or a zero immediate do not write (unprivileged spec 6.1).
    const writes = update === 'write' ? i32.const(1) : i32.ne(this.number('rs1'), 0);
    const number = i32.wrap(this.imm());
    const kind = i32.const(UPDATE[update]);
    this.#take(this.#rt.call32('csrOp', this.#h, number, kind, operand, writes, this.link()));
    return this.#rt.word64(this.#h, 'scratch2');
  }

  system(call: SystemCall, operand?: I64): void {
    const operands = operand ? [operand] : [];
    this.#take(this.#rt.call32(call, this.#h, this.#pc, this.link(), ...operands));
  }

  sfenceVma(): void {
    const everywhere = i32.eqz(this.number('rs1'));
    const everyone = i32.eqz(this.number('rs2'));
    this.#take(this.#rt.call32('sfence', this.#h, this.link(), this.x('rs1'), everywhere, this.x('rs2'), everyone));
  }

  requireCacheZero(): void {
    this.code.if(barred(this.#rt, this.#h, ENVCFG.CBZE), () => this.raise(CAUSE.ILLEGAL, i64.const(0n)));
  }

  requireFp(): void {
    const off = i64.eqz(i64.and(this.#rt.word64(this.#h, 'mstatus'), MSTATUS.FS));
    this.code.if(off, () => this.raise(CAUSE.ILLEGAL, i64.const(0n)));
  }

  f(register: 'rs1' | 'rs2' | 'rs3'): I64 {
    return this.#rt.state.load('i64', this.#register(register), F);
  }

  setF(value: I64): void {
    this.code.store(this.#rt.state, 'i64', this.#register('rd'), value, F);
    this.fpDirty();
  }

  fpDirty(): void {
    const status = i64.or(this.#rt.word64(this.#h, 'mstatus'), MSTATUS.FS);
    this.#rt.setWord(this.code, this.#h, 'mstatus', status);
  }

  unbox(bits: I64): I32 {
    const value = this.let(bits);
    const boxed = i64.eq(i64.shrU(value, 32n), 0xffff_ffffn);
    return select(boxed, i32.wrap(value), i32.const(0x7fc0_0000));
  }

  roundingMode(): I32 {
    const mode = this.code.var(i32.and(this.#rt.state.load('i32_8u', this.#slot, 5), 7));
    // 7 is the mode of frm; 5 and 6, and 5 to 7 in frm, are reserved (21.2).
    this.code.if(i32.eq(mode.get, 7), () => this.code.set(mode, this.#rt.word32(this.#h, 'frm')));
    this.code.if(i32.gtU(mode.get, 4), () => this.raise(CAUSE.ILLEGAL, i64.const(0n)));
    return mode.get;
  }

  fp<R extends ValueType>(name: string, result: R, ...args: Expr[]): Expr<R> {
    return inlineFp(plainSite(this.#rt, this.code, this.#h), name, result, args);
  }
}

const PARAMETERS = ['i32', 'i32', 'i64', 'i32'] as const;

/** Declares one function for each instruction; the last entry of the table is for what is no instruction. */
export function defineCold(rt: Runtime): TableRef {
  const functions = INSTRUCTIONS.map((instruction) => {
    const ref = rt.declare(`cold_${instruction.name}`, PARAMETERS, 'i32');
    rt.module.define(ref, PARAMETERS, (c, h, slot, pc, length) => {
      const status = c.local('i32');
      instruction.meaning(new ColdEmit(rt, c, h.get, slot.get, pc.get, length.get, status));
      c.return(status.get);
    });
    return ref;
  });
  const illegal = rt.declare('cold_illegal', PARAMETERS, 'i32');
  rt.module.define(illegal, PARAMETERS, (c, h) =>
    rt.raise(c, h.get, CAUSE.ILLEGAL, i64.const(0n), i32.const(STATUS.TRAP)),
  );
  const table = rt.module.table([...functions, illegal]);
  const step = rt.declare('step', ['i32', 'i64'], 'i32');

  // (h, pc) -> STATUS: fetches, decodes and executes one instruction by itself. After NEXT the pc word is set.
  rt.module.define(step, ['i32', 'i64'], (c, h, pc) => {
    const trapped = (): void => c.if(rt.flag.get, () => c.return(i32.const(STATUS.TRAP)));
    c.if(rt.word32(h.get, 'breakpoints'), () =>
      c.if(rt.call32('breaksAt', h.get, pc.get), () => {
        rt.setWord(c, h.get, 'pc', pc.get);
        rt.setWord(c, h.get, 'exit', i32.const(EXIT.BREAKPOINT));
        c.return(i32.const(STATUS.EXIT));
      }),
    );
    const bits = c.var(rt.call32('fetch16', h.get, pc.get));
    trapped();
    const length = c.var(i32.const(2));
    c.if(i32.eq(i32.and(bits.get, 3), 3), () => {
      c.set(length, i32.const(4));
      c.set(bits, i32.or(bits.get, i32.shl(rt.call32('fetch16', h.get, i64.add(pc.get, 2n)), 16)));
      trapped();
    });
    const slot = c.let(i32.add(h.get, STEP_SLOT));
    // What was decoded last is still there: a loop over a page border decodes once.
    c.if(i32.ne(rt.state.load('i32', slot, 8), bits.get), () => {
      c.call(rt.fn('decodeBits'), h.get, slot, bits.get, i32.const(1));
      c.store(rt.state, 'i32', slot, bits.get, 8);
    });
    const status = c.let(callCold(rt, c, table, h.get, slot, pc.get, length.get));
    c.if(i32.eqz(status), () => {
      rt.setWord(c, h.get, 'pc', i64.add(pc.get, i64.extendU(length.get)));
      c.return(i32.const(STATUS.GO));
    });
    c.return(status);
  });
  return table;
}

/** Executes the cold instruction of a slot. */
export function callCold(rt: Runtime, c: Code, table: TableRef, h: I32, slot: I32, pc: I64, length: I32): I32 {
  const bits = c.let(rt.state.load('i32', slot));
  const part = (shift: number): I32 => i32.and(i32.shrU(bits, shift), 7);
  const number = i32.or(part(8), i32.or(i32.shl(part(16), 3), i32.shl(part(24), 6)));
  return table.call(number, h, slot, pc, length) as I32;
}

/** The cold number that stands for an encoding that is no instruction. */
export const ILLEGAL_NUMBER = INSTRUCTIONS.length;
