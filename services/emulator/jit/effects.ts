// What an instruction does, as far as a translator must know before it generates code: found by letting the instruction
// state its meaning to a listener. So an instruction that is added to the tables is translated without a word here, or is
// left to the interpreter because its meaning asks for what regions do not offer.

import type { AmoKind, AtomicWidth, Emit, Instruction, LoadWidth, StoreWidth } from '../isa/meaning.ts';
import type { FieldName } from '../isa/pattern.ts';
import { Code } from '../wasm/code.ts';
import { type Expr, f32, f64, type I32, type I64, i32, i64, type ValueType } from '../wasm/expr.ts';

export interface Effects {
  /** Operand fields that name x registers that are read, or f registers. */
  readonly readsX: readonly ('rs1' | 'rs2')[];
  readonly readsF: readonly ('rs1' | 'rs2' | 'rs3')[];
  readonly writesX: boolean;
  readonly writesF: boolean;
  /** It may leave the region without having been executed. */
  readonly leaves: boolean;
  readonly control: 'none' | 'branch' | 'jump' | 'jumpTo';
  /** It reads or writes guest memory; `loads` and `stores` at rs1 and a distance. */
  readonly accesses: boolean;
  readonly loads: boolean;
  readonly stores: boolean;
  /** Functions of fp/ that it calls. */
  readonly calls: readonly FpFunction[];
}

export interface FpFunction {
  readonly name: string;
  readonly params: readonly ValueType[];
  readonly result: ValueType;
}

/** An instruction that only the interpreter executes. */
export class Untranslatable extends Error {}

const zero: Readonly<Record<ValueType, Expr>> = {
  i32: i32.const(0),
  i64: i64.const(0n),
  f32: f32.const(0),
  f64: f64.const(0),
};

class Listener implements Emit {
  readonly code = new Code(0);
  readonly readsX = new Set<'rs1' | 'rs2'>();
  readonly readsF = new Set<'rs1' | 'rs2' | 'rs3'>();
  writesX = false;
  writesF = false;
  leaves = false;
  accesses = false;
  loads = false;
  stores = false;
  readonly calls: FpFunction[] = [];
  control: Effects['control'] = 'none';

  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    return this.code.let(value);
  }
  x(register: 'rs1' | 'rs2'): I64 {
    this.readsX.add(register);
    return this.code.local('i64').get;
  }
  setX(): void {
    this.writesX = true;
  }
  imm(): I64 {
    return i64.const(0n);
  }
  number(_field: FieldName): I32 {
    return i32.const(0);
  }
  pc(): I64 {
    return i64.const(0n);
  }
  link(): I64 {
    return i64.const(0n);
  }
  #access(): I64 {
    this.leaves = this.accesses = true;
    return this.code.local('i64').get;
  }
  load(_width: LoadWidth, _address: I64): I64 {
    this.loads = true;
    return this.#access();
  }
  store(_width: StoreWidth, _address: I64, _value: I64): void {
    this.stores = true;
    this.#access();
  }
  branch(_condition: I32): void {
    this.control = 'branch';
  }
  jump(): void {
    this.control = 'jump';
  }
  jumpTo(_address: I64): void {
    this.control = 'jumpTo';
  }
  raise(): void {
    throw new Untranslatable();
  }
  loadReserved(_width: AtomicWidth, _address: I64): I64 {
    return this.#access();
  }
  storeConditional(_width: AtomicWidth, _address: I64, _value: I64): I64 {
    return this.#access();
  }
  amo(_kind: AmoKind, _width: AtomicWidth, _address: I64, _value: I64): I64 {
    return this.#access();
  }
  fence(): void {}
  csr(): I64 {
    throw new Untranslatable();
  }
  system(): void {
    throw new Untranslatable();
  }
  sfenceVma(): void {
    throw new Untranslatable();
  }
  requireCacheZero(): void {
    this.leaves = true;
  }
  requireFp(): void {
    this.leaves = true;
  }
  f(register: 'rs1' | 'rs2' | 'rs3'): I64 {
    this.readsF.add(register);
    return this.code.local('i64').get;
  }
  setF(): void {
    this.writesF = true;
  }
  unbox(bits: I64): I32 {
    return i32.wrap(bits);
  }
  roundingMode(): I32 {
    this.leaves = true;
    return i32.const(0);
  }
  fp<R extends ValueType>(name: string, result: R, ...args: Expr[]): Expr<R> {
    this.calls.push({ name: `fp_${name}`, params: ['i32', ...args.map((arg) => arg.type)], result });
    return zero[result] as Expr<R>;
  }
  fpDirty(): void {}
}

const known = new Map<Instruction, Effects | undefined>();

/** Undefined: the interpreter alone executes it. */
export function effectsOf(instruction: Instruction): Effects | undefined {
  if (known.has(instruction)) return known.get(instruction);
  const effects = listen(instruction);
  known.set(instruction, effects);
  return effects;
}

function listen(instruction: Instruction): Effects | undefined {
  const listener = new Listener();
  try {
    instruction.meaning(listener);
  } catch (error) {
    if (error instanceof Untranslatable) return undefined;
    throw error;
  }
  const { writesX, writesF, leaves, accesses, loads, stores, control, calls } = listener;
  const [readsX, readsF] = [[...listener.readsX], [...listener.readsF]];
  return { readsX, readsF, writesX, writesF, leaves, accesses, loads, stores, control, calls };
}
