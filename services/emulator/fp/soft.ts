// IEEE 754 arithmetic with all rounding modes and exception flags, as generated functions (unprivileged spec, 21 and 22).
// Singles and doubles share every path: a value is taken apart into sign, exponent and a 64-bit significand with its
// highest bit set (value = significand / 2^63 * 2^exponent), and put together by roundPack, where the format matters.
// A lost bit is kept as the lowest bit of the significand ("jamming"), which is far below any rounding position.
//
// Functions are named fp_<operation> and take h, the operands' bits as i64, the rounding mode and the format (0 single,
// 1 double). What the host's own arithmetic gives exactly is taken from it: see fast.ts.

import type { Runtime } from '../hart/runtime.ts';
import type { Code, Local } from '../wasm/code.ts';
import { choose, type I32, type I64, i32, i64, select } from '../wasm/expr.ts';
import { defineFast } from './fast.ts';

export const FLAG = { NX: 1, UF: 2, OF: 4, DZ: 8, NV: 16 } as const;
export const RM = { RNE: 0, RTZ: 1, RDN: 2, RUP: 3, RMM: 4 } as const;

const TOP = 1n << 63n;
const zero = i64.const(0n);
const one = i64.const(1n);

/** A constant of each format, chosen by `fmt`. */
export const perFormat = (fmt: I32, single: bigint, double: bigint): I64 =>
  select(fmt, i64.const(double), i64.const(single));
const perFormat32 = (fmt: I32, single: number, double: number): I32 =>
  select(fmt, i32.const(double), i32.const(single));

export const canonicalNan = (fmt: I32): I64 => perFormat(fmt, 0x7fc0_0000n, 0x7ff8_0000_0000_0000n);
const infinity = (fmt: I32): I64 => perFormat(fmt, 0x7f80_0000n, 0x7ff0_0000_0000_0000n);
const signBit = (fmt: I32, sign: I32): I64 => i64.shl(i64.extendU(sign), select(fmt, i64.const(63n), i64.const(31n)));
const withSign = (fmt: I32, sign: I32, magnitude: I64): I64 => i64.or(magnitude, signBit(fmt, sign));

/** Sets exception flags. */
export function accrue(rt: Runtime, c: Code, h: I32, flags: number | I32): void {
  rt.setWord(c, h, 'fflags', i32.or(rt.word32(h, 'fflags'), flags));
}

/** A value taken apart. For zero the significand is 0; for infinities and NaNs `special` is set. */
export interface Parts {
  readonly bits: I64;
  readonly sign: I32;
  readonly exponent: Local<'i32'>;
  readonly significand: Local<'i64'>;
  readonly special: I32;
  readonly nan: I32;
  readonly infinite: I32;
  readonly signaling: I32;
}

export function unpack(c: Code, bits: I64, fmt: I32): Parts {
  const sign = c.let(i32.wrap(i64.and(i64.shrU(bits, select(fmt, i64.const(63n), i64.const(31n))), 1n)));
  // The fraction, with its highest bit on top.
  const fraction = c.let(select(fmt, i64.shl(bits, 12n), i64.shl(bits, 41n)));
  const biased = c.let(
    choose(fmt, i32.and(i32.wrap(i64.shrU(bits, 52n)), 0x7ff), i32.and(i32.wrap(i64.shrU(bits, 23n)), 0xff)),
  );
  const bias = perFormat32(fmt, 127, 1023);
  const special = c.let(i32.eq(biased, perFormat32(fmt, 0xff, 0x7ff)));
  const exponent = c.var(i32.sub(biased, bias));
  const significand = c.var(i64.or(i64.shrU(fraction, 1n), TOP));
  c.if(i32.eqz(biased), () => {
    const shift = c.let(i64.clz(fraction));
    c.set(significand, i64.shl(fraction, shift));
    c.set(exponent, i32.sub(i32.sub(i32.const(0), bias), i32.wrap(shift)));
  });
  const nan = c.let(i32.and(special, i64.ne(fraction, 0n)));
  const infinite = c.let(i32.and(special, i64.eqz(fraction)));
  const signaling = c.let(i32.and(nan, i64.geS(fraction, 0n)));
  return { bits, sign, exponent, significand, special, nan, infinite, signaling };
}

/** `value` shifted right by `distance` (>= 0), what falls off kept in the lowest bit. */
function jam(c: Code, value: I64, distance: I32): I64 {
  const d = i64.extendU(distance);
  const lost = i64.ne(i64.shl(value, i64.sub(64n, d)), 0n);
  const near = i64.or(i64.shrU(value, d), i64.extendU(lost));
  const far = i64.extendU(i64.ne(value, 0n));
  return c.let(select(i32.eqz(distance), value, select(i32.ltU(distance, 64), near, far)));
}

/** The 128-bit product of two 64-bit numbers. */
function multiply(c: Code, a: I64, b: I64): { high: Local<'i64'>; low: Local<'i64'> } {
  const half = (value: I64): I64 => i64.and(value, 0xffff_ffffn);
  const [a0, a1] = [c.let(half(a)), c.let(i64.shrU(a, 32n))];
  const [b0, b1] = [c.let(half(b)), c.let(i64.shrU(b, 32n))];
  const bottom = c.let(i64.mul(a0, b0));
  const middle = c.let(i64.add(i64.mul(a1, b0), i64.shrU(bottom, 32n)));
  const cross = c.let(i64.add(i64.mul(a0, b1), half(middle)));
  const high = c.var(i64.add(i64.add(i64.mul(a1, b1), i64.shrU(middle, 32n)), i64.shrU(cross, 32n)));
  const low = c.var(i64.or(i64.shl(cross, 32n), half(bottom)));
  return { high, low };
}

export function defineSoftFloat(rt: Runtime): void {
  const round = rt.declare('fpRound', ['i64', 'i64', 'i32', 'i32'], 'i64');
  const roundPack = rt.declare('fpRoundPack', ['i32', 'i32', 'i32', 'i64', 'i32', 'i32'], 'i64');
  const two = ['i32', 'i64', 'i64', 'i32', 'i32'] as const;
  const add = rt.declare('fpSoftAdd', two, 'i64');
  const mul = rt.declare('fpSoftMul', two, 'i64');
  const div = rt.declare('fpSoftDiv', two, 'i64');
  const sqrt = rt.declare('fpSoftSqrt', ['i32', 'i64', 'i32', 'i32'], 'i64');
  const fma = rt.declare('fpSoftFma', ['i32', 'i64', 'i64', 'i64', 'i32', 'i32'], 'i64');
  const convert = rt.declare('fp_convert', ['i32', 'i64', 'i32', 'i32', 'i32'], 'i64');
  const toInteger = rt.declare('fp_toInteger', two, 'i64');
  const fromInteger = rt.declare('fp_fromInteger', two, 'i64');

  // (significand, bits to drop, mode, sign) -> the rest, rounded.
  rt.module.define(round, ['i64', 'i64', 'i32', 'i32'], (c, value, drop, mode, sign) => {
    const kept = c.let(i64.shrU(value.get, drop.get));
    const lost = c.let(i64.and(value.get, i64.sub(i64.shl(one, drop.get), 1n)));
    const half = c.let(i64.shl(one, i64.sub(drop.get, 1n)));
    const up = c.local('i32');
    const odd = i32.wrap(i64.and(kept, 1n));
    c.switch(
      mode.get,
      [
        () => c.set(up, i32.or(i64.gtU(lost, half), i32.and(i64.eq(lost, half), odd))),
        () => c.set(up, i32.const(0)),
        () => c.set(up, i32.and(sign.get, i64.ne(lost, 0n))),
        () => c.set(up, i32.and(i32.eqz(sign.get), i64.ne(lost, 0n))),
      ],
      () => c.set(up, i64.geU(lost, half)),
    );
    c.return(i64.add(kept, i64.extendU(up.get)));
  });

  // (h, sign, exponent, significand, mode, format) -> bits, with NX, UF and OF as they are due.
  rt.module.define(roundPack, ['i32', 'i32', 'i32', 'i64', 'i32', 'i32'], (c, h, sign, exponent, value, mode, fmt) => {
    c.if(i64.eqz(value.get), () => c.return(signBit(fmt.get, sign.get)));
    const drop = c.let(perFormat(fmt.get, 40n, 11n));
    const fractionBits = c.let(perFormat(fmt.get, 23n, 52n));
    const least = c.let(perFormat32(fmt.get, -126, -1022));
    const small = c.let(i32.ltS(exponent.get, least));
    const tiny = c.var(small);
    c.if(small, () => {
      // Tininess is judged after rounding, as if exponents had no end: just below the least normal it may round up to it.
      c.if(i32.eq(exponent.get, i32.sub(least, 1)), () => {
        const rounded = round.call(value.get, drop, mode.get, sign.get);
        c.if(i64.eq(i64.shrU(rounded, i64.add(fractionBits, 1n)), 1n), () => c.set(tiny, i32.const(0)));
      });
      c.set(value, jam(c, value.get, c.let(i32.sub(least, exponent.get))));
    });
    const inexact = c.let(i64.ne(i64.and(value.get, i64.sub(i64.shl(one, drop), 1n)), 0n));
    const rounded = c.let(round.call(value.get, drop, mode.get, sign.get));
    c.if(inexact, () => accrue(rt, c, h.get, i32.or(i32.shl(tiny.get, 1), FLAG.NX)));
    // The leading bit of a normal significand adds 1 to the exponent field; a carry out of it adds another.
    c.if(small, () => c.return(withSign(fmt.get, sign.get, rounded)));
    const field = i64.extendU(i32.sub(exponent.get, least));
    const magnitude = c.let(i64.add(i64.shl(field, fractionBits), rounded));
    c.if(i64.ltU(magnitude, infinity(fmt.get)), () => c.return(withSign(fmt.get, sign.get, magnitude)));
    accrue(rt, c, h.get, FLAG.OF | FLAG.NX);
    const away = i32.eq(mode.get, select(sign.get, i32.const(RM.RDN), i32.const(RM.RUP)));
    const nearest = i32.or(i32.eqz(mode.get), i32.eq(mode.get, RM.RMM));
    const overflow = i64.sub(infinity(fmt.get), i64.extendU(i32.eqz(i32.or(away, nearest))));
    c.return(withSign(fmt.get, sign.get, overflow));
  });

  const pack = (c: Code, h: I32, sign: I32, exponent: I32, value: I64, mode: I32, fmt: I32): void =>
    c.return(roundPack.call(h, sign, exponent, value, mode, fmt));
  const invalid = (c: Code, h: I32, fmt: I32): void => {
    accrue(rt, c, h, FLAG.NV);
    c.return(canonicalNan(fmt));
  };
  /** Leaves with the canonical NaN where an operand is one. */
  const nans = (c: Code, h: I32, fmt: I32, ...parts: Parts[]): void => {
    const any = (f: (p: Parts) => I32): I32 => parts.map(f).reduce((a, b) => i32.or(a, b));
    c.if(
      any((p) => p.nan),
      () => {
        c.if(
          any((p) => p.signaling),
          () => accrue(rt, c, h, FLAG.NV),
        );
        c.return(canonicalNan(fmt));
      },
    );
  };
  /** The sign of an exact zero sum of values with signs a and b. */
  const zeroSign = (a: I32, b: I32, mode: I32): I32 => select(i32.eq(a, b), a, i32.eq(mode, RM.RDN));

  rt.module.define(add, two, (c, h, aBits, bBits, mode, fmt) => {
    const a = unpack(c, aBits.get, fmt.get);
    const b = unpack(c, bBits.get, fmt.get);
    c.if(i32.or(a.special, b.special), () => {
      nans(c, h.get, fmt.get, a, b);
      const opposite = i32.and(i32.and(a.infinite, b.infinite), i32.ne(a.sign, b.sign));
      c.if(opposite, () => invalid(c, h.get, fmt.get));
      c.return(select(a.infinite, aBits.get, bBits.get));
    });
    c.if(i64.eqz(b.significand.get), () => {
      c.if(i64.ne(a.significand.get, 0n), () => c.return(aBits.get));
      c.return(signBit(fmt.get, zeroSign(a.sign, b.sign, mode.get)));
    });
    c.if(i64.eqz(a.significand.get), () => c.return(bBits.get));
    // `x` is the greater magnitude.
    const swap = c.let(
      choose(
        i32.eq(a.exponent.get, b.exponent.get),
        i64.ltU(a.significand.get, b.significand.get),
        i32.ltS(a.exponent.get, b.exponent.get),
      ),
    );
    const sign = c.let(select(swap, b.sign, a.sign));
    const exponent = c.let(select(swap, b.exponent.get, a.exponent.get));
    const x = c.let(i64.shrU(select(swap, b.significand.get, a.significand.get), 1n));
    const yRaw = i64.shrU(select(swap, a.significand.get, b.significand.get), 1n);
    const distance = c.let(i32.sub(exponent, select(swap, a.exponent.get, b.exponent.get)));
    const y = jam(c, c.let(yRaw), distance);
    const sum = c.let(choose(i32.eq(a.sign, b.sign), i64.add(x, y), i64.sub(x, y)));
    c.if(i64.eqz(sum), () => c.return(signBit(fmt.get, i32.eq(mode.get, RM.RDN))));
    const shift = c.let(i64.clz(sum));
    const to = i32.sub(i32.add(exponent, 1), i32.wrap(shift));
    pack(c, h.get, sign, to, i64.shl(sum, shift), mode.get, fmt.get);
  });

  rt.module.define(mul, two, (c, h, aBits, bBits, mode, fmt) => {
    const a = unpack(c, aBits.get, fmt.get);
    const b = unpack(c, bBits.get, fmt.get);
    const sign = c.let(i32.xor(a.sign, b.sign));
    const zeros = c.let(i32.or(i64.eqz(a.significand.get), i64.eqz(b.significand.get)));
    c.if(i32.or(a.special, b.special), () => {
      nans(c, h.get, fmt.get, a, b);
      c.if(zeros, () => invalid(c, h.get, fmt.get));
      c.return(withSign(fmt.get, sign, infinity(fmt.get)));
    });
    c.if(zeros, () => c.return(signBit(fmt.get, sign)));
    const { high, low } = multiply(c, a.significand.get, b.significand.get);
    const exponent = c.var(i32.add(i32.add(a.exponent.get, b.exponent.get), 1));
    c.if(i64.geS(high.get, 0n), () => {
      c.set(high, i64.or(i64.shl(high.get, 1n), i64.shrU(low.get, 63n)));
      c.set(low, i64.shl(low.get, 1n));
      c.set(exponent, i32.sub(exponent.get, 1));
    });
    const value = i64.or(high.get, i64.extendU(i64.ne(low.get, 0n)));
    pack(c, h.get, sign, exponent.get, value, mode.get, fmt.get);
  });

  rt.module.define(div, two, (c, h, aBits, bBits, mode, fmt) => {
    const a = unpack(c, aBits.get, fmt.get);
    const b = unpack(c, bBits.get, fmt.get);
    const sign = c.let(i32.xor(a.sign, b.sign));
    c.if(i32.or(a.special, b.special), () => {
      nans(c, h.get, fmt.get, a, b);
      c.if(i32.and(a.infinite, b.infinite), () => invalid(c, h.get, fmt.get));
      c.return(select(a.infinite, withSign(fmt.get, sign, infinity(fmt.get)), signBit(fmt.get, sign)));
    });
    c.if(i64.eqz(b.significand.get), () => {
      c.if(i64.eqz(a.significand.get), () => invalid(c, h.get, fmt.get));
      accrue(rt, c, h.get, FLAG.DZ);
      c.return(withSign(fmt.get, sign, infinity(fmt.get)));
    });
    c.if(i64.eqz(a.significand.get), () => c.return(signBit(fmt.get, sign)));
    const rest = c.var(i64.shrU(a.significand.get, 1n));
    const divisor = c.let(i64.shrU(b.significand.get, 1n));
    const exponent = c.var(i32.sub(a.exponent.get, b.exponent.get));
    c.if(i64.ltU(rest.get, divisor), () => {
      c.set(rest, i64.shl(rest.get, 1n));
      c.set(exponent, i32.sub(exponent.get, 1));
    });
    // Bit by bit, the first one is 1; 58 bits are more than any format rounds at.
    const quotient = c.var(zero);
    const bit = c.var(i64.const(TOP));
    c.loop((again) => {
      c.if(i64.geU(rest.get, divisor), () => {
        c.set(rest, i64.sub(rest.get, divisor));
        c.set(quotient, i64.or(quotient.get, bit.get));
      });
      c.set(rest, i64.shl(rest.get, 1n));
      c.set(bit, i64.shrU(bit.get, 1n));
      c.brIf(again, i64.gtU(bit.get, 0x20n));
    });
    const value = i64.or(quotient.get, i64.extendU(i64.ne(rest.get, 0n)));
    pack(c, h.get, sign, exponent.get, value, mode.get, fmt.get);
  });

  rt.module.define(sqrt, ['i32', 'i64', 'i32', 'i32'], (c, h, bits, mode, fmt) => {
    const a = unpack(c, bits.get, fmt.get);
    nans(c, h.get, fmt.get, a);
    c.if(i64.eqz(a.significand.get), () => c.return(bits.get));
    c.if(a.sign, () => invalid(c, h.get, fmt.get));
    c.if(a.infinite, () => c.return(bits.get));
    // Two bits of the operand give one of the root. The operand's integer part has two bits: with an odd exponent it is
    // doubled.
    const odd = i32.and(a.exponent.get, 1);
    const operand = c.var(i64.shrU(a.significand.get, i64.extendU(i32.eqz(odd))));
    const root = c.var(zero);
    const rest = c.var(zero);
    const left = c.var(i32.const(58));
    c.loop((again) => {
      c.set(rest, i64.or(i64.shl(rest.get, 2n), i64.shrU(operand.get, 62n)));
      c.set(operand, i64.shl(operand.get, 2n));
      const trial = c.let(i64.or(i64.shl(root.get, 2n), 1n));
      c.set(root, i64.shl(root.get, 1n));
      c.if(i64.geU(rest.get, trial), () => {
        c.set(rest, i64.sub(rest.get, trial));
        c.set(root, i64.or(root.get, 1n));
      });
      c.set(left, i32.sub(left.get, 1));
      c.brIf(again, left.get);
    });
    const value = i64.or(i64.shl(root.get, 6n), i64.extendU(i64.ne(rest.get, 0n)));
    pack(c, h.get, i32.const(0), i32.shrS(a.exponent.get, 1), value, mode.get, fmt.get);
  });

  rt.module.define(fma, ['i32', 'i64', 'i64', 'i64', 'i32', 'i32'], (c, h, aBits, bBits, cBits, mode, fmt) => {
    const a = unpack(c, aBits.get, fmt.get);
    const b = unpack(c, bBits.get, fmt.get);
    const d = unpack(c, cBits.get, fmt.get);
    const sign = c.let(i32.xor(a.sign, b.sign));
    const zeros = c.let(i32.or(i64.eqz(a.significand.get), i64.eqz(b.significand.get)));
    const infinite = c.let(i32.or(a.infinite, b.infinite));
    c.if(i32.or(i32.or(a.special, b.special), d.special), () => {
      // Infinity times zero is invalid whatever is added, a quiet NaN included (21.6).
      c.if(i32.and(infinite, zeros), () => invalid(c, h.get, fmt.get));
      nans(c, h.get, fmt.get, a, b, d);
      c.if(i32.and(infinite, i32.and(d.infinite, i32.ne(sign, d.sign))), () => invalid(c, h.get, fmt.get));
      c.return(select(infinite, withSign(fmt.get, sign, infinity(fmt.get)), cBits.get));
    });
    c.if(zeros, () => {
      c.if(i64.ne(d.significand.get, 0n), () => c.return(cBits.get));
      c.return(signBit(fmt.get, zeroSign(sign, d.sign, mode.get)));
    });
    const { high, low } = multiply(c, a.significand.get, b.significand.get);
    const exponent = c.var(i32.add(i32.add(a.exponent.get, b.exponent.get), 1));
    c.if(i64.geS(high.get, 0n), () => {
      c.set(high, i64.or(i64.shl(high.get, 1n), i64.shrU(low.get, 63n)));
      c.set(low, i64.shl(low.get, 1n));
      c.set(exponent, i32.sub(exponent.get, 1));
    });
    c.if(i64.eqz(d.significand.get), () => {
      const value = i64.or(high.get, i64.extendU(i64.ne(low.get, 0n)));
      pack(c, h.get, sign, exponent.get, value, mode.get, fmt.get);
    });
    // Both as 128 bits with one free bit on top; `x` is the greater magnitude.
    const xh = c.var(i64.shrU(high.get, 1n));
    const xl = c.var(i64.or(i64.shl(high.get, 63n), i64.shrU(low.get, 1n)));
    const yh = c.var(i64.shrU(d.significand.get, 1n));
    const yl = c.var(i64.shl(d.significand.get, 63n));
    const xSign = c.var(sign);
    const distance = c.var(i32.sub(exponent.get, d.exponent.get));
    const less = choose(i64.eq(xh.get, yh.get), i64.ltU(xl.get, yl.get), i64.ltU(xh.get, yh.get));
    c.if(i32.or(i32.ltS(distance.get, 0), i32.and(i32.eqz(distance.get), less)), () => {
      for (const [x, y] of [
        [xh, yh],
        [xl, yl],
      ] as const) {
        const kept = c.var(x.get).get;
        c.set(x, y.get);
        c.set(y, kept);
      }
      c.set(xSign, d.sign);
      c.set(exponent, d.exponent.get);
      c.set(distance, i32.sub(i32.const(0), distance.get));
    });
    shiftRight128(c, yh, yl, distance.get);
    c.if(
      i32.eq(sign, d.sign),
      () => {
        c.set(yl, i64.add(xl.get, yl.get));
        const carry = i64.extendU(i64.ltU(yl.get, xl.get));
        c.set(yh, i64.add(i64.add(xh.get, yh.get), carry));
      },
      () => {
        const borrow = c.let(i64.extendU(i64.ltU(xl.get, yl.get)));
        c.set(yl, i64.sub(xl.get, yl.get));
        c.set(yh, i64.sub(i64.sub(xh.get, yh.get), borrow));
      },
    );
    c.if(i64.eqz(yh.get), () => {
      c.if(i64.eqz(yl.get), () => c.return(signBit(fmt.get, i32.eq(mode.get, RM.RDN))));
      c.set(yh, yl.get);
      c.set(yl, zero);
      c.set(exponent, i32.sub(exponent.get, 64));
    });
    const shift = c.let(i64.clz(yh.get));
    c.if(i64.ne(shift, 0n), () => {
      c.set(yh, i64.or(i64.shl(yh.get, shift), i64.shrU(yl.get, i64.sub(64n, shift))));
      c.set(yl, i64.shl(yl.get, shift));
    });
    const to = i32.sub(i32.add(exponent.get, 1), i32.wrap(shift));
    const value = i64.or(yh.get, i64.extendU(i64.ne(yl.get, 0n)));
    pack(c, h.get, xSign.get, to, value, mode.get, fmt.get);
  });

  /** high:low >>= distance (>= 0), what falls off kept in the lowest bit. */
  function shiftRight128(c: Code, high: Local<'i64'>, low: Local<'i64'>, distance: I32): void {
    c.if(i32.geU(distance, 64), () => {
      const lost = c.let(i64.extendU(i64.ne(low.get, 0n)));
      c.set(low, i64.or(jam(c, high.get, c.let(i32.sub(distance, 64))), lost));
      c.set(high, zero);
    });
    c.if(i32.and(i32.ltU(distance, 64), i32.ne(distance, 0)), () => {
      const d = c.let(i64.extendU(distance));
      const lost = i64.extendU(i64.ne(i64.shl(low.get, i64.sub(64n, d)), 0n));
      const shifted = i64.or(i64.shl(high.get, i64.sub(64n, d)), i64.shrU(low.get, d));
      c.set(low, i64.or(shifted, lost));
      c.set(high, i64.shrU(high.get, d));
    });
  }

  // (h, bits, mode, from, to)
  rt.module.define(convert, ['i32', 'i64', 'i32', 'i32', 'i32'], (c, h, bits, mode, from, to) => {
    const a = unpack(c, bits.get, from.get);
    nans(c, h.get, to.get, a);
    c.if(a.infinite, () => c.return(withSign(to.get, a.sign, infinity(to.get))));
    pack(c, h.get, a.sign, a.exponent.get, a.significand.get, mode.get, to.get);
  });

  // (h, bits, type: 0 w, 1 wu, 2 l, 3 lu; mode, format) -> the integer, a word sign-extended. Out of range saturates.
  rt.module.define(toInteger, two, (c, h, bits, typeBits, mode, fmt) => {
    const type = c.let(i32.wrap(typeBits.get));
    const a = unpack(c, bits.get, fmt.get);
    const wide = c.let(i32.and(type, 2));
    const unsigned = c.let(i32.and(type, 1));
    const negative = c.let(i32.and(a.sign, i32.eqz(a.nan)));
    // Integer part, and the fraction as 64 bits of which only its relation to a half and to zero matters.
    const whole = c.var(zero);
    const fraction = c.var(i64.extendU(i64.ne(a.significand.get, 0n)));
    const exponent = a.exponent.get;
    c.if(i32.and(i32.geS(exponent, 0), i32.leS(exponent, 63)), () => {
      const e = c.let(i64.extendU(exponent));
      c.set(whole, i64.shrU(a.significand.get, i64.sub(63n, e)));
      c.set(fraction, select(i64.eq(e, 63n), zero, i64.shl(a.significand.get, i64.add(e, 1n))));
    });
    c.if(i32.eq(exponent, -1), () => c.set(fraction, a.significand.get));
    const odd = i32.wrap(i64.and(whole.get, 1n));
    const tie = i64.eq(fraction.get, TOP);
    const up = c.local('i32');
    const some = i64.ne(fraction.get, 0n);
    c.switch(
      mode.get,
      [
        () => c.set(up, i32.or(i64.gtU(fraction.get, TOP), i32.and(tie, odd))),
        () => c.set(up, i32.const(0)),
        () => c.set(up, i32.and(a.sign, some)),
        () => c.set(up, i32.and(i32.eqz(a.sign), some)),
      ],
      () => c.set(up, i64.geU(fraction.get, TOP)),
    );
    c.set(whole, i64.add(whole.get, i64.extendU(up.get)));
    // The greatest magnitude of the type with this sign.
    const greatest = c.let(
      select(
        unsigned,
        select(wide, i64.const(-1n), i64.const(0xffff_ffffn)),
        select(wide, i64.const(TOP - 1n), i64.const(0x7fff_ffffn)),
      ),
    );
    const limit = c.let(select(negative, select(unsigned, zero, i64.add(greatest, 1n)), greatest));
    const outside = i32.or(i32.or(a.special, i32.gtS(exponent, 63)), i64.gtU(whole.get, limit));
    const result = c.var(whole.get);
    c.if(
      outside,
      () => {
        accrue(rt, c, h.get, FLAG.NV);
        c.set(result, limit);
      },
      () => c.if(some, () => accrue(rt, c, h.get, FLAG.NX)),
    );
    c.if(negative, () => c.set(result, i64.sub(0n, result.get)));
    c.return(select(wide, result.get, i64.extend32S(result.get)));
  });

  rt.module.define(fromInteger, two, (c, h, bits, typeBits, mode, fmt) => {
    const type = c.let(i32.wrap(typeBits.get));
    const value = c.var(bits.get);
    c.if(i32.eqz(type), () => c.set(value, i64.extend32S(value.get)));
    c.if(i32.eq(type, 1), () => c.set(value, i64.and(value.get, 0xffff_ffffn)));
    const negative = c.let(i32.and(i32.eqz(i32.and(type, 1)), i64.ltS(value.get, 0n)));
    c.if(negative, () => c.set(value, i64.sub(0n, value.get)));
    c.if(i64.eqz(value.get), () => c.return(zero));
    const shift = c.let(i64.clz(value.get));
    const exponent = i32.sub(i32.const(63), i32.wrap(shift));
    pack(c, h.get, negative, exponent, i64.shl(value.get, shift), mode.get, fmt.get);
  });

  const flags = rt.declare('fp_flags', ['i32'], 'i32');
  const mode = rt.declare('fp_mode', ['i32'], 'i32');
  const control = rt.declare('fp_control', ['i32'], 'i32');
  const setFlags = rt.declare('fp_setFlags', ['i32', 'i64'], 'i32');
  rt.module.define(flags, ['i32'], (c, h) => c.return(rt.word32(h.get, 'fflags')));
  rt.module.define(mode, ['i32'], (c, h) => c.return(rt.word32(h.get, 'frm')));
  rt.module.define(control, ['i32'], (c, h) =>
    c.return(i32.or(rt.word32(h.get, 'fflags'), i32.shl(rt.word32(h.get, 'frm'), 5))),
  );
  // -> the flags before
  rt.module.define(setFlags, ['i32', 'i64'], (c, h, value) => {
    const old = c.let(rt.word32(h.get, 'fflags'));
    rt.setWord(c, h.get, 'fflags', i32.and(i32.wrap(value.get), 31));
    c.return(old);
  });
  defineComparisons(rt);
  defineFast(rt);
}

/** Comparisons, min and max, classification: exact without rounding. */
function defineComparisons(rt: Runtime): void {
  const magnitude = (bits: I64, fmt: I32): I64 => i64.and(bits, perFormat(fmt, 0x7fff_ffffn, TOP - 1n));
  const isNan = (bits: I64, fmt: I32): I32 => i64.gtU(magnitude(bits, fmt), infinity(fmt));
  const quietBit = (fmt: I32): I64 => perFormat(fmt, 1n << 22n, 1n << 51n);
  const isSignaling = (bits: I64, fmt: I32): I32 => i32.and(isNan(bits, fmt), i64.eqz(i64.and(bits, quietBit(fmt))));
  /** A signed integer that orders as the values do, -0 below +0. */
  const order = (c: Code, bits: I64, fmt: I32): I64 => {
    const wide = c.let(select(fmt, bits, i64.shl(bits, 32n)));
    return c.let(i64.xor(wide, i64.shrU(i64.shrS(wide, 63n), 1n)));
  };

  const relation = (name: string, signalsQuiet: boolean, holds: (a: I64, b: I64) => I32, zeros: boolean): void => {
    const ref = rt.declare(`fp_${name}`, ['i32', 'i64', 'i64', 'i32'], 'i32');
    rt.module.define(ref, ['i32', 'i64', 'i64', 'i32'], (c, h, a, b, fmt) => {
      c.if(i32.or(isNan(a.get, fmt.get), isNan(b.get, fmt.get)), () => {
        const signals = signalsQuiet ? i32.const(1) : i32.or(isSignaling(a.get, fmt.get), isSignaling(b.get, fmt.get));
        c.if(signals, () => accrue(rt, c, h.get, FLAG.NV));
        c.return(i32.const(0));
      });
      const bothZero = i64.eqz(magnitude(i64.or(a.get, b.get), fmt.get));
      c.if(bothZero, () => c.return(i32.const(zeros ? 1 : 0)));
      c.return(holds(order(c, a.get, fmt.get), order(c, b.get, fmt.get)));
    });
  };
  relation('eq', false, i64.eq, true);
  relation('lt', true, i64.ltS, false);
  relation('le', true, i64.leS, true);

  const minMax = rt.declare('fp_minMax', ['i32', 'i64', 'i64', 'i32', 'i32'], 'i64');
  rt.module.define(minMax, ['i32', 'i64', 'i64', 'i32', 'i32'], (c, h, a, b, greatest, fmt) => {
    const aNan = c.let(isNan(a.get, fmt.get));
    const bNan = c.let(isNan(b.get, fmt.get));
    c.if(i32.or(aNan, bNan), () => {
      const signals = i32.or(isSignaling(a.get, fmt.get), isSignaling(b.get, fmt.get));
      c.if(signals, () => accrue(rt, c, h.get, FLAG.NV));
      c.if(i32.and(aNan, bNan), () => c.return(canonicalNan(fmt.get)));
      c.return(select(aNan, b.get, a.get));
    });
    const less = i64.ltS(order(c, a.get, fmt.get), order(c, b.get, fmt.get));
    c.return(select(i32.xor(less, greatest.get), a.get, b.get));
  });

  const classify = rt.declare('fp_classify', ['i32', 'i64', 'i32'], 'i32');
  rt.module.define(classify, ['i32', 'i64', 'i32'], (c, _h, bits, fmt) => {
    const a = unpack(c, bits.get, fmt.get);
    const bit = (negative: number, positive: number): I32 =>
      i32.shl(i32.const(1), select(a.sign, i32.const(negative), i32.const(positive)));
    c.if(a.nan, () => c.return(select(a.signaling, i32.const(1 << 8), i32.const(1 << 9))));
    c.if(a.infinite, () => c.return(bit(0, 7)));
    c.if(i64.eqz(a.significand.get), () => c.return(bit(3, 4)));
    const least = perFormat32(fmt.get, -126, -1022);
    c.if(i32.ltS(a.exponent.get, least), () => c.return(bit(2, 5)));
    c.return(bit(1, 6));
  });
}
