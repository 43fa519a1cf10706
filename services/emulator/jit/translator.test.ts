// What translated code does must be what the interpreter does, instruction for instruction: two harts run the same program,
// one with the translator, and are compared after every slice.

import { describe, expect, it } from 'vitest';
import { Rig } from '../hart/rig.ts';
import { encode } from '../isa/assemble.ts';
import type { Fields } from '../isa/pattern.ts';

const CODE = 0x1000;
const DATA = 0x10_0000;
const HANDLER = 0x8000;

class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  }
  below(limit: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % limit;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

const REGISTER =
  'add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulh mulhu mulw div divu rem remuw divw'.split(
    ' ',
  );
const IMMEDIATE = 'addi slti sltiu xori ori andi addiw'.split(' ');
const LOADS = 'lb lh lw ld lbu lhu lwu'.split(' ');
const STORES = 'sb sh sw sd'.split(' ');
const BRANCHES = 'beq bne blt bge bltu bgeu'.split(' ');
const FLOATS = 'fadd.d fmul.d fsub.d fmadd.d fadd.s fcvt.d.l fsgnj.d'.split(' ');
const [RA, S0, S1] = [1, 8, 9];
/** Registers that anything may be written to. */
const FREE = [5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 28];

/** A loop over random code, with branches into its middle from everywhere, calls and returns; it never ends. */
function randomProgram(seed: number, words: number): Uint8Array {
  const random = new Random(seed);
  const code = new Uint32Array(words);
  const put = (at: number, name: string, operands: Partial<Fields>): void => {
    code[at] = encode(name, operands);
  };
  const rd = (): number => random.pick(FREE);
  const any = (): number => random.pick([0, S0, S1, ...FREE]);
  for (let i = 0; i < words - 1; i++) {
    const to = (random.below(words) - i) * 4;
    const near = (1 + random.below(6)) * 4;
    random.pick([
      () => put(i, random.pick(REGISTER), { rd: rd(), rs1: any(), rs2: any() }),
      () => put(i, random.pick(REGISTER), { rd: rd(), rs1: any(), rs2: any() }),
      () => put(i, random.pick(IMMEDIATE), { rd: rd(), rs1: any(), imm: random.below(4096) - 2048 }),
      () => put(i, random.pick(LOADS), { rd: rd(), rs1: S0, imm: random.below(2000) }),
      () => put(i, random.pick(STORES), { rs1: S0, rs2: any(), imm: random.below(2000) }),
      () =>
        put(i, random.pick(BRANCHES), {
          rs1: any(),
          rs2: any(),
          imm: random.below(3) ? Math.min(near, (words - 1 - i) * 4) : to,
        }),
      () => put(i, 'jal', { rd: random.pick([0, RA]), imm: to || 4 }),
      () => put(i, 'jalr', { rd: 0, rs1: RA, imm: 0 }),
      () => put(i, 'auipc', { rd: rd(), imm: random.below(16) << 12 }),
      () => put(i, 'amoadd.w', { rd: rd(), rs1: S0, rs2: any() }),
      () => put(i, 'lr.d', { rd: rd(), rs1: S0 }),
      () => put(i, 'sc.d', { rd: rd(), rs1: S0, rs2: any() }),
      () =>
        put(i, random.pick(FLOATS), {
          rd: random.below(32),
          rs1: random.below(32),
          rs2: random.below(32),
          rs3: random.below(32),
        }),
      // A page that is not there, a CSR, an encoding that is none.
      () => put(i, 'sd', { rs1: random.pick([0, 0, S1]), rs2: any(), imm: random.below(100) }),
      () => put(i, 'csrrs', { rd: rd(), imm: random.pick([0xb02, 0x003, 0x342]), rs1: 0 }),
      () => void (random.below(8) === 0 && put(i, 'fence.i', {})),
    ])();
    if (code[i] === 0 && random.below(16)) put(i, 'addi', { rd: rd(), rs1: any(), imm: 1 });
  }
  put(words - 1, 'jal', { rd: 0, imm: -(words - 1) * 4 });
  return new Uint8Array(code.buffer);
}

/** The trap handler goes on behind the instruction (4 bytes all), counting in s1; a jump into nothing starts again. */
const TRAPS = `
  csrrw sp, 0x340, sp
  csrrs sp, 0x342, zero
  sltiu sp, sp, 2
  beq sp, zero, 16
  auipc sp, 0xffff9000
  addi sp, sp, -16
  jal zero, 12
  csrrs sp, 0x341, zero
  addi sp, sp, 4
  csrrw zero, 0x341, sp
  addi s1, s1, 1
  csrrw sp, 0x340, sp
  mret`;

function begin(translate: boolean, program: Uint8Array): Rig {
  const rig = new Rig({ translate, hotThreshold: 1 });
  rig.place(TRAPS, HANDLER);
  new Uint8Array(rig.ram.buffer).set(program, CODE);
  const { hart } = rig;
  hart.setCsr(0x305, 0x8000_0000n + BigInt(HANDLER));
  hart.setCsr(0x300, 3n << 13n);
  hart.setX(S0, 0x8000_0000n + BigInt(DATA));
  hart.setX(RA, 0x8000_0000n + BigInt(CODE));
  hart.pc = 0x8000_0000n + BigInt(CODE);
  for (let f = 0; f < 32; f++) hart.setF(f, 0x3ff0_0000_0000_0000n + (BigInt(f) << 47n));
  rig.refreshCode();
  return rig;
}

const data = (rig: Rig): Buffer => Buffer.from(new Uint8Array(rig.ram.buffer).slice(DATA, DATA + 4096));

describe('a translated program', () => {
  it('does what the interpreter does, for random programs and budgets', () => {
    let entered = 0;
    for (let seed = 0; seed < 12; seed++) {
      const program = randomProgram(seed, 24 + (seed % 5) * 40);
      const [plain, translated] = [begin(false, program), begin(true, program)];
      const random = new Random(seed + 1000);
      for (let slice = 0; slice < 40; slice++) {
        const budget = 1 + random.below(slice < 20 ? 60 : 700);
        plain.hart.run(budget);
        translated.hart.run(budget);
        const [a, b] = [plain.hart.save(), translated.hart.save()];
        if (JSON.stringify(a) !== JSON.stringify(b)) expect({ seed, slice, ...b }).toEqual({ seed, slice, ...a });
        if (!data(plain).equals(data(translated))) throw new Error(`seed ${seed}, slice ${slice}: memory differs`);
      }
      entered += translated.hart.counters().regions_entered!;
    }
    expect(entered).toBeGreaterThan(2000);
  });

  const LOOP = `
    again:
    addi a0, a0, 1
    ld a2, 0(s0)
    add a2, a2, a0
    sd a2, 0(s0)
    jal zero, again`;

  /** The loop on both, from `offset`; `between` comes between two runs. */
  function compare(offset: number, between: (rig: Rig) => void): Rig {
    const [plain, translated] = [false, true].map((translate) => {
      const rig = new Rig({ translate, hotThreshold: 1 });
      rig.hart.setX(S0, 0x8000_0000n + BigInt(DATA));
      rig.place(LOOP, offset);
      for (let slice = 0; slice < 20; slice++) rig.hart.run(97);
      between(rig);
      for (let slice = 0; slice < 20; slice++) rig.hart.run(101);
      return rig;
    }) as [Rig, Rig];
    expect(translated.hart.save()).toEqual(plain.hart.save());
    expect(data(translated).equals(data(plain))).toBe(true);
    expect(translated.hart.counters().regions_entered).toBeGreaterThan(20);
    return translated;
  }

  it('is translated anew when its bytes have changed, but not before fence.i', () => {
    const write = (rig: Rig): void => rig.view.setUint32(0, encode('addi', { rd: 10, rs1: 10, imm: 1000 }), true);
    expect(compare(0, write).hart.getX(10)).toBeLessThan(1000n);
    const rig = compare(0, (rig) => {
      write(rig);
      rig.refreshCode();
    });
    expect(rig.hart.getX(10)).toBeGreaterThan(100_000n);
  });

  it('crosses a page border as the interpreter does, also when the other page changes', () => {
    compare(0x1ff8, () => undefined);
    compare(0x1ff8, (rig) => {
      rig.view.setUint32(0x2000, encode('sub', { rd: 12, rs1: 12, rs2: 10 }), true);
      rig.refreshCode();
    });
  });

  it('leaves in front of a load that traps, with every register as it is there', () => {
    compare(0, (rig) => rig.hart.setX(S0, 0n));
  });
});
