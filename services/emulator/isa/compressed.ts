// C: each 16-bit instruction stands for a 32-bit one (unprivileged spec, chapter 27); only its length differs. RV64.
// Order matters where one encoding is a special case of a later one (c.addi16sp of c.lui, c.jr of c.mv).

import { type FieldName, type Fields, type Pattern, parsePattern } from './pattern.ts';

export interface Compressed {
  readonly name: string;
  readonly pattern: Pattern;
  /** The instruction that it stands for. */
  readonly base: string;
  /** Operands that the encoding leaves out. */
  readonly fixed: Partial<Fields>;
  /** Fields that must not be zero: the encoding with zero is reserved or another instruction. */
  readonly nonzero: readonly FieldName[];
}

const c = (
  name: string,
  pattern: string,
  base: string,
  fixed: Partial<Fields> = {},
  nonzero: readonly FieldName[] = [],
): Compressed => ({ name, pattern: parsePattern(pattern), base, fixed, nonzero });

const SP = 2;

export const RV64C: readonly Compressed[] = [
  // Quadrant 0
  c('c.addi4spn', "000 uimm[5:4|9:6|2|3] rd' 00", 'addi', { rs1: SP }, ['imm']),
  c('c.fld', "001 uimm[5:3] rs1' uimm[7:6] rd' 00", 'fld'),
  c('c.lw', "010 uimm[5:3] rs1' uimm[2|6] rd' 00", 'lw'),
  c('c.ld', "011 uimm[5:3] rs1' uimm[7:6] rd' 00", 'ld'),
  c('c.fsd', "101 uimm[5:3] rs1' uimm[7:6] rs2' 00", 'fsd'),
  c('c.sw', "110 uimm[5:3] rs1' uimm[2|6] rs2' 00", 'sw'),
  c('c.sd', "111 uimm[5:3] rs1' uimm[7:6] rs2' 00", 'sd'),
  // Quadrant 1
  c('c.addi', '000 imm[5] rd=rs1 imm[4:0] 01', 'addi'),
  c('c.addiw', '001 imm[5] rd=rs1 imm[4:0] 01', 'addiw', {}, ['rd']),
  c('c.li', '010 imm[5] rd imm[4:0] 01', 'addi'),
  c('c.addi16sp', '011 imm[9] 00010 imm[4|6|8:7|5] 01', 'addi', { rd: SP, rs1: SP }, ['imm']),
  c('c.lui', '011 imm[17] rd imm[16:12] 01', 'lui', {}, ['imm']),
  c('c.srli', "100 uimm[5] 00 rd'=rs1' uimm[4:0] 01", 'srli'),
  c('c.srai', "100 uimm[5] 01 rd'=rs1' uimm[4:0] 01", 'srai'),
  c('c.andi', "100 imm[5] 10 rd'=rs1' imm[4:0] 01", 'andi'),
  c('c.sub', "100 0 11 rd'=rs1' 00 rs2' 01", 'sub'),
  c('c.xor', "100 0 11 rd'=rs1' 01 rs2' 01", 'xor'),
  c('c.or', "100 0 11 rd'=rs1' 10 rs2' 01", 'or'),
  c('c.and', "100 0 11 rd'=rs1' 11 rs2' 01", 'and'),
  c('c.subw', "100 1 11 rd'=rs1' 00 rs2' 01", 'subw'),
  c('c.addw', "100 1 11 rd'=rs1' 01 rs2' 01", 'addw'),
  c('c.j', '101 imm[11|4|9:8|10|6|7|3:1|5] 01', 'jal'),
  c('c.beqz', "110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", 'beq'),
  c('c.bnez', "111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", 'bne'),
  // Quadrant 2
  c('c.slli', '000 uimm[5] rd=rs1 uimm[4:0] 10', 'slli'),
  c('c.fldsp', '001 uimm[5] rd uimm[4:3|8:6] 10', 'fld', { rs1: SP }),
  c('c.lwsp', '010 uimm[5] rd uimm[4:2|7:6] 10', 'lw', { rs1: SP }, ['rd']),
  c('c.ldsp', '011 uimm[5] rd uimm[4:3|8:6] 10', 'ld', { rs1: SP }, ['rd']),
  c('c.jr', '100 0 rs1 00000 10', 'jalr', {}, ['rs1']),
  c('c.mv', '100 0 rd rs2 10', 'add', {}, ['rs2']),
  c('c.ebreak', '100 1 00000 00000 10', 'ebreak'),
  c('c.jalr', '100 1 rs1 00000 10', 'jalr', { rd: 1 }, ['rs1']),
  c('c.add', '100 1 rd=rs1 rs2 10', 'add', {}, ['rs2']),
  c('c.fsdsp', '101 uimm[5:3|8:6] rs2 10', 'fsd', { rs1: SP }),
  c('c.swsp', '110 uimm[5:2|7:6] rs2 10', 'sw', { rs1: SP }),
  c('c.sdsp', '111 uimm[5:3|8:6] rs2 10', 'sd', { rs1: SP }),
];
