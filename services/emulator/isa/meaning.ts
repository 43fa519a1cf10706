// What an instruction's meaning may say. A meaning is written once, as a function over this interface; the interpreter
// (operands fetched at run time from a decoded slot) and the translator (operands are constants and locals) implement it.
//
// A meaning reads all its operands before it writes its result: setX comes last. Order of statements is order of
// execution; load, store and raise may leave the instruction with a trap, so nothing architectural is written before.

import type { Code } from '../wasm/code.ts';
import type { Expr, I32, I64, ValueType } from '../wasm/expr.ts';
import type { FieldName, Pattern } from './pattern.ts';

/** Width of a guest access in bytes and how it is extended to 64 bits. */
export type LoadWidth = 'b' | 'bu' | 'h' | 'hu' | 'w' | 'wu' | 'd';
export type StoreWidth = 'b' | 'h' | 'w' | 'd';
export type AtomicWidth = 'w' | 'd';
export type AmoKind = 'swap' | 'add' | 'xor' | 'and' | 'or' | 'min' | 'max' | 'minu' | 'maxu';

/** Instructions that are one call each: hart/trap.ts, hart/cache.ts. */
export type SystemCall =
  | 'ecall'
  | 'ebreak'
  | 'mret'
  | 'sret'
  | 'wfi'
  | 'fence_i'
  | 'sfenceOrder'
  | 'cbo_inval'
  | 'cbo_manage';

/** Floating-point operations on raw bits (f32 in the low half), with the rounding mode last: fp/. */
export type FpFormat = 's' | 'd';

export interface Emit {
  /** The function under construction, for let and if. */
  readonly code: Code;
  /** Evaluates once. */
  let<T extends ValueType>(value: Expr<T>): Expr<T>;

  x(register: 'rs1' | 'rs2'): I64;
  /** Writes rd; writing x0 does nothing. */
  setX(value: I64): void;
  /** The immediate, sign-extended to 64 bits (shift amounts and CSR numbers too). */
  imm(): I64;
  /** The number in a field: a register's index, a zimm. */
  number(field: FieldName): I32;
  pc(): I64;
  /** The address behind this instruction: 2 or 4 further. */
  link(): I64;

  load(width: LoadWidth, address: I64): I64;
  store(width: StoreWidth, address: I64, value: I64): void;
  /** To pc + imm where `condition` is not zero. */
  branch(condition: I32): void;
  /** To pc + imm. */
  jump(): void;
  /** To an address; its bit 0 is cleared by the caller. */
  jumpTo(address: I64): void;
  raise(cause: number, tval: I64): void;

  loadReserved(width: AtomicWidth, address: I64): I64;
  /** 0 where it stored, 1 where it did not. */
  storeConditional(width: AtomicWidth, address: I64, value: I64): I64;
  /** The old value, sign-extended. */
  amo(kind: AmoKind, width: AtomicWidth, address: I64, value: I64): I64;
  fence(): void;

  /** Reads and then writes, sets or clears a CSR; returns the old value. */
  csr(update: 'write' | 'set' | 'clear', operand: I64): I64;
  /** `operand` is the address of those that have one. */
  system(call: SystemCall, operand?: I64): void;
  sfenceVma(): void;
  /** Traps unless cbo.zero is allowed (menvcfg and senvcfg.CBZE). Comes first in a meaning. */
  requireCacheZero(): void;

  /** Traps unless the floating-point unit is on (mstatus.FS). Comes first in a meaning. */
  requireFp(): void;
  /** Raw bits of a floating-point register. */
  f(register: 'rs1' | 'rs2' | 'rs3'): I64;
  /** Writes the raw bits of rd and marks the unit dirty. */
  setF(value: I64): void;
  /** The value of a single: the canonical NaN where the register is not NaN-boxed (F extension, 21.4). */
  unbox(bits: I64): I32;
  /** The rounding mode in force; traps where it is reserved. */
  roundingMode(): I32;
  /** A function of fp/soft.ts; it accrues fflags. */
  fp<R extends ValueType>(name: string, result: R, ...args: Expr[]): Expr<R>;
  /** Marks the unit dirty: for meanings that may set fflags without writing an f register. */
  fpDirty(): void;
}

export type Meaning = (e: Emit) => void;

export interface Instruction {
  readonly name: string;
  readonly pattern: Pattern;
  readonly meaning: Meaning;
  /** Does nothing but write rd: with rd = x0 it does nothing. */
  readonly pure: boolean;
  /** It has a destination register. */
  readonly writes: boolean;
  /** Its immediate is a distance from the pc. */
  readonly relative: boolean;
  /** How assembly text orders its operands. */
  readonly syntax: string;
}
