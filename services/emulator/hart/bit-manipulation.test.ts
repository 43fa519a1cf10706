import { describe, expect, it } from 'vitest';
import { BY_NAME } from '../isa/table.ts';
import { Rig } from './rig.ts';

const MASK = (1n << 64n) - 1n;
const s = (x: bigint): bigint => BigInt.asIntN(64, x);
const w = (x: bigint): bigint => BigInt.asIntN(32, x);
const uw = (x: bigint): bigint => BigInt.asUintN(32, x);
const bits = (x: bigint, width = 64): string => x.toString(2).padStart(width, '0');
const bytes = (x: bigint): string[] => x.toString(16).padStart(16, '0').match(/../g)!;
const leading = (x: bigint, width: number): bigint => BigInt(`${bits(x, width)}1`.indexOf('1'));
const trailing = (x: bigint, width: number): bigint =>
  BigInt(`1${bits(x, width)}`.length - 1 - `1${bits(x, width)}`.lastIndexOf('1'));
const ones = (x: bigint): bigint => BigInt(bits(x).replaceAll('0', '').length);
const right = (x: bigint, by: bigint, width: bigint): bigint => (x >> by) | (x << (width - by));

const VALUES = [
  0n,
  1n,
  0x80n,
  0x100n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_8000_0000n,
  MASK,
  0x0123_4567_89ab_cdefn,
  0x00ff_0001_8000_7f00n,
];

const TWO: Record<string, (a: bigint, b: bigint) => bigint> = {
  sh1add: (a, b) => (a << 1n) + b,
  sh2add: (a, b) => (a << 2n) + b,
  sh3add: (a, b) => (a << 3n) + b,
  'sh1add.uw': (a, b) => (uw(a) << 1n) + b,
  'sh2add.uw': (a, b) => (uw(a) << 2n) + b,
  'sh3add.uw': (a, b) => (uw(a) << 3n) + b,
  'add.uw': (a, b) => uw(a) + b,
  andn: (a, b) => a & ~b,
  orn: (a, b) => a | ~b,
  xnor: (a, b) => ~(a ^ b),
  min: (a, b) => (s(a) < s(b) ? a : b),
  minu: (a, b) => (a < b ? a : b),
  max: (a, b) => (s(a) > s(b) ? a : b),
  maxu: (a, b) => (a > b ? a : b),
  rol: (a, b) => right(a, (64n - (b & 63n)) & 63n, 64n),
  ror: (a, b) => right(a, b & 63n, 64n),
  rolw: (a, b) => w(right(uw(a), (32n - (b & 31n)) & 31n, 32n)),
  rorw: (a, b) => w(right(uw(a), b & 31n, 32n)),
  bclr: (a, b) => a & ~(1n << (b & 63n)),
  bext: (a, b) => (a >> (b & 63n)) & 1n,
  binv: (a, b) => a ^ (1n << (b & 63n)),
  bset: (a, b) => a | (1n << (b & 63n)),
  'czero.eqz': (a, b) => (b === 0n ? 0n : a),
  'czero.nez': (a, b) => (b === 0n ? a : 0n),
};

const ONE: Record<string, (a: bigint) => bigint> = {
  clz: (a) => leading(a, 64),
  ctz: (a) => trailing(a, 64),
  cpop: ones,
  clzw: (a) => leading(uw(a), 32),
  ctzw: (a) => trailing(uw(a), 32),
  cpopw: (a) => ones(uw(a)),
  'sext.b': (a) => BigInt.asIntN(8, a),
  'sext.h': (a) => BigInt.asIntN(16, a),
  'zext.h': (a) => BigInt.asUintN(16, a),
  'orc.b': (a) =>
    BigInt(
      `0x${bytes(a)
        .map((byte) => (byte === '00' ? '00' : 'ff'))
        .join('')}`,
    ),
  rev8: (a) => BigInt(`0x${bytes(a).reverse().join('')}`),
};

const SHIFT: Record<string, readonly [(a: bigint, b: bigint) => bigint, number]> = {
  'slli.uw': [(a, b) => uw(a) << b, 63],
  rori: [TWO.ror!, 63],
  roriw: [TWO.rorw!, 31],
  bclri: [TWO.bclr!, 63],
  bexti: [TWO.bext!, 63],
  binvi: [TWO.binv!, 63],
  bseti: [TWO.bset!, 63],
};

const rig = new Rig();
const { hart } = rig;
const again = (): bigint => {
  hart.pc = 0x8000_0000n;
  hart.run(1);
  return hart.getX(10);
};

describe('bit manipulation', () => {
  it('has a case for each of its instructions here', () => {
    const known = new Set([...Object.keys(TWO), ...Object.keys(ONE), ...Object.keys(SHIFT)]);
    expect([...known].filter((name) => !BY_NAME.has(name))).toEqual([]);
    // Zba 8, Zbb 24 on RV64, Zbs 8, Zicond 2.
    expect(known.size).toBe(8 + 24 + 8 + 2);
  });

  it.each(Object.entries(TWO))('%s', (name, expected) => {
    rig.execute(`${name} a0, a1, a2`);
    for (const a of VALUES) {
      for (const b of VALUES) {
        hart.setX(11, a);
        hart.setX(12, b);
        expect([a, b, again()]).toEqual([a, b, expected(a, b) & MASK]);
      }
    }
  });

  it.each(Object.entries(ONE))('%s', (name, expected) => {
    rig.execute(`${name} a0, a1`);
    for (const a of VALUES) {
      hart.setX(11, a);
      expect([a, again()]).toEqual([a, expected(a) & MASK]);
    }
  });

  it.each(Object.entries(SHIFT))('%s', (name, [expected, greatest]) => {
    for (const by of [0, 1, 7, 31, greatest]) {
      rig.execute(`${name} a0, a1, ${by}`);
      for (const a of VALUES) {
        hart.setX(11, a);
        expect([a, by, again()]).toEqual([a, by, expected(a, BigInt(by)) & MASK]);
      }
    }
  });
});
