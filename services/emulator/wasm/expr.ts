// Typed WebAssembly expressions. An expression is an immutable tree that is written out where a statement uses it
// (code.ts): it is evaluated there, each time it is used. Use Code.let to evaluate once and name the value.

import type { Bytes } from './bytes.ts';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64';

export const TYPE_CODE: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c };

/** Where and how a memory instruction reaches: memory index, alignment (log2), constant offset. */
interface MemoryArgument {
  readonly memory: number;
  readonly align: number;
  readonly offset: number;
}

type Immediate =
  | { readonly kind: 'none' }
  | { readonly kind: 'index'; readonly value: number }
  | { readonly kind: 'indirect'; readonly type: number; readonly table: number }
  | { readonly kind: 's32'; readonly value: number }
  | { readonly kind: 's64'; readonly value: bigint }
  | { readonly kind: 'f32' | 'f64'; readonly value: number }
  | { readonly kind: 'memory'; readonly value: MemoryArgument }
  | { readonly kind: 'if' }
  | { readonly kind: 'lanes'; readonly splat: number; readonly op: number; readonly extract: number };

const NONE: Immediate = { kind: 'none' };

/** One node. `op` is the opcode; with a prefix byte (0xfc, 0xfe) as prefix << 8 | code. */
export class Expr<T extends ValueType = ValueType> {
  readonly type: T;
  readonly op: number;
  readonly args: readonly Expr[];
  readonly immediate: Immediate;

  constructor(type: T, op: number, args: readonly Expr[], immediate: Immediate = NONE) {
    this.type = type;
    this.op = op;
    this.args = args;
    this.immediate = immediate;
  }

  /** The value of a constant i32 or i64, or undefined. */
  get constant(): number | bigint | undefined {
    const { immediate } = this;
    return immediate.kind === 's32' || immediate.kind === 's64' ? immediate.value : undefined;
  }
}

export type I32 = Expr<'i32'>;
export type I64 = Expr<'i64'>;
export type F32 = Expr<'f32'>;
export type F64 = Expr<'f64'>;

export function writeOp(out: Bytes, op: number): void {
  if (op > 0xff) {
    out.byte(op >> 8);
    out.u32(op & 0xff);
  } else {
    out.byte(op);
  }
}

function writeVectorOp(out: Bytes, op: number): void {
  out.byte(0xfd);
  out.u32(op);
}

export function writeMemoryArgument(out: Bytes, argument: MemoryArgument): void {
  if (argument.memory === 0) {
    out.byte(argument.align);
  } else {
    out.byte(argument.align | 0x40);
    out.u32(argument.memory);
  }
  out.u32(argument.offset);
}

/** Writes the code that leaves the value of `expr` on the stack. */
export function writeExpr(out: Bytes, expr: Expr): void {
  const { args, immediate } = expr;
  if (immediate.kind === 'if') {
    writeExpr(out, args[0]!);
    out.byte(0x04);
    out.byte(TYPE_CODE[expr.type]);
    writeExpr(out, args[1]!);
    out.byte(0x05);
    writeExpr(out, args[2]!);
    out.byte(0x0b);
    return;
  }
  if (immediate.kind === 'lanes') {
    for (const arg of args) {
      writeExpr(out, arg);
      writeVectorOp(out, immediate.splat);
    }
    writeVectorOp(out, immediate.op);
    writeVectorOp(out, immediate.extract);
    out.byte(0);
    return;
  }
  for (let i = 0; i < args.length; i++) writeExpr(out, args[i]!);
  writeOp(out, expr.op);
  switch (immediate.kind) {
    case 'none':
      break;
    case 'index':
      out.u32(immediate.value);
      break;
    case 'indirect':
      out.u32(immediate.type);
      out.u32(immediate.table);
      break;
    case 's32':
      out.s32(immediate.value);
      break;
    case 's64':
      out.s64(immediate.value);
      break;
    case 'f32':
      out.f32(immediate.value);
      break;
    case 'f64':
      out.f64(immediate.value);
      break;
    case 'memory':
      writeMemoryArgument(out, immediate.value);
      break;
  }
}

type A32 = I32 | number;
type A64 = I64 | bigint | number;

const c32 = (a: A32): I32 => (typeof a === 'number' ? new Expr('i32', 0x41, [], { kind: 's32', value: a | 0 }) : a);
/** Small constants are one node each. */
const SMALL: I64[] = [];
const SMALL_FROM = -64;
const SMALL_TO = 128;

const c64 = (a: A64): I64 => {
  if (typeof a === 'object') return a;
  const small = SMALL[Number(a) - SMALL_FROM];
  if (small) return small;
  return new Expr('i64', 0x42, [], { kind: 's64', value: BigInt.asIntN(64, BigInt(a)) });
};

const bin32 =
  (op: number) =>
  (a: A32, b: A32): I32 =>
    new Expr('i32', op, [c32(a), c32(b)]);
const un32 =
  (op: number) =>
  (a: A32): I32 =>
    new Expr('i32', op, [c32(a)]);
const bin64 =
  (op: number) =>
  (a: A64, b: A64): I64 =>
    new Expr('i64', op, [c64(a), c64(b)]);
const cmp64 =
  (op: number) =>
  (a: A64, b: A64): I32 =>
    new Expr('i32', op, [c64(a), c64(b)]);
const un64 =
  (op: number) =>
  (a: A64): I64 =>
    new Expr('i64', op, [c64(a)]);
const un =
  <T extends ValueType>(type: T, op: number) =>
  (a: Expr): Expr<T> =>
    new Expr(type, op, [a]);
/** A reinterpretation; that of the opposite one is the value itself. */
const again =
  <T extends ValueType>(type: T, op: number, opposite: number) =>
  (a: Expr): Expr<T> =>
    a.op === opposite ? (a.args[0] as Expr<T>) : new Expr(type, op, [a]);
const binF =
  <T extends 'f32' | 'f64'>(type: T, op: number) =>
  (a: Expr<T>, b: Expr<T>): Expr<T> =>
    new Expr(type, op, [a, b]);
const cmpF =
  <T extends 'f32' | 'f64'>(op: number) =>
  (a: Expr<T>, b: Expr<T>): I32 =>
    new Expr('i32', op, [a, b]);

export const i32 = {
  const: (value: number): I32 => c32(value),
  eqz: un32(0x45),
  eq: bin32(0x46),
  ne: bin32(0x47),
  ltS: bin32(0x48),
  ltU: bin32(0x49),
  gtS: bin32(0x4a),
  gtU: bin32(0x4b),
  leS: bin32(0x4c),
  leU: bin32(0x4d),
  geS: bin32(0x4e),
  geU: bin32(0x4f),
  clz: un32(0x67),
  ctz: un32(0x68),
  popcnt: un32(0x69),
  add: bin32(0x6a),
  sub: bin32(0x6b),
  mul: bin32(0x6c),
  divS: bin32(0x6d),
  divU: bin32(0x6e),
  remS: bin32(0x6f),
  remU: bin32(0x70),
  and: bin32(0x71),
  or: bin32(0x72),
  xor: bin32(0x73),
  shl: bin32(0x74),
  shrS: bin32(0x75),
  shrU: bin32(0x76),
  rotl: bin32(0x77),
  rotr: bin32(0x78),
  wrap: (a: I64): I32 => new Expr('i32', 0xa7, [a]),
  extend8S: un32(0xc0),
  extend16S: un32(0xc1),
  reinterpret: again('i32', 0xbc, 0xbe) as (a: F32) => I32,
};

for (let i = SMALL_FROM; i < SMALL_TO; i++) {
  SMALL.push(new Expr('i64', 0x42, [], { kind: 's64', value: BigInt(i) }));
}

/** Sums of constants are constants, and 0 adds nothing: what instructions on x0 come to. */
function foldAdd(a: A64, b: A64): I64 {
  const [x, y] = [c64(a), c64(b)];
  const [p, q] = [x.constant, y.constant];
  if (p !== undefined && q !== undefined) return c64(BigInt(p) + BigInt(q));
  if (p === 0n) return y;
  if (q === 0n) return x;
  return new Expr('i64', 0x7c, [x, y]);
}

export const i64 = {
  const: (value: bigint | number): I64 => c64(value),
  eqz: (a: A64): I32 => new Expr('i32', 0x50, [c64(a)]),
  eq: cmp64(0x51),
  ne: cmp64(0x52),
  ltS: cmp64(0x53),
  ltU: cmp64(0x54),
  gtS: cmp64(0x55),
  gtU: cmp64(0x56),
  leS: cmp64(0x57),
  leU: cmp64(0x58),
  geS: cmp64(0x59),
  geU: cmp64(0x5a),
  clz: un64(0x79),
  ctz: un64(0x7a),
  popcnt: un64(0x7b),
  add: foldAdd,
  sub: bin64(0x7d),
  mul: bin64(0x7e),
  divS: bin64(0x7f),
  divU: bin64(0x80),
  remS: bin64(0x81),
  remU: bin64(0x82),
  and: bin64(0x83),
  or: bin64(0x84),
  xor: bin64(0x85),
  shl: bin64(0x86),
  shrS: bin64(0x87),
  shrU: bin64(0x88),
  rotl: bin64(0x89),
  rotr: bin64(0x8a),
  extendS: (a: I32): I64 => new Expr('i64', 0xac, [a]),
  extendU: (a: I32): I64 => new Expr('i64', 0xad, [a]),
  extend8S: un64(0xc2),
  extend16S: un64(0xc3),
  extend32S: un64(0xc4),
  reinterpret: again('i64', 0xbd, 0xbf) as (a: F64) => I64,
};

export const f32 = {
  const: (value: number): F32 => new Expr('f32', 0x43, [], { kind: 'f32', value }),
  eq: cmpF<'f32'>(0x5b),
  lt: cmpF<'f32'>(0x5d),
  le: cmpF<'f32'>(0x5f),
  abs: un('f32', 0x8b) as (a: F32) => F32,
  neg: un('f32', 0x8c) as (a: F32) => F32,
  sqrt: un('f32', 0x91) as (a: F32) => F32,
  add: binF('f32', 0x92),
  sub: binF('f32', 0x93),
  mul: binF('f32', 0x94),
  div: binF('f32', 0x95),
  min: binF('f32', 0x96),
  max: binF('f32', 0x97),
  ne: cmpF<'f32'>(0x5c),
  ge: cmpF<'f32'>(0x60),
  fromI32S: un('f32', 0xb2) as (a: I32) => F32,
  fromI32U: un('f32', 0xb3) as (a: I32) => F32,
  fromI64S: un('f32', 0xb4) as (a: I64) => F32,
  fromI64U: un('f32', 0xb5) as (a: I64) => F32,
  demote: un('f32', 0xb6) as (a: F64) => F32,
  reinterpret: again('f32', 0xbe, 0xbc) as (a: I32) => F32,
};

export const f64 = {
  const: (value: number): F64 => new Expr('f64', 0x44, [], { kind: 'f64', value }),
  eq: cmpF<'f64'>(0x61),
  ne: cmpF<'f64'>(0x62),
  lt: cmpF<'f64'>(0x63),
  le: cmpF<'f64'>(0x65),
  gt: cmpF<'f64'>(0x64),
  ge: cmpF<'f64'>(0x66),
  abs: un('f64', 0x99) as (a: F64) => F64,
  neg: un('f64', 0x9a) as (a: F64) => F64,
  ceil: un('f64', 0x9b) as (a: F64) => F64,
  floor: un('f64', 0x9c) as (a: F64) => F64,
  trunc: un('f64', 0x9d) as (a: F64) => F64,
  nearest: un('f64', 0x9e) as (a: F64) => F64,
  sqrt: un('f64', 0x9f) as (a: F64) => F64,
  add: binF('f64', 0xa0),
  sub: binF('f64', 0xa1),
  mul: binF('f64', 0xa2),
  div: binF('f64', 0xa3),
  min: binF('f64', 0xa4),
  max: binF('f64', 0xa5),
  fromI32S: un('f64', 0xb7) as (a: I32) => F64,
  fromI32U: un('f64', 0xb8) as (a: I32) => F64,
  fromI64S: un('f64', 0xb9) as (a: I64) => F64,
  fromI64U: un('f64', 0xba) as (a: I64) => F64,
  promote: un('f64', 0xbb) as (a: F32) => F64,
  reinterpret: again('f64', 0xbf, 0xbd) as (a: I64) => F64,
};

/** Saturating conversions: never trap (spec: trunc_sat). */
export const truncSat = {
  i32FromF64S: un('i32', 0xfc02) as (a: F64) => I32,
  i32FromF64U: un('i32', 0xfc03) as (a: F64) => I32,
  i64FromF64S: un('i64', 0xfc06) as (a: F64) => I64,
  i64FromF64U: un('i64', 0xfc07) as (a: F64) => I64,
};

/**
 * a * b + c by relaxed SIMD (lane 0 of three vectors): rounded once where the host's processor has the instruction, twice
 * elsewhere, and always the same on one host. See fp/fused.ts.
 */
export const relaxedMadd = {
  f32: (a: F32, b: F32, c: F32): F32 =>
    new Expr('f32', 0xfd, [a, b, c], { kind: 'lanes', splat: 0x13, op: 0x105, extract: 0x1f }),
  f64: (a: F64, b: F64, c: F64): F64 =>
    new Expr('f64', 0xfd, [a, b, c], { kind: 'lanes', splat: 0x14, op: 0x107, extract: 0x21 }),
};

/** Both values are evaluated; the first if `condition` is not zero. */
export const select = <T extends ValueType>(condition: I32, then: Expr<T>, otherwise: Expr<T>): Expr<T> =>
  new Expr(then.type, 0x1b, [then, otherwise, condition]);

/** Only the chosen value is evaluated. */
export const choose = <T extends ValueType>(condition: I32, then: Expr<T>, otherwise: Expr<T>): Expr<T> =>
  new Expr(then.type, 0x04, [condition, then, otherwise], { kind: 'if' });

/** [opcode, alignment, value type] of each width of load; `u`/`s`: zero- or sign-extended. */
const LOADS = {
  i32: [0x28, 2, 'i32'],
  i64: [0x29, 3, 'i64'],
  f32: [0x2a, 2, 'f32'],
  f64: [0x2b, 3, 'f64'],
  i32_8s: [0x2c, 0, 'i32'],
  i32_8u: [0x2d, 0, 'i32'],
  i32_16s: [0x2e, 1, 'i32'],
  i32_16u: [0x2f, 1, 'i32'],
  i64_8s: [0x30, 0, 'i64'],
  i64_8u: [0x31, 0, 'i64'],
  i64_16s: [0x32, 1, 'i64'],
  i64_16u: [0x33, 1, 'i64'],
  i64_32s: [0x34, 2, 'i64'],
  i64_32u: [0x35, 2, 'i64'],
} as const;

const STORES = {
  i32: [0x36, 2],
  i64: [0x37, 3],
  f32: [0x38, 2],
  f64: [0x39, 3],
  i32_8: [0x3a, 0],
  i32_16: [0x3b, 1],
  i64_8: [0x3c, 0],
  i64_16: [0x3d, 1],
  i64_32: [0x3e, 2],
} as const;

export type LoadKind = keyof typeof LOADS;
export type StoreKind = keyof typeof STORES;
export type LoadType<K extends LoadKind> = (typeof LOADS)[K][2];
export type AtomicWidth = 'i32' | 'i64';
export type AtomicUpdate = 'add' | 'sub' | 'and' | 'or' | 'xor' | 'xchg';

const ATOMIC_UPDATES: Readonly<Record<AtomicUpdate, number>> = {
  add: 0xfe1e,
  sub: 0xfe25,
  and: 0xfe2c,
  or: 0xfe33,
  xor: 0xfe3a,
  xchg: 0xfe41,
};

/** One of the module's memories. Plain accesses need no alignment; atomic ones trap without it. */
export class MemoryRef {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }

  #at(align: number, offset: number): Immediate {
    return { kind: 'memory', value: { memory: this.index, align, offset } };
  }

  load<K extends LoadKind>(kind: K, address: A32, offset = 0): Expr<LoadType<K>> {
    const [op, , type] = LOADS[kind];
    return new Expr(type as LoadType<K>, op, [c32(address)], this.#at(0, offset));
  }

  /** The opcode and argument of a store: Code.store writes it. */
  storeOp(kind: StoreKind, offset: number): { op: number; argument: MemoryArgument } {
    return { op: STORES[kind][0], argument: { memory: this.index, align: 0, offset } };
  }

  atomicLoad<T extends AtomicWidth>(type: T, address: A32, offset = 0): Expr<T> {
    const wide = type === 'i64';
    return new Expr(type, wide ? 0xfe11 : 0xfe10, [c32(address)], this.#at(wide ? 3 : 2, offset));
  }

  /** The old value. */
  atomicUpdate<T extends AtomicWidth>(type: T, update: AtomicUpdate, address: A32, value: Expr<T>): Expr<T> {
    const wide = type === 'i64';
    return new Expr(type, ATOMIC_UPDATES[update] + (wide ? 1 : 0), [c32(address), value], this.#at(wide ? 3 : 2, 0));
  }

  /** The old value; stored only where that equals `expected`. */
  atomicCompareExchange<T extends AtomicWidth>(type: T, address: A32, expected: Expr<T>, value: Expr<T>): Expr<T> {
    const wide = type === 'i64';
    return new Expr(type, wide ? 0xfe49 : 0xfe48, [c32(address), expected, value], this.#at(wide ? 3 : 2, 0));
  }
}
