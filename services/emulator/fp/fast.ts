// The fast half of floating point: WebAssembly's own arithmetic rounds to nearest even and raises no flags. It serves
// where that is what is asked for and where no flag can be missed: the mode is RNE, the result is finite and not tiny, and
// NX either is set already (it is sticky; a process's first inexact result sets it) or the result is seen to be exact.

import type { Runtime } from '../hart/runtime.ts';
import type { Code } from '../wasm/code.ts';
import { type Expr, f32, f64, type I32, type I64, i32, i64 } from '../wasm/expr.ts';

const NX = 1;

/** The exponent field of a result, without sign. */
const field64 = (bits: I64): I32 => i32.and(i32.wrap(i64.shrU(bits, 52n)), 0x7ff);
const field32 = (bits: I32): I32 => i32.and(i32.shrU(bits, 23), 0xff);

/** Between the least two exponents and infinity: no underflow, no overflow, no NaN. */
const ordinary64 = (bits: I64): I32 => i32.ltU(i32.sub(field64(bits), 2), 0x7ff - 2);
const ordinary32 = (bits: I32): I32 => i32.ltU(i32.sub(field32(bits), 2), 0xff - 2);

export function defineFast(rt: Runtime): void {
  const two = ['i32', 'i64', 'i64', 'i32', 'i32'] as const;
  const add = rt.declare('fp_add', two, 'i64');
  const sub = rt.declare('fp_sub', two, 'i64');
  const mul = rt.declare('fp_mul', two, 'i64');
  const div = rt.declare('fp_div', two, 'i64');
  const sqrt = rt.declare('fp_sqrt', ['i32', 'i64', 'i32', 'i32'], 'i64');
  const fma = rt.declare('fp_fma', ['i32', 'i64', 'i64', 'i64', 'i32', 'i32'], 'i64');

  const inexactAnyway = (h: I32): I32 => i32.and(rt.word32(h, 'fflags'), NX);
  const single = (bits: I64): Expr<'f32'> => f32.reinterpret(i32.wrap(bits));
  const double = (bits: I64): Expr<'f64'> => f64.reinterpret(bits);

  /** Returns the result where it may stand. `exact` is asked only where NX is clear. */
  const offer64 = (c: Code, h: I32, value: Expr<'f64'>, exact: (value: Expr<'f64'>) => I32): void => {
    const result = c.let(value);
    const bits = c.let(i64.reinterpret(result));
    c.if(ordinary64(bits), () => {
      c.if(inexactAnyway(h), () => c.return(bits));
      c.if(exact(result), () => c.return(bits));
    });
  };
  const offer32 = (c: Code, h: I32, value: Expr<'f32'>, exact: (value: Expr<'f32'>) => I32): void => {
    const result = c.let(value);
    const bits = c.let(i32.reinterpret(result));
    c.if(ordinary32(bits), () => {
      c.if(inexactAnyway(h), () => c.return(i64.extendU(bits)));
      c.if(exact(result), () => c.return(i64.extendU(bits)));
    });
  };

  /** What rounding took from s = a + b, exactly (Knuth's TwoSum). */
  const sumError = (c: Code, a: Expr<'f64'>, b: Expr<'f64'>, s: Expr<'f64'>): Expr<'f64'> => {
    const bb = c.let(f64.sub(s, a));
    return f64.add(f64.sub(a, f64.sub(s, bb)), f64.sub(b, bb));
  };
  const isZero = (value: Expr<'f64'>): I32 => f64.eq(value, f64.const(0));

  const defineSum = (ref: typeof add, negate: boolean): void =>
    rt.module.define(ref, two, (c, h, a, bits, mode, fmt) => {
      const sign = i64.shl(i64.const(1n), i64.add(i64.mul(i64.extendU(fmt.get), 32n), 31n));
      const b = negate ? c.let(i64.xor(bits.get, sign)) : bits.get;
      c.if(i32.eqz(mode.get), () =>
        c.if(
          fmt.get,
          () => {
            const [x, y] = [c.let(double(a.get)), c.let(double(b))];
            offer64(c, h.get, f64.add(x, y), (s) => isZero(sumError(c, x, y, s)));
          },
          () => {
            const [x, y] = [c.let(single(a.get)), c.let(single(b))];
            offer32(c, h.get, f32.add(x, y), (s) => {
              const [p, q] = [c.let(f64.promote(x)), c.let(f64.promote(y))];
              const wide = c.let(f64.add(p, q));
              return i32.and(f64.eq(wide, f64.promote(s)), isZero(sumError(c, p, q, wide)));
            });
          },
        ),
      );
      c.return(rt.call64('fpSoftAdd', h.get, a.get, b, mode.get, fmt.get));
    });
  defineSum(add, false);
  defineSum(sub, true);

  rt.module.define(mul, two, (c, h, a, b, mode, fmt) => {
    c.if(i32.eqz(mode.get), () =>
      c.if(
        fmt.get,
        () =>
          offer64(c, h.get, f64.mul(double(a.get), double(b.get)), () => {
            // The significands' odd parts have 53 bits together at most: then the product has them all.
            const zeros = (bits: I64): I64 => i64.ctz(i64.or(bits, 1n << 52n));
            return i64.geU(i64.add(zeros(a.get), zeros(b.get)), 53n);
          }),
        () => {
          const [x, y] = [c.let(single(a.get)), c.let(single(b.get))];
          // A double holds the product of two singles exactly.
          offer32(c, h.get, f32.mul(x, y), (product) =>
            f64.eq(f64.mul(f64.promote(x), f64.promote(y)), f64.promote(product)),
          );
        },
      ),
    );
    c.return(rt.call64('fpSoftMul', h.get, a.get, b.get, mode.get, fmt.get));
  });

  rt.module.define(div, two, (c, h, a, b, mode, fmt) => {
    c.if(i32.eqz(mode.get), () =>
      c.if(
        fmt.get,
        () => {
          const [x, y] = [c.let(double(a.get)), c.let(double(b.get))];
          // Division by zero gives an infinity, which is not offered.
          offer64(c, h.get, f64.div(x, y), () => i32.const(0));
        },
        () => {
          const [x, y] = [c.let(single(a.get)), c.let(single(b.get))];
          offer32(c, h.get, f32.div(x, y), (quotient) =>
            f64.eq(f64.mul(f64.promote(quotient), f64.promote(y)), f64.promote(x)),
          );
        },
      ),
    );
    c.return(rt.call64('fpSoftDiv', h.get, a.get, b.get, mode.get, fmt.get));
  });

  rt.module.define(sqrt, ['i32', 'i64', 'i32', 'i32'], (c, h, a, mode, fmt) => {
    c.if(i32.eqz(mode.get), () =>
      c.if(
        fmt.get,
        () => offer64(c, h.get, f64.sqrt(double(a.get)), () => i32.const(0)),
        () => {
          const x = c.let(single(a.get));
          offer32(c, h.get, f32.sqrt(x), (root) => {
            const wide = c.let(f64.promote(root));
            return f64.eq(f64.mul(wide, wide), f64.promote(x));
          });
        },
      ),
    );
    c.return(rt.call64('fpSoftSqrt', h.get, a.get, mode.get, fmt.get));
  });

  rt.module.define(fma, ['i32', 'i64', 'i64', 'i64', 'i32', 'i32'], (c, h, a, b, d, mode, fmt) => {
    c.return(rt.call64('fpSoftFma', h.get, a.get, b.get, d.get, mode.get, fmt.get));
  });
}
