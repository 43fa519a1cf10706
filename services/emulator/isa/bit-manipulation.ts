// Zba, Zbb, Zbs (unprivileged spec, chapter 28) and Zicond (chapter 12): RV64.

import { type I64, i32, i64, select } from '../wasm/expr.ts';
import { define } from './definition.ts';
import type { Emit, Instruction } from './meaning.ts';

type Unary = (a: I64) => I64;
type Binary = (a: I64, b: I64) => I64;

const OP = '0110011';
const OP_32 = '0111011';
const OP_IMM = '0010011';
const OP_IMM_32 = '0011011';

/** Operands are used more than once: they are evaluated first. */
const operand = (e: Emit, register: 'rs1' | 'rs2'): I64 => e.let(e.x(register));

const register = (name: string, funct7: string, funct3: string, op: Binary, opcode = OP): Instruction =>
  define(
    name,
    `${funct7} rs2 rs1 ${funct3} rd ${opcode}`,
    'rd,rs1,rs2',
    (e) => e.setX(op(operand(e, 'rs1'), operand(e, 'rs2'))),
    true,
  );
const unary = (name: string, funct12: string, funct3: string, op: Unary, opcode = OP_IMM): Instruction =>
  define(name, `${funct12} rs1 ${funct3} rd ${opcode}`, 'rd,rs1', (e) => e.setX(op(operand(e, 'rs1'))), true);
const immediate = (name: string, bits: string, funct3: string, op: Binary, opcode = OP_IMM): Instruction =>
  define(
    name,
    `${bits} uimm[${bits.length === 6 ? '5:0' : '4:0'}] rs1 ${funct3} rd ${opcode}`,
    'rd,rs1,imm',
    (e) => e.setX(op(operand(e, 'rs1'), e.imm())),
    true,
  );

const word = (value: I64): I64 => i64.and(value, 0xffff_ffffn);
const not = (value: I64): I64 => i64.xor(value, -1n);

const shiftAdd = (distance: number, funct3: string): Instruction[] => [
  register(`sh${distance}add`, '0010000', funct3, (a, b) => i64.add(b, i64.shl(a, distance))),
  register(`sh${distance}add.uw`, '0010000', funct3, (a, b) => i64.add(b, i64.shl(word(a), distance)), OP_32),
];

const ZBA: readonly Instruction[] = [
  ...shiftAdd(1, '010'),
  ...shiftAdd(2, '100'),
  ...shiftAdd(3, '110'),
  register('add.uw', '0000100', '000', (a, b) => i64.add(b, word(a)), OP_32),
  immediate('slli.uw', '000010', '001', (a, b) => i64.shl(word(a), b), OP_IMM_32),
];

const EVEN_BYTES = 0x00ff_00ff_00ff_00ffn;
const EVEN_HALVES = 0x0000_ffff_0000_ffffn;
const LOW_BITS = 0x7f7f_7f7f_7f7f_7f7fn;

/** Swaps neighbours of `width` bits that `mask` tells apart. */
const swap = (value: I64, mask: bigint, width: number): I64 =>
  i64.or(i64.shl(i64.and(value, mask), width), i64.and(i64.shrU(value, width), mask));

const reverseBytes = (e: Emit): void => {
  const halves = e.let(swap(operand(e, 'rs1'), EVEN_BYTES, 8));
  e.setX(i64.rotl(e.let(swap(halves, EVEN_HALVES, 16)), 32n));
};

/** Each byte that is not zero becomes all ones. */
const orBytes = (a: I64): I64 => {
  // The highest bit of each byte: set by a carry from the others, or there before.
  const some = i64.and(i64.or(i64.add(i64.and(a, LOW_BITS), LOW_BITS), a), not(i64.const(LOW_BITS)));
  return i64.mul(i64.shrU(some, 7n), 0xffn);
};

const rotateWord =
  (rotate: typeof i32.rotl): Binary =>
  (a, b) =>
    i64.extendS(rotate(i32.wrap(a), i32.wrap(b)));
const count =
  (op: typeof i32.clz): Unary =>
  (a) =>
    i64.extendU(op(i32.wrap(a)));

const ZBB: readonly Instruction[] = [
  register('andn', '0100000', '111', (a, b) => i64.and(a, not(b))),
  register('orn', '0100000', '110', (a, b) => i64.or(a, not(b))),
  register('xnor', '0100000', '100', (a, b) => not(i64.xor(a, b))),
  unary('clz', '011000000000', '001', i64.clz),
  unary('ctz', '011000000001', '001', i64.ctz),
  unary('cpop', '011000000010', '001', i64.popcnt),
  unary('clzw', '011000000000', '001', count(i32.clz), OP_IMM_32),
  unary('ctzw', '011000000001', '001', count(i32.ctz), OP_IMM_32),
  unary('cpopw', '011000000010', '001', count(i32.popcnt), OP_IMM_32),
  register('min', '0000101', '100', (a, b) => select(i64.ltS(a, b), a, b)),
  register('minu', '0000101', '101', (a, b) => select(i64.ltU(a, b), a, b)),
  register('max', '0000101', '110', (a, b) => select(i64.gtS(a, b), a, b)),
  register('maxu', '0000101', '111', (a, b) => select(i64.gtU(a, b), a, b)),
  unary('sext.b', '011000000100', '001', i64.extend8S),
  unary('sext.h', '011000000101', '001', i64.extend16S),
  unary('zext.h', '000010000000', '100', (a) => i64.and(a, 0xffffn), OP_32),
  register('rol', '0110000', '001', i64.rotl),
  register('ror', '0110000', '101', i64.rotr),
  immediate('rori', '011000', '101', i64.rotr),
  register('rolw', '0110000', '001', rotateWord(i32.rotl), OP_32),
  register('rorw', '0110000', '101', rotateWord(i32.rotr), OP_32),
  immediate('roriw', '0110000', '101', rotateWord(i32.rotr), OP_IMM_32),
  unary('orc.b', '001010000111', '101', orBytes),
  define('rev8', '011010111000 rs1 101 rd 0010011', 'rd,rs1', reverseBytes, true),
];

/** Shift distances count modulo 64 in WebAssembly as they do here. */
const bit = (b: I64): I64 => i64.shl(i64.const(1n), b);

const singleBit = (name: string, funct6: string, funct3: string, op: Binary): Instruction[] => [
  register(name, `${funct6}0`, funct3, op),
  immediate(`${name}i`, funct6, funct3, op),
];

const ZBS: readonly Instruction[] = [
  ...singleBit('bclr', '010010', '001', (a, b) => i64.and(a, not(bit(b)))),
  ...singleBit('bext', '010010', '101', (a, b) => i64.and(i64.shrU(a, b), 1n)),
  ...singleBit('binv', '011010', '001', (a, b) => i64.xor(a, bit(b))),
  ...singleBit('bset', '001010', '001', (a, b) => i64.or(a, bit(b))),
];

export const ZICOND: readonly Instruction[] = [
  register('czero.eqz', '0000111', '101', (a, b) => select(i64.eqz(b), i64.const(0n), a)),
  register('czero.nez', '0000111', '111', (a, b) => select(i64.eqz(b), a, i64.const(0n))),
];

export const RV64B: readonly Instruction[] = [...ZBA, ...ZBB, ...ZBS];
