import { describe, expect, it } from 'vitest';
import { assemble, disassemble, encode } from './assemble.ts';
import { extract, type Fields, insert } from './pattern.ts';
import { COMPRESSED, decode, INSTRUCTIONS, newDecoded } from './table.ts';

const empty = (): Fields => ({ rd: 0, rs1: 0, rs2: 0, rs3: 0, rm: 0, imm: 0 });

describe('the tables', () => {
  it('hold each instruction once', () => {
    const names = INSTRUCTIONS.map((i) => i.name);
    expect(new Set(names).size).toBe(names.length);
    // I 50 and fence, M 13, A 22, F 30 and D 32 (and 5 names for CSR accesses), system: 5 fixed, sfence.vma, fence.i, 6 CSR.
    const general = 51 + 13 + 22 + 30 + 32 + 5 + 5 + 2 + 6 - 1;
    // Zba 8, Zbb 24, Zbs 8, Zicond 2, Zicbom 3, Zicboz 1, Zawrs 2, Svinval 3.
    expect(names.length).toBe(general + 8 + 24 + 8 + 2 + 3 + 1 + 2 + 3);
  });

  it('have no encoding that means two instructions', () => {
    for (const [i, a] of INSTRUCTIONS.entries()) {
      for (const b of INSTRUCTIONS.slice(i + 1)) {
        const common = a.pattern.mask & b.pattern.mask;
        // A special case of a later one, which is found first, is not that.
        if ((b.pattern.mask & ~a.pattern.mask) === 0 && /^f[rs]/.test(a.name)) continue;
        expect((a.pattern.match & common) === (b.pattern.match & common), `${a.name} and ${b.name}`).toBe(false);
      }
    }
  });

  it('decode what they encode, operands included', () => {
    for (const { name, pattern } of INSTRUCTIONS) {
      for (const ones of [false, true]) {
        const bits = ones ? (pattern.match | ~pattern.mask) >>> 0 : pattern.match;
        const decoded = decode(bits, newDecoded());
        expect(decoded.instruction?.name).toBe(name);
        const fields = empty();
        extract(pattern, bits, fields);
        expect(insert(pattern, fields)).toBe(bits);
      }
    }
  });

  it('expand compressed instructions', () => {
    for (const c of COMPRESSED) {
      const bits = (c.pattern.match | ~c.pattern.mask) & 0xffff;
      const decoded = decode(bits, newDecoded());
      expect(decoded.length).toBe(2);
      expect(decoded.instruction, c.name).toBeDefined();
    }
    expect(disassemble(0x1141)).toBe('c.addi (addi) sp,sp,-16');
    expect(disassemble(0x8082)).toBe('c.jr (jalr) zero,0(ra)');
    expect(disassemble(0x6105)).toBe('c.addi16sp (addi) sp,sp,32');
    expect(disassemble(0x67c9)).toBe('c.lui (lui) a5,73728');
  });

  it('leave reserved encodings undefined', () => {
    // All zeros, all ones, c.addi4spn without immediate, c.lwsp to x0, c.addiw to x0.
    for (const bits of [0, 0xffff_ffff, 0x0004, 0x4002, 0x2001]) {
      expect(decode(bits, newDecoded()).instruction, bits.toString(16)).toBeUndefined();
    }
  });
});

describe('the assembler', () => {
  it('knows the encodings that every assembler knows', () => {
    const known: [string, number][] = [
      ['addi sp, sp, -16', 0xff010113],
      ['sd ra, 8(sp)', 0x00113423],
      ['lui a0, 0x12345000', 0x12345537],
      ['mret', 0x30200073],
      ['csrrw a0, 0x305, a1', 0x30559573],
      ['amoadd.w a0, a1, (a2)', 0x00b6252f],
      ['fmadd.d fa0, fa1, fa2, fa3', 0x6ac5f543],
      ['fcvt.w.d a0, fa0, rtz', 0xc2051553],
      ['sfence.vma a0, a1', 0x12b50073],
    ];
    for (const [text, bits] of known) {
      expect(new DataView(assemble(text).buffer).getUint32(0, true).toString(16), text).toBe(bits.toString(16));
    }
  });

  it('resolves labels and refuses what does not fit', () => {
    const code = assemble('start:\n addi a0, a0, 1\n beq a0, a1, start\n jal ra, end\nend:');
    const view = new DataView(code.buffer);
    expect(disassemble(view.getUint32(4, true))).toBe('beq a0,a1,-4');
    expect(disassemble(view.getUint32(8, true))).toBe('jal ra,4');
    expect(() => encode('addi', { imm: 2048 })).toThrow('does not fit');
    expect(() => encode('beq', { imm: 3 })).toThrow('does not fit');
  });
});
