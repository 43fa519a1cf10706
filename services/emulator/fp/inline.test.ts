// Each inlined operation on its own: where it does not call the complete function, its value is the reference's and no
// flag is due but NX, which is set already (or, where it is not, none at all).

import { describe, expect, it } from 'vitest';
import type { Code } from '../wasm/code.ts';
import { type Expr, type I64, i32, i64, type ValueType } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { HOST_FUSES } from './fused.ts';
import { type FpSite, inlineFp, LIMIT } from './inline.ts';
import * as reference from './reference.ts';
import { DOUBLE, type Format, type Result, SINGLE } from './reference.ts';

type Operands = readonly [bigint, bigint, bigint];
type Reference = (a: bigint, b: bigint, c: bigint) => Result;

interface Case {
  readonly name: string;
  readonly format: Format;
  /** Operands that make results that may stand; how many of them at least take the fast way. */
  readonly share: number;
  readonly build: (site: FpSite, a: I64, b: I64, c: I64) => Expr;
  readonly reference: Reference;
}

const NX = 1;
const MASK64 = (1n << 64n) - 1n;

/** Calls each operation; undefined where the complete function would have been called. */
function compile(cases: readonly Case[], nx: boolean, fuses: boolean) {
  const m = new ModuleBuilder();
  const slow = m.importFunction('env', 'slow', [], 'i64');
  cases.forEach((test, i) => {
    const params = ['i64', 'i64', 'i64'] as const;
    const ref = m.function(`op${i}`, params, 'i64', (code: Code, a, b, c) => {
      const site: FpSite = {
        code,
        fuses,
        inexact: () => i32.const(nx ? 1 : 0),
        limit: (mode) => i32.const(nx && mode.constant === 0 ? LIMIT : 0),
        call: <R extends ValueType>(_name: string, result: R) =>
          (result === 'i32' ? i32.wrap(slow.call()) : slow.call()) as Expr as Expr<R>,
      };
      const value = test.build(site, a.get, b.get, c.get);
      code.return(value.type === 'i32' ? i64.extendU(value as Expr<'i32'>) : value);
    });
    m.export(`op${i}`, ref);
  });
  let called = false;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.bytes()), {
    env: {
      slow: () => {
        called = true;
        return 0n;
      },
    },
  });
  const exports = instance.exports as Record<string, (a: bigint, b: bigint, c: bigint) => bigint>;
  return (i: number, operands: Operands): bigint | undefined => {
    called = false;
    const value = BigInt.asUintN(64, exports[`op${i}`]!(...operands));
    return called ? undefined : value;
  };
}

let seed = 0x1234_5678_9abc_def1n;
function random64(): bigint {
  seed ^= (seed << 13n) & MASK64;
  seed ^= seed >> 7n;
  seed ^= (seed << 17n) & MASK64;
  return seed;
}
const below = (limit: number): number => Number(random64() % BigInt(limit));

/** A value of the format within `spread` binary orders of 1; one in three has few significant bits. */
function value(f: Format, spread: number): bigint {
  const fraction = BigInt(f.precision - 1);
  let bits = random64() & ((1n << fraction) - 1n);
  if (below(3) === 0) bits &= ~((1n << (fraction - BigInt(below(8)))) - 1n);
  if (below(9) === 0) bits |= (1n << (fraction - 1n)) - 1n;
  const exponent = BigInt(f.bias - spread + below(2 * spread + 1));
  return (BigInt(below(2)) << BigInt(f.width - 1)) | (exponent << fraction) | bits;
}

function anything(f: Format): bigint {
  const special = [0n, 1n, 1n << BigInt(f.precision - 1)].map((low) => low | (BigInt(below(2)) << BigInt(f.width - 1)));
  const top = BigInt(2 * f.bias + 1) << BigInt(f.precision - 1);
  switch (below(4)) {
    case 0:
      return special[below(3)]!;
    case 1:
      return (top - BigInt(below(3)) + BigInt(below(3))) | (BigInt(below(2)) << BigInt(f.width - 1));
    default:
      return random64() & ((1n << BigInt(f.width)) - 1n);
  }
}

/** The addend is often what makes the sum hard: near the product's negative, or some 53 binary orders away from it. */
function operands(f: Format): Operands {
  if (below(8) === 0) return [anything(f), anything(f), anything(f)];
  const [a, b] = [value(f, 40), value(f, 40)];
  const product = reference.mul(f, a, b, 0).bits;
  const fraction = BigInt(f.precision - 1);
  switch (below(5)) {
    case 0:
      return [a, b, reference.negate(f, product) + BigInt(below(5) - 2)];
    case 1:
      return [a, b, (product + (BigInt(below(120) - 60) << fraction)) & ((1n << BigInt(f.width)) - 1n)];
    case 2:
      return [a, b, value(f, 4)];
    default:
      return [value(f, 3), value(f, 3), value(f, 6)];
  }
}

const fp =
  (name: string, count: number, format: Format, mode = 0) =>
  (site: FpSite, ...args: I64[]): Expr =>
    inlineFp(site, name, 'i64', [...args.slice(0, count), i32.const(mode), i32.const(format === DOUBLE ? 1 : 0)]);
const two = (name: string, format: Format, of: typeof reference.add): Case => ({
  name,
  format,
  share: 0.6,
  build: fp(name, 2, format),
  reference: (a, b) => of(format, a, b, 0),
});
const flip = (e: I64, format: Format): I64 => i64.xor(e, 1n << BigInt(format.width - 1));
const unflip = (bits: bigint, format: Format): bigint => reference.negate(format, bits);

const ofFormat = (format: Format): Case[] => [
  two('add', format, reference.add),
  two('sub', format, reference.sub),
  two('mul', format, reference.mul),
  two('div', format, reference.div),
  {
    name: 'sqrt',
    format,
    share: 0.3,
    build: fp('sqrt', 1, format),
    reference: (a) => reference.sqrt(format, a, 0),
  },
  {
    name: 'fma',
    format,
    share: 0.6,
    build: fp('fma', 3, format),
    reference: (a, b, c) => reference.fma(format, a, b, c, 0),
  },
  {
    name: 'fnmadd',
    format,
    share: 0.6,
    build: (site, a, b, c) => fp('fma', 3, format)(site, flip(a, format), b, flip(c, format)),
    reference: (a, b, c) => reference.fma(format, unflip(a, format), b, unflip(c, format), 0),
  },
  ...(
    [
      ['w', 32, true],
      ['wu', 32, false],
      ['l', 64, true],
      ['lu', 64, false],
    ] as const
  ).flatMap(([type, width, signed], code) => [
    ...[0, 1, 2, 3].map(
      (mode): Case => ({
        name: `to ${type} mode ${mode}`,
        format,
        share: 0.2,
        build: (site, a) =>
          inlineFp(site, 'toInteger', 'i64', [
            a,
            i64.const(code),
            i32.const(mode),
            i32.const(format === DOUBLE ? 1 : 0),
          ]),
        reference: (a) => {
          const { bits, flags } = reference.toInteger(format, a, mode, width, signed);
          return { bits: BigInt.asUintN(64, width === 32 ? BigInt.asIntN(32, bits) : bits), flags };
        },
      }),
    ),
    {
      name: `from ${type}`,
      format,
      share: 0.9,
      build: (site, a) =>
        inlineFp(site, 'fromInteger', 'i64', [a, i64.const(code), i32.const(0), i32.const(format === DOUBLE ? 1 : 0)]),
      reference: (a) => reference.fromInteger(format, signed ? BigInt.asIntN(width, a) : BigInt.asUintN(width, a), 0),
    } satisfies Case,
  ]),
];

const CASES: readonly Case[] = [
  ...ofFormat(SINGLE),
  ...ofFormat(DOUBLE),
  {
    name: 'to single',
    format: DOUBLE,
    share: 0.6,
    build: (site, a) => inlineFp(site, 'convert', 'i64', [a, i32.const(0), i32.const(1), i32.const(0)]),
    reference: (a) => reference.convert(DOUBLE, SINGLE, a, 0),
  },
  {
    name: 'to double',
    format: SINGLE,
    share: 0.6,
    build: (site, a) => inlineFp(site, 'convert', 'i64', [a, i32.const(0), i32.const(0), i32.const(1)]),
    reference: (a) => reference.convert(SINGLE, DOUBLE, a, 0),
  },
];

const ROUNDS = Number(process.env.CUMULET_FP_ROUNDS ?? 600);

const SETTINGS: readonly { nx: boolean; fuses: boolean }[] = [
  { nx: true, fuses: false },
  { nx: false, fuses: false },
  ...(HOST_FUSES ? [{ nx: true, fuses: true }] : []),
];

describe.each(SETTINGS)(
  'inlined operations, NX set: $nx, by the fused instruction of the host: $fuses',
  ({ nx, fuses }) => {
    const run = compile(CASES, nx, fuses);
    it.each(CASES.map((test, i) => [`${test.format === DOUBLE ? 'd' : 's'} ${test.name}`, i] as const))(
      '%s',
      (name, i) => {
        const { format, reference: of, share } = CASES[i]!;
        let fast = 0;
        for (let round = 0; round < ROUNDS; round++) {
          const values = operands(format);
          const got = run(i, values);
          if (got === undefined) continue;
          fast++;
          const want = of(...values);
          if (got === want.bits && (want.flags & ~(nx ? NX : 0)) === 0) continue;
          const hex = (bits: bigint): string => bits.toString(16);
          throw new Error(`${name} of ${values.map(hex)}: ${hex(got)}, not ${hex(want.bits)} with flags ${want.flags}`);
        }
        // The fast way is the usual one.
        if (nx) expect(fast / ROUNDS).toBeGreaterThan(share);
      },
    );
  },
);
