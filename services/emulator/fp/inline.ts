// Floating-point operations as code in place: WebAssembly's own instructions where these give what RISC-V asks for, and a
// call of the complete function (fp_<name>, soft.ts and fast.ts) where they might not. Exact in value and in flags.
//
// WebAssembly rounds to nearest even and raises no flags. A rounded result may stand where the mode is RNE, NX is set
// already (it is sticky; a program's first inexact result sets it), and the result is ordinary: neither tiny (no UF), nor
// huge, infinite or NaN (no OF, DZ, NV, no NaN to make canonical). All of that is one comparison: the result's exponent
// against a limit that is 0 as long as NX is clear or the mode is another.
//
// For a translator. Emit.fp(name, result, ...args) is inlineFp(site, name, result, args): it returns the value and takes
// every name. What it inlines best:
//   - the mode as a constant, where the instruction's rm field is static; else an expression of frm (0 to 4)
//   - the limit in a local: LIMIT where NX is set (and, for a dynamic mode, frm is 0), else 0. frm cannot change within a
//     region, NX can only be set, and only within `call`: compute it on entry, and again after each call
//   - f registers in f64 locals: f() is i64.reinterpret(local), setF sets f64.reinterpret(value). Pairs of
//     reinterpretations cancel as the expressions are built, so doubles stay in floating-point registers. Locals, loads and
//     stores of f64 keep all bits of a NaN (core spec 4.3.3: only arithmetic does not)

import type { Linkage } from '../hart/runtime.ts';
import type { Code, Label, Local } from '../wasm/code.ts';
import {
  type Expr,
  type F32,
  type F64,
  f32,
  f64,
  type I32,
  type I64,
  i32,
  i64,
  relaxedMadd,
  truncSat,
  type ValueType,
} from '../wasm/expr.ts';
import { HOST_FUSES } from './fused.ts';

const NX = 1;
const RNE = 0;

/** Exponent fields of doubles from 2 to LIMIT + 1 are ordinary; an eighth of it holds for singles (2 to 254). */
export const LIMIT = 0xfd << 3;

export interface FpSite {
  readonly code: Code;
  /** The host fuses (fused.ts): a fused multiply-add is one instruction. */
  readonly fuses: boolean;
  /** LIMIT where the mode is RNE and NX is set, else 0. */
  limit(mode: I32): I32;
  /** Not zero where NX is set. */
  inexact(): I32;
  /** Calls the complete function fp_<name>(h, ...args). It may set flags. */
  call<R extends ValueType>(name: string, result: R, args: readonly Expr[]): Expr<R>;
}

/** A site that keeps nothing: all is read from the hart's words. */
export function plainSite(rt: Linkage, code: Code, h: I32): FpSite {
  const inexact = (): I32 => i32.and(rt.word32(h, 'fflags'), NX);
  return {
    code,
    fuses: HOST_FUSES,
    inexact,
    limit: (mode) => {
      const nearest = i32.mul(inexact(), LIMIT);
      if (mode.constant !== undefined) return mode.constant === RNE ? nearest : i32.const(0);
      return i32.mul(i32.eqz(mode), nearest);
    },
    call: (name, _result, args) => rt.fn(`fp_${name}`).call(h, ...args) as never,
  };
}

/** The value of an operation; `args` are those of fp_<name> without h. */
export function inlineFp<R extends ValueType>(site: FpSite, name: string, result: R, args: readonly Expr[]): Expr<R> {
  const inlined = OPERATIONS[name]?.(site, args);
  return (inlined ?? site.code.let(site.call(name, result, args))) as Expr<R>;
}

/** Undefined: there is nothing to inline. */
type Operation = (site: FpSite, args: readonly Expr[]) => Expr | undefined;

const SIGN = 1n << 63n;
const FRACTION = (1n << 52n) - 1n;
const ONE = 1n << 52n;

const isNegation = (e: Expr, sign: bigint): boolean =>
  e.op === OP_XOR64 && e.args[1]!.constant !== undefined && BigInt.asUintN(64, BigInt(e.args[1]!.constant)) === sign;
const OP_XOR64 = i64.xor(0n, 0n).op;
const OP_OR64 = i64.or(0n, 0n).op;
const BOX = 0xffff_ffff_0000_0000n;
const OP_EXTEND = i64.extendU(i32.const(0)).op;

/** The value of a double's bits; a flipped sign bit is a negation. */
const double = (bits: Expr): F64 =>
  isNegation(bits, SIGN) ? f64.neg(double(bits.args[0]!)) : f64.reinterpret(bits as I64);

/** The value of a single's bits, which are the low half of an i64. */
function single(bits: Expr): F32 {
  if (isNegation(bits, 1n << 31n)) return f32.neg(single(bits.args[0]!));
  return f32.reinterpret(bits.op === OP_EXTEND ? (bits.args[0] as I32) : i32.wrap(bits as I64));
}

/** The value of a single that is put into its NaN box; undefined where these bits are no such thing. */
export function boxedSingle(bits: I64): F32 | undefined {
  const [value, box] = bits.args;
  const boxes = bits.op === OP_OR64 && box!.constant !== undefined && BigInt.asUintN(64, BigInt(box!.constant)) === BOX;
  return boxes ? single(value!) : undefined;
}

const bitsOfSingle = (value: F32): I64 => i64.extendU(i32.reinterpret(value));

/** True, false, or known only at run time. */
const known = (value: Expr): number | undefined => (value.constant === undefined ? undefined : Number(value.constant));

/** `fast` branches to `fail` where its value may not stand; `slow` is the value then. */
function guarded<T extends ValueType>(
  site: FpSite,
  fast: (fail: Label, out: (value: Expr<T>) => void) => void,
  type: T,
  slow: () => Expr<T>,
): Local<T> {
  const { code } = site;
  const value = code.local(type);
  code.block((done) => {
    code.block((fail) => {
      fast(fail, (result) => code.set(value, result));
      code.br(done);
    });
    code.set(value, slow());
  });
  return value;
}

const exponent = (bits: I64): I32 => i32.and(i32.wrap(i64.shrU(bits, 52n)), 0x7ff);
const strange64 = (value: F64, limit: I32): I32 => i32.geU(i32.sub(exponent(i64.reinterpret(value)), 2), limit);
const strange32 = (value: F32, limit: I32): I32 =>
  i32.geU(i32.sub(i32.and(i32.shrU(i32.reinterpret(value), 23), 0xff), 2), i32.shrU(limit, 3));

/** A double that is rounded: stands where it is ordinary. */
function rounded64(site: FpSite, limit: I32, value: (fail: Label) => F64, slow: () => I64): I64 {
  const { code } = site;
  const result = guarded(
    site,
    (fail, out) => {
      const r = code.let(value(fail));
      out(r);
      code.brIf(fail, strange64(r, limit));
    },
    'f64',
    () => f64.reinterpret(slow()),
  );
  return i64.reinterpret(result.get);
}

function rounded32(site: FpSite, limit: I32, value: (fail: Label) => F32, slow: () => I64): I64 {
  const { code } = site;
  const result = guarded(
    site,
    (fail, out) => {
      const r = code.let(value(fail));
      out(r);
      code.brIf(fail, strange32(r, limit));
    },
    'f32',
    () => single(slow()),
  );
  return bitsOfSingle(result.get);
}

/** Operands are used twice: by the fast way and by the call. */
const fixed = (site: FpSite, args: readonly Expr[], count: number): Expr[] =>
  args.map((arg, i) => (i < count ? keep(site, arg) : arg));

/** Evaluates what is more than a register once, below the reinterpretations and signs that `double` sees through. */
function keep(site: FpSite, value: Expr): Expr {
  if (value.args.length === 0) return site.code.let(value);
  if (value.op === OP_EXTEND || value.op === OP_REINTERPRET64 || value.op === OP_REINTERPRET32) {
    return rebuild(value, keep(site, value.args[0]!));
  }
  if (isNegation(value, SIGN) || isNegation(value, 1n << 31n)) return rebuild(value, keep(site, value.args[0]!));
  return site.code.let(value);
}
const OP_REINTERPRET64 = i64.reinterpret(f64.const(0)).op;
const OP_REINTERPRET32 = i32.reinterpret(f32.const(0)).op;
const rebuild = (value: Expr, first: Expr): Expr =>
  ({
    [OP_EXTEND]: () => i64.extendU(first as I32),
    [OP_REINTERPRET64]: () => i64.reinterpret(first as F64),
    [OP_REINTERPRET32]: () => i32.reinterpret(first as F32),
    [OP_XOR64]: () => i64.xor(first as I64, value.args[1] as I64),
  })[value.op]!();

const isDouble = (format: Expr): boolean => known(format) === 1;

const binary =
  (name: string, wide: (a: F64, b: F64) => F64, narrow: (a: F32, b: F32) => F32): Operation =>
  (site, args) => {
    const limit = site.limit(args[2] as I32);
    if (known(limit) === 0) return undefined;
    const [a, b, ...rest] = fixed(site, args, 2) as [Expr, Expr, ...Expr[]];
    const slow = (): I64 => site.call(name, 'i64', [a, b, ...rest]);
    return isDouble(args[3]!)
      ? rounded64(site, limit, () => wide(double(a), double(b)), slow)
      : rounded32(site, limit, () => narrow(single(a), single(b)), slow);
  };

const sqrt: Operation = (site, args) => {
  const limit = site.limit(args[1] as I32);
  if (known(limit) === 0) return undefined;
  const [a, ...rest] = fixed(site, args, 1) as [Expr, ...Expr[]];
  const slow = (): I64 => site.call('sqrt', 'i64', [a, ...rest]);
  return isDouble(args[2]!)
    ? rounded64(site, limit, () => f64.sqrt(double(a)), slow)
    : rounded32(site, limit, () => f32.sqrt(single(a)), slow);
};

const fma: Operation = (site, args) => {
  const limit = site.limit(args[3] as I32);
  if (known(limit) === 0) return undefined;
  const [a, b, c, ...rest] = fixed(site, args, 3) as [Expr, Expr, Expr, ...Expr[]];
  const slow = (): I64 => site.call('fma', 'i64', [a, b, c, ...rest]);
  if (site.fuses) {
    return isDouble(args[4]!)
      ? rounded64(site, limit, () => relaxedMadd.f64(double(a), double(b), double(c)), slow)
      : rounded32(site, limit, () => relaxedMadd.f32(single(a), single(b), single(c)), slow);
  }
  if (isDouble(args[4]!)) {
    return rounded64(site, limit, (fail) => fma64(site.code, double(a), double(b), double(c), fail), slow);
  }
  return rounded32(site, limit, (fail) => fma32(site.code, single(a), single(b), single(c), fail), slow);
};

/**
 * a * b + c of singles. Doubles hold the product exactly, and their sum is rounded once more, to a single: that is the
 * result unless the sum fell on the middle between two singles, where what was lost before would decide.
 */
export function fma32(code: Code, a: F32, b: F32, c: F32, fail: Label): F32 {
  const sum = code.let(f64.add(f64.mul(f64.promote(a), f64.promote(b)), f64.promote(c)));
  code.brIf(fail, i32.eq(i32.and(i32.wrap(i64.reinterpret(sum)), 0x1fff_ffff), 0x1000_0000));
  return f32.demote(sum);
}

/**
 * a * b + c of doubles, rounded once: the product and what rounding took from it, the sum and what rounding took from it,
 * then everything together. Fails where the last two roundings might give another result than one would.
 */
export function fma64(code: Code, a: F64, b: F64, c: F64, fail: Label): F64 {
  const [x, y, z] = [code.let(a), code.let(b), code.let(c)];
  const product = code.let(f64.mul(x, y));
  const sum = code.let(f64.add(product, z));
  const [xBits, yBits, pBits] = [x, y, product].map((value) => code.let(i64.reinterpret(value))) as [I64, I64, I64];
  // Significands are integers of 53 bits, and the product of two an integer of up to 106 in units of 2^unit (an exponent
  // field too). Of the rounded product's distance to it, below 2^53, the low 64 bits say all.
  const [ex, ey] = [code.let(exponent(xBits)), code.let(exponent(yBits))];
  const unit = code.let(i32.sub(i32.add(ex, ey), 1127));
  const normal = i32.or(i32.or(i32.sub(ex, 1), i32.sub(ey, 1)), i32.sub(unit, 1));
  code.brIf(fail, i32.ltS(normal, 0));
  const significand = (bits: I64): I64 => i64.or(i64.and(bits, FRACTION), ONE);
  const shift = i64.extendU(i32.sub(i32.sub(exponent(pBits), unit), 52));
  const rest = code.let(i64.sub(i64.mul(significand(xBits), significand(yBits)), i64.shl(significand(pBits), shift)));
  const scale = f64.reinterpret(i64.or(i64.shl(i64.extendU(unit), 52n), i64.and(pBits, SIGN)));
  const lostOfProduct = f64.mul(f64.fromI64S(rest), scale);
  // Knuth's TwoSum.
  const zRounded = code.let(f64.sub(sum, product));
  const lostOfSum = f64.add(f64.sub(product, f64.sub(sum, zRounded)), f64.sub(z, zRounded));
  const tail = code.let(f64.add(lostOfSum, lostOfProduct));
  // With an exact product the tail is exact. Else it is within a factor of 1 +- 2^-53: where both ends of a wider range
  // give the same sum, every value between them does.
  code.if(i64.ne(rest, 0n), () => {
    const [low, high] = [f64.mul(tail, f64.const(1 - 2 ** -51)), f64.mul(tail, f64.const(1 + 2 ** -51))];
    code.brIf(fail, f64.ne(f64.add(sum, low), f64.add(sum, high)));
  });
  return f64.add(sum, tail);
}

/** NaN is the only operand that a comparison has flags for. `ordered`: holds or its opposite does. */
const compare =
  (name: string, wide: readonly [(a: F64, b: F64) => I32, (a: F64, b: F64) => I32]): Operation =>
  (site, args) => {
    const { code } = site;
    const [a, b, format] = fixed(site, args, 2) as [Expr, Expr, Expr];
    const value = (bits: Expr): F64 => (isDouble(format) ? double(bits) : f64.promote(single(bits)));
    const [x, y] = [code.let(value(a)), code.let(value(b))];
    const holds = code.var(wide[0](x, y));
    code.if(i32.eqz(i32.or(holds.get, wide[1](x, y))), () => code.set(holds, site.call(name, 'i32', [a, b, format])));
    return holds.get;
  };
const unequalButOrdered = (a: F64, b: F64): I32 => i32.or(f64.lt(a, b), f64.gt(a, b));

/** The result is NaN where an operand is; of zeros, both orders -0 below 0. */
const minMax: Operation = (site, args) => {
  const { code } = site;
  const [a, b, greatest, format] = fixed(site, args, 2) as [Expr, Expr, Expr, Expr];
  const call = (): I64 => site.call('minMax', 'i64', [a, b, greatest, format]);
  const max = known(greatest) === 1;
  if (isDouble(format)) {
    const r = code.var((max ? f64.max : f64.min)(double(a), double(b)));
    code.if(f64.ne(r.get, r.get), () => code.set(r, f64.reinterpret(call())));
    return i64.reinterpret(r.get);
  }
  const r = code.var((max ? f32.max : f32.min)(single(a), single(b)));
  code.if(f32.ne(r.get, r.get), () => code.set(r, single(call())));
  return bitsOfSingle(r.get);
};

/** (bits, mode, from, to) */
const convert: Operation = (site, args) => {
  const { code } = site;
  const [bits, mode, from, to] = args as [Expr, I32, Expr, Expr];
  if (isDouble(from)) {
    const limit = site.limit(mode);
    if (known(limit) === 0) return undefined;
    const a = keep(site, bits);
    return rounded32(
      site,
      limit,
      () => f32.demote(double(a)),
      () => site.call('convert', 'i64', [a, mode, from, to]),
    );
  }
  // Exact, but for NaNs.
  const a = keep(site, bits);
  const r = code.var(f64.promote(single(a)));
  code.if(f64.ne(r.get, r.get), () => code.set(r, f64.reinterpret(site.call('convert', 'i64', [a, mode, from, to]))));
  return i64.reinterpret(r.get);
};

/** (integer, type: 0 w, 1 wu, 2 l, 3 lu; mode, format) */
const fromInteger: Operation = (site, args) => {
  const { code } = site;
  const [bits, typeBits, mode, format] = args as [I64, I64, I32, Expr];
  const type = known(typeBits)!;
  const wide = isDouble(format);
  const low = (): I32 => i32.wrap(bits);
  if (wide && type < 2) return i64.reinterpret(type === 0 ? f64.fromI32S(low()) : f64.fromI32U(low()));
  const limit = site.limit(mode);
  const x = keep(site, bits) as I64;
  const integer = type === 0 ? i64.extend32S(x) : type === 1 ? i64.and(x, 0xffff_ffffn) : x;
  // What the significand holds needs no rounding, in any mode. Zero is 0, not -0.
  const size = wide ? 53n : 24n;
  const exact = type === 3 ? i64.ltU(x, 1n << size) : i64.ltU(i64.add(integer, 1n << size), 1n << (size + 1n));
  const rounds = known(limit) === 0 ? exact : i32.or(exact, limit);
  const slow = (): I64 => site.call('fromInteger', 'i64', [x, typeBits, mode, format]);
  if (wide) {
    const r = guarded(
      site,
      (fail, out) => {
        code.brIf(fail, i32.eqz(rounds));
        out(type === 3 ? f64.fromI64U(x) : f64.fromI64S(x));
      },
      'f64',
      () => f64.reinterpret(slow()),
    );
    return i64.reinterpret(r.get);
  }
  const r = guarded(
    site,
    (fail, out) => {
      code.brIf(fail, i32.eqz(rounds));
      out(type === 3 ? f32.fromI64U(x) : f32.fromI64S(integer));
    },
    'f32',
    () => single(slow()),
  );
  return bitsOfSingle(r.get);
};

/** By mode: to an integral value. RMM has no instruction. */
const TO_INTEGRAL: readonly ((value: F64) => F64)[] = [f64.nearest, f64.trunc, f64.floor, f64.ceil];
/** By type: the integral values that it holds, as the least one and the one behind the greatest. */
const RANGE: readonly (readonly [number, number])[] = [
  [-(2 ** 31), 2 ** 31],
  [0, 2 ** 32],
  [-(2 ** 63), 2 ** 63],
  [0, 2 ** 64],
];

/** (bits, type, mode, format) -> the integer, a word sign-extended. */
const toInteger: Operation = (site, args) => {
  const { code } = site;
  const [bits, typeBits, mode, format] = args as [Expr, I64, I32, Expr];
  const type = known(typeBits)!;
  const fixedMode = known(mode);
  // A mode that is known at run time only is taken for RNE, or else left to the function.
  const integral = TO_INTEGRAL[fixedMode ?? RNE];
  if (!integral) return undefined;
  const a = keep(site, bits);
  const [least, end] = RANGE[type]!;
  const result = guarded(
    site,
    (fail, out) => {
      if (fixedMode === undefined) code.brIf(fail, mode);
      const value = code.let(isDouble(format) ? double(a) : f64.promote(single(a)));
      const whole = code.let(integral(value));
      // NaNs are in no range.
      code.brIf(fail, i32.eqz(i32.and(f64.ge(whole, f64.const(least)), f64.lt(whole, f64.const(end)))));
      code.brIf(fail, i32.eqz(i32.or(f64.eq(whole, value), site.inexact())));
      if (type === 3) out(truncSat.i64FromF64U(whole));
      else if (type === 1) out(i64.extendS(truncSat.i32FromF64U(whole)));
      else if (type === 0) out(i64.extendS(truncSat.i32FromF64S(whole)));
      else out(truncSat.i64FromF64S(whole));
    },
    'i64',
    () => site.call('toInteger', 'i64', [a, typeBits, mode, format]),
  );
  return result.get;
};

const OPERATIONS: Readonly<Record<string, Operation>> = {
  add: binary('add', f64.add, f32.add),
  sub: binary('sub', f64.sub, f32.sub),
  mul: binary('mul', f64.mul, f32.mul),
  div: binary('div', f64.div, f32.div),
  sqrt,
  fma,
  eq: compare('eq', [f64.eq, unequalButOrdered]),
  lt: compare('lt', [f64.lt, f64.ge]),
  le: compare('le', [f64.le, f64.gt]),
  minMax,
  convert,
  fromInteger,
  toInteger,
};
