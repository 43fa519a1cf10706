// Assembly text from the same tables that the decoder uses: encode by fields, a small assembler for tests and tools, and a
// disassembler.

import type { Instruction } from './meaning.ts';
import { type Fields, insert } from './pattern.ts';
import { BY_NAME, COMPRESSED, decode, newDecoded } from './table.ts';

export const X_NAMES: readonly string[] = (
  'zero ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 ' + 's2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6'
).split(' ');
export const F_NAMES: readonly string[] = (
  'ft0 ft1 ft2 ft3 ft4 ft5 ft6 ft7 fs0 fs1 fa0 fa1 fa2 fa3 fa4 fa5 fa6 fa7 ' +
  'fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11 ft8 ft9 ft10 ft11'
).split(' ');
const ROUNDING = ['rne', 'rtz', 'rdn', 'rup', 'rmm', 'rm5', 'rm6', 'dyn'];
const DYNAMIC = 7;

const COMPRESSED_BY_NAME = new Map(COMPRESSED.map((c) => [c.name, c]));

/** The encoding of an instruction, 32 or 16 bits. Fields that are left out are 0; the rounding mode is dynamic. */
export function encode(name: string, operands: Partial<Fields> = {}): number {
  const compressed = COMPRESSED_BY_NAME.get(name);
  if (compressed) return insert(compressed.pattern, operands);
  const instruction = BY_NAME.get(name);
  if (!instruction) throw new Error(`no instruction ${name}`);
  return insert(instruction.pattern, { rm: DYNAMIC, ...operands });
}

function registerNumber(names: readonly string[], letter: string, text: string): number {
  const number = text.startsWith(letter) && /^.\d+$/.test(text) ? Number(text.slice(1)) : names.indexOf(text);
  if (number < 0 || number > 31) throw new Error(`no register ${text}`);
  return number;
}

/** Reads one operand by its word in the syntax. */
function readOperand(word: string, text: string, into: Partial<Fields>, value: (text: string) => number): void {
  const register = /^([rf])(d|s1|s2|s3)$/.exec(word);
  if (register) {
    const [, file, which] = register;
    const field = (which === 'd' ? 'rd' : `r${which}`) as 'rd' | 'rs1' | 'rs2' | 'rs3';
    into[field] = file === 'r' ? registerNumber(X_NAMES, 'x', text) : registerNumber(F_NAMES, 'f', text);
  } else if (word === 'zimm') {
    into.rs1 = value(text);
  } else {
    into.imm = value(text);
  }
}

/** `imm(rs1)` and `(rs1)` are two operands written as one. */
const words = (syntax: string): string[] => syntax.split(/[,()]/).filter((word) => word !== '');

/**
 * Assembles lines of `label:` and `name operands`. Branch and jump targets are labels or distances. Returns the code, to
 * be placed at an even address.
 */
export function assemble(text: string): Uint8Array {
  const lines = text
    .split(/[\n;]/)
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
  const labels = new Map<string, number>();
  let at = 0;
  for (const line of lines) {
    if (line.endsWith(':')) labels.set(line.slice(0, -1), at);
    else at += line.startsWith('c.') ? 2 : 4;
  }
  const bytes = new Uint8Array(at);
  const view = new DataView(bytes.buffer);
  at = 0;
  for (const line of lines) {
    if (line.endsWith(':')) continue;
    const [name, ...rest] = line.split(/\s+/) as [string, ...string[]];
    const operands = words(rest.join(''));
    const value = (operand: string): number => {
      const label = labels.get(operand);
      return label === undefined ? Number(operand) : label - at;
    };
    const bits = encode(name, readOperands(name, operands, value));
    if (name.startsWith('c.')) view.setUint16(at, bits, true);
    else view.setUint32(at, bits, true);
    at += name.startsWith('c.') ? 2 : 4;
  }
  return bytes;
}

function readOperands(name: string, operands: readonly string[], value: (text: string) => number): Partial<Fields> {
  const fields: Partial<Fields> = {};
  const compressed = COMPRESSED_BY_NAME.get(name);
  const instruction = BY_NAME.get(compressed?.base ?? name);
  if (!instruction) throw new Error(`no instruction ${name}`);
  let syntax = words(instruction.syntax);
  if (compressed) {
    // A compressed instruction names its fields once: c.addi takes rd and imm.
    const has = (field: string): boolean => compressed.pattern.fields.some((f) => f.name === field);
    const shared = compressed.pattern.text.includes('=');
    syntax = syntax.filter((word) => {
      const field = word.replace(/^f/, 'r');
      return (has(field) || (word === 'imm' && has('imm'))) && !(shared && field === 'rs1');
    });
    if (shared) {
      readOperand(syntax[0]!, operands[0]!, fields, value);
      fields.rs1 = fields.rd ?? 0;
      operands.slice(1).forEach((operand, i) => {
        readOperand(syntax[i + 1]!, operand, fields, value);
      });
      return fields;
    }
  }
  const modes = operands.length === syntax.length + 1 ? ROUNDING.indexOf(operands.at(-1)!) : -1;
  if (operands.length !== syntax.length + (modes >= 0 ? 1 : 0)) {
    throw new Error(`${name} takes ${syntax.join()}, not ${operands.join()}`);
  }
  syntax.forEach((word, i) => {
    readOperand(word, operands[i]!, fields, value);
  });
  if (modes >= 0) fields.rm = modes;
  return fields;
}

const decoded = newDecoded();

/** The text of the instruction in the low bits; of a compressed one, that of the instruction that it stands for. */
export function disassemble(bits: number): string {
  const { instruction, compressed } = decode(bits, decoded);
  if (!instruction) return `.word 0x${bits.toString(16)}`;
  const name = compressed ? `${compressed.name} (${instruction.name})` : instruction.name;
  return `${name} ${operandText(instruction, decoded)}`.trim();
}

function operandText(instruction: Instruction, fields: Fields): string {
  const text = instruction.syntax.replace(/[a-z0-9]+/g, (word) => {
    const register = /^([rf])(d|s1|s2|s3)$/.exec(word);
    if (register) {
      const [, file, which] = register;
      const number = fields[(which === 'd' ? 'rd' : `r${which}`) as keyof Fields];
      return (file === 'r' ? X_NAMES : F_NAMES)[number]!;
    }
    if (word === 'zimm') return String(fields.rs1);
    if (word === 'csr') return `0x${fields.imm.toString(16)}`;
    return String(fields.imm);
  });
  const rounds = instruction.pattern.fields.some((field) => field.name === 'rm');
  return rounds && fields.rm !== DYNAMIC ? `${text},${ROUNDING[fields.rm]}` : text;
}
