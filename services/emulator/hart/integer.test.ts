import { describe, expect, it } from 'vitest';
import { Rig } from './rig.ts';

const MASK = (1n << 64n) - 1n;
const s = (x: bigint): bigint => BigInt.asIntN(64, x);
const w = (x: bigint): bigint => BigInt.asIntN(32, x);
const uw = (x: bigint): bigint => BigInt.asUintN(32, x);

const VALUES = [
  0n,
  1n,
  2n,
  3n,
  63n,
  64n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_8000_0000n,
  MASK,
  MASK - 1n,
  0x0123_4567_89ab_cdefn,
];

const rem = (a: bigint, b: bigint): bigint => (b === 0n ? a : a % b);
const MIN64 = -(1n << 63n);
const div = (a: bigint, b: bigint): bigint => (b === 0n ? -1n : a === MIN64 && b === -1n ? a : a / b);

/** What each register-register instruction gives, on unsigned 64-bit operands. */
const REGISTER: Record<string, (a: bigint, b: bigint) => bigint> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  sll: (a, b) => a << (b & 63n),
  slt: (a, b) => BigInt(s(a) < s(b)),
  sltu: (a, b) => BigInt(a < b),
  xor: (a, b) => a ^ b,
  srl: (a, b) => a >> (b & 63n),
  sra: (a, b) => s(a) >> (b & 63n),
  or: (a, b) => a | b,
  and: (a, b) => a & b,
  addw: (a, b) => w(a + b),
  subw: (a, b) => w(a - b),
  sllw: (a, b) => w(a << (b & 31n)),
  srlw: (a, b) => w(uw(a) >> (b & 31n)),
  sraw: (a, b) => w(a) >> (b & 31n),
  mul: (a, b) => a * b,
  mulh: (a, b) => (s(a) * s(b)) >> 64n,
  mulhsu: (a, b) => (s(a) * b) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  div: (a, b) => div(s(a), s(b)),
  divu: (a, b) => (b === 0n ? MASK : a / b),
  rem: (a, b) => rem(s(a), s(b)),
  remu: (a, b) => rem(a, b),
  mulw: (a, b) => w(a * b),
  divw: (a, b) => w(div(w(a), w(b))),
  divuw: (a, b) => (uw(b) === 0n ? MASK : w(uw(a) / uw(b))),
  remw: (a, b) => w(rem(w(a), w(b))),
  remuw: (a, b) => w(rem(uw(a), uw(b))),
};

const IMMEDIATE: Record<string, (a: bigint, b: bigint) => bigint> = {
  addi: REGISTER.add!,
  slti: REGISTER.slt!,
  sltiu: (a, b) => BigInt(a < (b & MASK)),
  xori: REGISTER.xor!,
  ori: REGISTER.or!,
  andi: REGISTER.and!,
  addiw: REGISTER.addw!,
};

const rig = new Rig();
const { hart } = rig;

/** Runs the placed instruction again. */
const again = (): void => {
  hart.pc = 0x8000_0000n;
  hart.run(1);
};

describe('integer instructions', () => {
  it.each(Object.entries(REGISTER))('%s', (name, meaning) => {
    rig.execute(`${name} a0, a1, a2`);
    for (const a of VALUES) {
      for (const b of VALUES) {
        hart.setX(11, a);
        hart.setX(12, b);
        again();
        expect([name, a, b, hart.getX(10)]).toEqual([name, a, b, meaning(a, b) & MASK]);
      }
    }
  });

  it.each(Object.entries(IMMEDIATE))('%s', (name, meaning) => {
    for (const imm of [-2048, -1, 0, 1, 2047]) {
      rig.execute(`${name} a0, a1, ${imm}`);
      for (const a of VALUES) {
        hart.setX(11, a);
        again();
        expect([name, a, imm, hart.getX(10)]).toEqual([name, a, imm, meaning(a, BigInt(imm)) & MASK]);
      }
    }
  });

  it.each([
    ['slli', 'sll', 63],
    ['srli', 'srl', 63],
    ['srai', 'sra', 63],
    ['slliw', 'sllw', 31],
    ['srliw', 'srlw', 31],
    ['sraiw', 'sraw', 31],
  ])('%s', (name, register, most) => {
    for (const shift of [0, 1, 17, most]) {
      rig.execute(`${name} a0, a1, ${shift}`);
      for (const a of VALUES) {
        hart.setX(11, a);
        again();
        expect([name, a, shift, hart.getX(10)]).toEqual([name, a, shift, REGISTER[register]!(a, BigInt(shift)) & MASK]);
      }
    }
  });

  it('lui and auipc sign-extend', () => {
    rig.execute('lui a0, 0x80000000');
    expect(hart.getX(10)).toBe(0xffff_ffff_8000_0000n);
    rig.execute('auipc a0, 0x1000');
    expect(hart.getX(10)).toBe(0x8000_1000n);
  });

  it.each([
    ['beq', (a: bigint, b: bigint) => a === b],
    ['bne', (a: bigint, b: bigint) => a !== b],
    ['blt', (a: bigint, b: bigint) => s(a) < s(b)],
    ['bge', (a: bigint, b: bigint) => s(a) >= s(b)],
    ['bltu', (a: bigint, b: bigint) => a < b],
    ['bgeu', (a: bigint, b: bigint) => a >= b],
  ] as const)('%s goes where it should', (name, taken) => {
    rig.execute(`${name} a1, a2, 64`);
    for (const a of VALUES) {
      for (const b of VALUES) {
        hart.setX(11, a);
        hart.setX(12, b);
        again();
        expect(hart.pc).toBe(0x8000_0000n + (taken(a, b) ? 64n : 4n));
      }
    }
  });

  it('x0 stays zero, whatever writes it', () => {
    hart.setX(11, 0x8000_8000n);
    hart.setX(12, 5n);
    for (const text of [
      'add x0, a1, a2',
      'ld x0, 0(a1)',
      'jal x0, 8',
      'jalr x0, 0(a1)',
      'amoadd.d x0, a2, (a1)',
      'lr.d x0, (a1)',
      'csrrw x0, 0x340, a1',
      'csrrs x0, 0x340, a1',
    ]) {
      rig.execute(text);
      rig.execute('addi a0, x0, 0');
      expect([text, hart.getX(10)]).toEqual([text, 0n]);
    }
  });

  it('jumps link to the next instruction, 2 or 4 bytes further', () => {
    rig.execute('jal ra, 64');
    expect([hart.getX(1), hart.pc]).toEqual([0x8000_0004n, 0x8000_0040n]);
    hart.setX(10, 0x8000_1001n);
    rig.execute('jalr a0, 7(a0)');
    expect([hart.getX(10), hart.pc]).toEqual([0x8000_0004n, 0x8000_1008n]);
    hart.setX(10, 0x8000_2000n);
    rig.execute('c.jalr a0');
    expect([hart.getX(1), hart.pc]).toEqual([0x8000_0002n, 0x8000_2000n]);
  });
});

describe('loads and stores', () => {
  it('extend what they load', () => {
    rig.view.setBigUint64(0x8000, 0xfedc_ba98_f654_b210n, true);
    hart.setX(11, 0x8000_8000n);
    for (const [text, want] of [
      ['lb a0, 1(a1)', 0xffff_ffff_ffff_ffb2n],
      ['lbu a0, 1(a1)', 0xb2n],
      ['lh a0, 2(a1)', 0xffff_ffff_ffff_f654n],
      ['lhu a0, 2(a1)', 0xf654n],
      ['lw a0, 4(a1)', 0xffff_ffff_fedc_ba98n],
      ['lwu a0, 4(a1)', 0xfedc_ba98n],
      ['ld a0, 0(a1)', 0xfedc_ba98_f654_b210n],
    ] as const) {
      rig.execute(text);
      expect([text, hart.getX(10)]).toEqual([text, want]);
    }
  });

  it('may be misaligned, also across a page border', () => {
    for (const offset of [0x8ffbn, 0x8ffdn, 0x8fffn, 0x9001n]) {
      hart.setX(11, 0x8000_0000n + offset);
      hart.setX(12, 0x1122_3344_5566_7788n);
      rig.execute('sd a2, 0(a1)\nld a0, 0(a1)\nlw a3, 0(a1)\nlhu a4, 3(a1)');
      expect([hart.getX(10), hart.getX(13), hart.getX(14)]).toEqual([0x1122_3344_5566_7788n, 0x5566_7788n, 0x4455n]);
      expect(rig.view.getBigUint64(Number(offset), true)).toBe(0x1122_3344_5566_7788n);
    }
  });

  it('outside of RAM go to the bus, by size', () => {
    const seen: unknown[] = [];
    const device = new Rig({
      bus: {
        load: (address, size) => {
          seen.push([address, size]);
          return size === 8 ? 0x8877_6655_4433_2211n : 0x80;
        },
        store: (address, size, value) => {
          seen.push([address, size, value]);
          return true;
        },
      },
    });
    device.hart.setX(11, 0x1000_0000n);
    device.hart.setX(12, 0xffff_ffff_ffff_ff85n);
    device.execute('lb a0, 5(a1)\nsd a2, 8(a1)\nsh a2, 2(a1)\nld a3, 16(a1)');
    expect(device.hart.getX(10)).toBe(0xffff_ffff_ffff_ff80n);
    expect(device.hart.getX(13)).toBe(0x8877_6655_4433_2211n);
    expect(seen).toEqual([
      [0x1000_0005, 1],
      [0x1000_0008, 8, 0xffff_ffff_ffff_ff85n],
      [0x1000_0002, 2, 0xff85],
      [0x1000_0010, 8],
    ]);
  });

  it('where nothing is, are access faults', () => {
    hart.setX(11, 0x1000_0000n);
    for (const [text, cause] of [
      ['lw a0, 0(a1)', 5n],
      ['sw a0, 0(a1)', 7n],
      ['amoadd.w a0, a0, (a1)', 7n],
      ['lr.w a0, (a1)', 5n],
    ] as const) {
      rig.execute(text);
      expect([text, hart.getCsr(0x342), hart.getCsr(0x343), hart.getCsr(0x341)]).toEqual([
        text,
        cause,
        0x1000_0000n,
        0x8000_0000n,
      ]);
    }
  });
});

describe('atomics', () => {
  const at = 0x8000_8000n;
  it.each([
    ['amoswap', (_: bigint, b: bigint) => b],
    ['amoadd', (a: bigint, b: bigint) => a + b],
    ['amoxor', (a: bigint, b: bigint) => a ^ b],
    ['amoand', (a: bigint, b: bigint) => a & b],
    ['amoor', (a: bigint, b: bigint) => a | b],
    ['amomin', (a: bigint, b: bigint) => (s(a) < s(b) ? a : b)],
    ['amomax', (a: bigint, b: bigint) => (s(a) > s(b) ? a : b)],
    ['amominu', (a: bigint, b: bigint) => (a < b ? a : b)],
    ['amomaxu', (a: bigint, b: bigint) => (a > b ? a : b)],
  ] as const)('%s returns the old value and stores the new one', (name, meaning) => {
    hart.setX(11, at);
    for (const a of VALUES) {
      for (const b of VALUES) {
        rig.view.setBigUint64(0x8000, a, true);
        hart.setX(12, b);
        rig.execute(`${name}.d a0, a2, (a1)`);
        expect([hart.getX(10), rig.view.getBigUint64(0x8000, true)]).toEqual([a, meaning(a, b) & MASK]);
        rig.view.setBigUint64(0x8000, a, true);
        rig.execute(`${name}.w a0, a2, (a1)`);
        const signed = /min$|max$/.test(name);
        const [x, y] = signed ? [w(a), w(b)] : [uw(a), uw(b)];
        const low = uw(meaning(x & (signed ? MASK : uw(MASK)), y & (signed ? MASK : uw(MASK))));
        expect([hart.getX(10), rig.view.getBigUint64(0x8000, true)]).toEqual([w(a) & MASK, ((a >> 32n) << 32n) | low]);
      }
    }
  });

  it('must be aligned', () => {
    hart.setX(11, at + 4n);
    rig.execute('amoadd.d a0, a2, (a1)');
    expect([hart.getCsr(0x342), hart.getCsr(0x343)]).toEqual([6n, at + 4n]);
    rig.execute('lr.d a0, (a1)');
    expect(hart.getCsr(0x342)).toBe(4n);
  });

  it('sc succeeds once after lr at the same address, and only while the value is still there', () => {
    hart.setX(11, at);
    hart.setX(12, 99n);
    rig.view.setBigUint64(0x8000, 7n, true);
    rig.execute('lr.d a0, (a1)\nsc.d a3, a2, (a1)\nsc.d a4, a2, (a1)');
    expect([hart.getX(10), hart.getX(13), hart.getX(14)]).toEqual([7n, 0n, 1n]);
    expect(rig.view.getBigUint64(0x8000, true)).toBe(99n);
    hart.setX(14, 100n);
    rig.execute('lr.d a0, (a1)\nsd a4, 0(a1)\nsc.d a3, a2, (a1)');
    expect([hart.getX(13), rig.view.getBigUint64(0x8000, true)]).toEqual([1n, 100n]);
    hart.setX(15, at + 8n);
    rig.execute('lr.d a0, (a1)\nsc.d a3, a2, (a5)');
    expect(hart.getX(13)).toBe(1n);
  });
});
