// One line of an instruction table.

import type { Instruction, Meaning } from './meaning.ts';
import { parsePattern } from './pattern.ts';

export type Definition = Instruction;

/** `syntax` lists the operands as assembly orders them: `rd,imm(rs1)`. */
export function define(name: string, pattern: string, syntax: string, meaning: Meaning, pure = false): Definition {
  return { name, pattern: parsePattern(pattern), meaning, pure, syntax };
}
