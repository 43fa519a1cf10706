import { describe, expect, it } from 'vitest';
import { Rig } from '../hart/rig.ts';
import * as reference from './reference.ts';
import { DOUBLE, type Format, type Result, SINGLE } from './reference.ts';

const FCSR = 0x003;
const FS_DIRTY = 3n << 13n;
const BOX = 0xffff_ffff_0000_0000n;
const MASK64 = (1n << 64n) - 1n;

const rig = new Rig();
const { hart } = rig;
hart.setCsr(0x300, FS_DIRTY);

const FORMATS: readonly (readonly ['s' | 'd', Format])[] = [
  ['s', SINGLE],
  ['d', DOUBLE],
];
const MODES = [0, 1, 2, 3, 4];
const NAMES = ['rne', 'rtz', 'rdn', 'rup', 'rmm'];

/** Places an instruction once and runs it for many operands. */
function prepare(text: string): () => void {
  rig.execute(text);
  return () => {
    hart.pc = 0x8000_0000n;
    hart.run(1);
  };
}

const boxed = (format: Format, bits: bigint): bigint => (format === SINGLE ? bits | BOX : bits);
const unboxed = (format: Format, bits: bigint): bigint => (format === SINGLE ? bits & ~BOX : bits);

/** Values at every edge of a format, and a few dozen random ones, some with short significands. */
function operands(format: Format, seed: number): bigint[] {
  const fraction = BigInt(format.precision - 1);
  const field = (exponent: number, bits = 0n): bigint => (BigInt(exponent) << fraction) | bits;
  const ones = (1n << fraction) - 1n;
  const top = 2 * format.bias + 1;
  const edges = [
    field(0),
    field(0, 1n),
    field(0, ones),
    field(1),
    field(1, 1n),
    field(format.bias - 1),
    field(format.bias),
    field(format.bias, 1n),
    field(format.bias, ones),
    field(format.bias + 1),
    field(top - 1, ones),
    field(top),
    field(top, 1n << (fraction - 1n)),
    field(top, 1n),
  ];
  let state = BigInt(seed) * 0x9e37_79b9_7f4a_7c15n + 1n;
  const random = (): bigint => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & MASK64;
    return state >> 11n;
  };
  for (let i = 0; i < 10; i++) {
    const exponent = i < 5 ? format.bias - 8 + Number(random() % 17n) : Number(random() % BigInt(top));
    const bits = random() & ones;
    edges.push(field(exponent, i % 2 ? bits : bits & ~(ones >> 6n)));
  }
  return edges.flatMap((bits) => [bits, bits | (1n << BigInt(format.width - 1))]);
}

interface Case {
  readonly text: string;
  readonly act: () => void;
  readonly expected: (mode: number, a: bigint, b: bigint, c: bigint) => Result;
}

function check(format: Format, { text, act, expected }: Case, mode: number, a: bigint, b: bigint, c: bigint): void {
  hart.setF(11, boxed(format, a));
  hart.setF(12, boxed(format, b));
  hart.setF(13, boxed(format, c));
  const want = expected(mode, a, b, c);
  // With NX clear and with NX set: the two ways to a result (fast.ts).
  for (const before of [0, 1]) {
    hart.setCsr(FCSR, BigInt((mode << 5) | before));
    act();
    const got = hart.getF(10);
    const flags = Number(hart.getCsr(FCSR)) & 31;
    if (got === boxed(format, want.bits) && flags === (want.flags | before)) continue;
    const hex = (value: bigint): string => value.toString(16);
    const of = `${text} ${NAMES[mode]} of ${hex(a)} ${hex(b)} ${hex(c)}`;
    throw new Error(
      `${of}: ${hex(unboxed(format, got))} flags ${flags}, not ${hex(want.bits)} flags ${want.flags | before}`,
    );
  }
}

describe.each(FORMATS)('arithmetic of format %s is exact in value and flags', (suffix, format) => {
  const two = (name: string, f: (f: Format, a: bigint, b: bigint, mode: number) => Result): Case => {
    const text = `f${name}.${suffix} fa0, fa1, fa2`;
    return { text, act: () => {}, expected: (mode, a, b) => f(format, a, b, mode) };
  };
  it.each([
    ['add', reference.add],
    ['sub', reference.sub],
    ['mul', reference.mul],
    ['div', reference.div],
  ] as const)('%s', (name, f) => {
    const test = two(name, f);
    const run = { ...test, act: prepare(test.text) };
    const values = operands(format, name.charCodeAt(0));
    for (const mode of MODES) {
      values.forEach((a, i) => {
        values.forEach((b, j) => {
          // All pairs in the default mode, every third in the others.
          if (mode === 0 || (i + j) % 3 === 0) check(format, run, mode, a, b, 0n);
        });
      });
    }
  });

  it('sqrt', () => {
    const text = `fsqrt.${suffix} fa0, fa1`;
    const run: Case = { text, act: prepare(text), expected: (mode, a) => reference.sqrt(format, a, mode) };
    for (const mode of MODES) for (const a of operands(format, 5)) check(format, run, mode, a, 0n, 0n);
  });

  it.each([
    ['fmadd', false, false],
    ['fmsub', false, true],
    ['fnmsub', true, false],
    ['fnmadd', true, true],
  ] as const)('%s rounds once', (name, product, addend) => {
    const text = `${name}.${suffix} fa0, fa1, fa2, fa3`;
    const flip = (value: boolean, bits: bigint): bigint => (value ? reference.negate(format, bits) : bits);
    const run: Case = {
      text,
      act: prepare(text),
      expected: (mode, a, b, c) => reference.fma(format, flip(product, a), b, flip(addend, c), mode),
    };
    const values = operands(format, 7);
    values.forEach((a, i) => {
      values.forEach((b, j) => {
        for (const k of [i, (i * 7 + j) % values.length]) check(format, run, (i + j + k) % 5, a, b, values[k]!);
      });
    });
    // Products that cancel against the addend but for their low half.
    for (const a of values) {
      for (const b of values.slice(20)) {
        for (const mode of MODES) {
          const c = reference.negate(format, reference.mul(format, a, b, 0).bits);
          check(format, run, mode, a, b, c);
        }
      }
    }
  });

  it.each([
    ['w', 32, true],
    ['wu', 32, false],
    ['l', 64, true],
    ['lu', 64, false],
  ] as const)('to and from %s', (type, width, signed) => {
    const to = prepare(`fcvt.${type}.${suffix} a0, fa1`);
    const values = operands(format, 9);
    // Around the limits of the integers.
    const fraction = BigInt(format.precision - 1);
    for (const exponent of [-2, -1, 0, 1, 30, 31, 32, 62, 63, 64]) {
      for (const bits of [0n, 1n, (1n << fraction) - 1n, 1n << (fraction - 1n)]) {
        values.push((BigInt(exponent + format.bias) << fraction) | bits);
        values.push((BigInt(exponent + format.bias) << fraction) | bits | (1n << BigInt(format.width - 1)));
      }
    }
    for (const mode of MODES) {
      for (const a of values) {
        hart.setF(11, boxed(format, a));
        hart.setCsr(FCSR, BigInt(mode << 5));
        to();
        const want = reference.toInteger(format, a, mode, width, signed);
        const value = width === 32 ? BigInt.asIntN(32, want.bits) : want.bits;
        const got = { value: hart.getX(10), flags: Number(hart.getCsr(FCSR)) & 31 };
        expect({ a: a.toString(16), mode, ...got }).toEqual({
          a: a.toString(16),
          mode,
          value: value & MASK64,
          flags: want.flags,
        });
      }
    }
    const from = prepare(`fcvt.${suffix}.${type} fa0, a1`);
    for (const mode of MODES) {
      for (const shift of [0n, 1n, 23n, 24n, 25n, 31n, 32n, 52n, 53n, 54n, 63n]) {
        for (const delta of [-1n, 0n, 1n, 3n, -(1n << 63n), -(2n << shift) - 1n]) {
          const x = ((1n << shift) + delta) & MASK64;
          hart.setX(11, x);
          hart.setCsr(FCSR, BigInt(mode << 5));
          from();
          const integer = signed ? BigInt.asIntN(width, x) : BigInt.asUintN(width, x);
          const want = reference.fromInteger(format, integer, mode);
          expect([hart.getF(10), Number(hart.getCsr(FCSR)) & 31]).toEqual([boxed(format, want.bits), want.flags]);
        }
      }
    }
  });

  it('compares, with -0 equal to 0; lt and le signal quiet NaNs, eq does not', () => {
    const values = operands(format, 11);
    const order = (bits: bigint): number | undefined => {
      const v = reference.parse(format, bits);
      if (v.kind === 'nan') return undefined;
      if (v.kind === 'infinite') return v.sign ? -Infinity : Infinity;
      return Number(v.n) * 2 ** v.e * (v.sign ? -1 : 1);
    };
    for (const [name, holds, loud] of [
      ['feq', (a: number, b: number) => a === b, false],
      ['flt', (a: number, b: number) => a < b, true],
      ['fle', (a: number, b: number) => a <= b, true],
    ] as const) {
      const act = prepare(`${name}.${suffix} a0, fa1, fa2`);
      for (const a of values) {
        for (const b of values) {
          hart.setF(11, boxed(format, a));
          hart.setF(12, boxed(format, b));
          hart.setCsr(FCSR, 0n);
          act();
          const [x, y] = [order(a), order(b)];
          const nan = x === undefined || y === undefined;
          const signaling = [a, b].some((bits) => {
            const v = reference.parse(format, bits);
            return v.kind === 'nan' && v.signaling;
          });
          const want = nan ? 0n : BigInt(holds(x, y));
          expect([hart.getX(10), hart.getCsr(FCSR)]).toEqual([want, nan && (loud || signaling) ? 16n : 0n]);
        }
      }
    }
  });
});

describe('conversion between formats', () => {
  it('rounds doubles to singles and keeps singles', () => {
    const narrow = prepare('fcvt.s.d fa0, fa1');
    const values = operands(DOUBLE, 13);
    for (const exponent of [-150, -149, -127, -126, -125, 127, 128]) {
      for (const bits of [0n, 1n, 0xf_ffff_e000_0000n, 0xf_ffff_f000_0000n, 0x1000_0000n]) {
        values.push((BigInt(exponent + 1023) << 52n) | bits);
      }
    }
    for (const mode of MODES) {
      for (const a of values) {
        hart.setF(11, a);
        hart.setCsr(FCSR, BigInt(mode << 5));
        narrow();
        const want = reference.convert(DOUBLE, SINGLE, a, mode);
        expect([a.toString(16), hart.getF(10), Number(hart.getCsr(FCSR)) & 31]).toEqual([
          a.toString(16),
          want.bits | BOX,
          want.flags,
        ]);
      }
    }
    const widen = prepare('fcvt.d.s fa0, fa1');
    for (const a of operands(SINGLE, 13)) {
      hart.setF(11, a | BOX);
      hart.setCsr(FCSR, 0n);
      widen();
      const want = reference.convert(SINGLE, DOUBLE, a, 0);
      expect([hart.getF(10), Number(hart.getCsr(FCSR)) & 31]).toEqual([want.bits, want.flags]);
    }
  });
});

describe('registers', () => {
  it('a single that is not NaN-boxed reads as the canonical NaN', () => {
    hart.setF(11, 0x3f80_0000n);
    hart.setF(12, 0x3f80_0000n | BOX);
    hart.setCsr(FCSR, 0n);
    rig.execute('fadd.s fa0, fa1, fa2');
    expect(hart.getF(10)).toBe(0x7fc0_0000n | BOX);
    rig.execute('fclass.s a0, fa1');
    expect(hart.getX(10)).toBe(1n << 9n);
    rig.execute('fsgnj.s fa0, fa1, fa1');
    expect(hart.getF(10)).toBe(0x7fc0_0000n | BOX);
    // Moves and stores copy bits and do not look.
    rig.execute('fmv.x.w a0, fa1');
    expect(hart.getX(10)).toBe(0x3f80_0000n);
  });

  it('classifies', () => {
    const classes: [bigint, number][] = [
      [0xfff0_0000_0000_0000n, 0],
      [0xbff0_0000_0000_0000n, 1],
      [0x8000_0000_0000_0001n, 2],
      [0x8000_0000_0000_0000n, 3],
      [0n, 4],
      [1n, 5],
      [0x3ff0_0000_0000_0000n, 6],
      [0x7ff0_0000_0000_0000n, 7],
      [0x7ff0_0000_0000_0001n, 8],
      [0x7ff8_0000_0000_0000n, 9],
    ];
    for (const [bits, number] of classes) {
      hart.setF(11, bits);
      rig.execute('fclass.d a0, fa1');
      expect(hart.getX(10)).toBe(1n << BigInt(number));
    }
  });

  it('min and max prefer numbers, order -0 below 0, and signal signaling NaNs', () => {
    const [nan, snan, negative, positive] = [0x7ff8n << 48n, 0x7ff4n << 48n, 1n << 63n, 0n];
    for (const [name, a, b, want, flags] of [
      ['fmin.d', negative, positive, negative, 0n],
      ['fmax.d', negative, positive, positive, 0n],
      ['fmin.d', nan, positive, positive, 0n],
      ['fmax.d', negative, snan, negative, 16n],
      ['fmax.d', nan, nan, nan, 0n],
    ] as const) {
      hart.setF(11, a);
      hart.setF(12, b);
      hart.setCsr(FCSR, 0n);
      rig.execute(`${name} fa0, fa1, fa2`);
      expect([name, hart.getF(10), hart.getCsr(FCSR)]).toEqual([name, want, flags]);
    }
  });

  it('is an illegal instruction while the unit is off, and marks it dirty when on', () => {
    hart.setCsr(0x300, 0n);
    rig.execute('fadd.d fa0, fa1, fa2');
    expect(hart.getCsr(0x342)).toBe(2n);
    expect(hart.getCsr(0x343)).toBe(0x02c5_f553n);
    hart.setCsr(0x300, 1n << 13n);
    rig.execute('fmv.d.x fa0, a0');
    expect(hart.getCsr(0x300) >> 63n).toBe(1n);
    hart.setCsr(0x300, FS_DIRTY);
  });

  it('traps on reserved rounding modes, in the instruction and in frm', () => {
    hart.setCsr(0x342, 0n);
    rig.execute('fadd.d fa0, fa1, fa2, rm5');
    expect(hart.getCsr(0x342)).toBe(2n);
    hart.setCsr(0x342, 0n);
    hart.setCsr(FCSR, 5n << 5n);
    rig.execute('fadd.d fa0, fa1, fa2');
    expect(hart.getCsr(0x342)).toBe(2n);
  });
});
