// One line of an instruction table.

import type { Instruction, Meaning } from './meaning.ts';
import { parsePattern } from './pattern.ts';

export type Definition = Instruction;

/** `syntax` lists the operands as assembly orders them: `rd,imm(rs1)`. */
export function define(name: string, pattern: string, syntax: string, meaning: Meaning, pure = false): Definition {
  const parsed = parsePattern(pattern);
  // B and J formats: branches and jal.
  const opcode = parsed.match & 0x7f;
  const writes = parsed.fields.some((field) => field.name === 'rd');
  return { name, pattern: parsed, meaning, pure, syntax, writes, relative: opcode === 0x63 || opcode === 0x6f };
}
