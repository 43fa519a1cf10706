// RV64I (without the privileged part) and M: unprivileged spec, chapters 2, 4 and 12.

import { choose, type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { type Definition, define } from './definition.ts';
import type { Emit, LoadWidth, StoreWidth } from './meaning.ts';

type Binary = (a: I64, b: I64) => I64;

/** Sign-extends the low word. */
const word = (value: I64): I64 => i64.extend32S(value);
const low = (value: I64): I64 => i64.extendU(i32.wrap(value));
const truth = (value: I32): I64 => i64.extendU(value);

const register = (name: string, funct7: string, funct3: string, op: Binary): Definition =>
  define(name, `${funct7} rs2 rs1 ${funct3} rd 0110011`, 'rd,rs1,rs2', (e) => e.setX(op(e.x('rs1'), e.x('rs2'))), true);
const registerWord = (name: string, funct7: string, funct3: string, op: Binary): Definition =>
  define(name, `${funct7} rs2 rs1 ${funct3} rd 0111011`, 'rd,rs1,rs2', (e) => e.setX(op(e.x('rs1'), e.x('rs2'))), true);
const immediate = (name: string, funct3: string, op: Binary): Definition =>
  define(name, `imm[11:0] rs1 ${funct3} rd 0010011`, 'rd,rs1,imm', (e) => e.setX(op(e.x('rs1'), e.imm())), true);
const shift = (name: string, funct6: string, funct3: string, op: Binary): Definition =>
  define(
    name,
    `${funct6} uimm[5:0] rs1 ${funct3} rd 0010011`,
    'rd,rs1,imm',
    (e) => e.setX(op(e.x('rs1'), e.imm())),
    true,
  );
const shiftWord = (name: string, funct7: string, funct3: string, op: Binary): Definition =>
  define(
    name,
    `${funct7} uimm[4:0] rs1 ${funct3} rd 0011011`,
    'rd,rs1,imm',
    (e) => e.setX(op(e.x('rs1'), e.imm())),
    true,
  );
const branch = (name: string, funct3: string, condition: (a: I64, b: I64) => I32): Definition =>
  define(name, `imm[12|10:5] rs2 rs1 ${funct3} imm[4:1|11] 1100011`, 'rs1,rs2,imm', (e) =>
    e.branch(condition(e.x('rs1'), e.x('rs2'))),
  );
const load = (name: string, funct3: string, width: LoadWidth): Definition =>
  define(name, `imm[11:0] rs1 ${funct3} rd 0000011`, 'rd,imm(rs1)', (e) =>
    e.setX(e.load(width, i64.add(e.x('rs1'), e.imm()))),
  );
const store = (name: string, funct3: string, width: StoreWidth): Definition =>
  define(name, `imm[11:5] rs2 rs1 ${funct3} imm[4:0] 0100011`, 'rs2,imm(rs1)', (e) =>
    e.store(width, i64.add(e.x('rs1'), e.imm()), e.x('rs2')),
  );

export const RV64I: readonly Definition[] = [
  define('lui', 'imm[31:12] rd 0110111', 'rd,imm', (e) => e.setX(e.imm()), true),
  define('auipc', 'imm[31:12] rd 0010111', 'rd,imm', (e) => e.setX(i64.add(e.pc(), e.imm())), true),
  define('jal', 'imm[20|10:1|11|19:12] rd 1101111', 'rd,imm', (e) => {
    e.setX(e.link());
    e.jump();
  }),
  define('jalr', 'imm[11:0] rs1 000 rd 1100111', 'rd,imm(rs1)', (e) => {
    const target = e.let(i64.and(i64.add(e.x('rs1'), e.imm()), -2n));
    e.setX(e.link());
    e.jumpTo(target);
  }),
  branch('beq', '000', i64.eq),
  branch('bne', '001', i64.ne),
  branch('blt', '100', i64.ltS),
  branch('bge', '101', i64.geS),
  branch('bltu', '110', i64.ltU),
  branch('bgeu', '111', i64.geU),
  load('lb', '000', 'b'),
  load('lh', '001', 'h'),
  load('lw', '010', 'w'),
  load('ld', '011', 'd'),
  load('lbu', '100', 'bu'),
  load('lhu', '101', 'hu'),
  load('lwu', '110', 'wu'),
  store('sb', '000', 'b'),
  store('sh', '001', 'h'),
  store('sw', '010', 'w'),
  store('sd', '011', 'd'),
  immediate('addi', '000', i64.add),
  immediate('slti', '010', (a, b) => truth(i64.ltS(a, b))),
  immediate('sltiu', '011', (a, b) => truth(i64.ltU(a, b))),
  immediate('xori', '100', i64.xor),
  immediate('ori', '110', i64.or),
  immediate('andi', '111', i64.and),
  shift('slli', '000000', '001', i64.shl),
  shift('srli', '000000', '101', i64.shrU),
  shift('srai', '010000', '101', i64.shrS),
  register('add', '0000000', '000', i64.add),
  register('sub', '0100000', '000', i64.sub),
  register('sll', '0000000', '001', i64.shl),
  register('slt', '0000000', '010', (a, b) => truth(i64.ltS(a, b))),
  register('sltu', '0000000', '011', (a, b) => truth(i64.ltU(a, b))),
  register('xor', '0000000', '100', i64.xor),
  register('srl', '0000000', '101', i64.shrU),
  register('sra', '0100000', '101', i64.shrS),
  register('or', '0000000', '110', i64.or),
  register('and', '0000000', '111', i64.and),
  define(
    'addiw',
    'imm[11:0] rs1 000 rd 0011011',
    'rd,rs1,imm',
    (e) => e.setX(word(i64.add(e.x('rs1'), e.imm()))),
    true,
  ),
  shiftWord('slliw', '0000000', '001', (a, b) => word(i64.shl(a, b))),
  shiftWord('srliw', '0000000', '101', (a, b) => i64.extendS(i32.shrU(i32.wrap(a), i32.wrap(b)))),
  shiftWord('sraiw', '0100000', '101', (a, b) => i64.extendS(i32.shrS(i32.wrap(a), i32.wrap(b)))),
  registerWord('addw', '0000000', '000', (a, b) => word(i64.add(a, b))),
  registerWord('subw', '0100000', '000', (a, b) => word(i64.sub(a, b))),
  registerWord('sllw', '0000000', '001', (a, b) => i64.extendS(i32.shl(i32.wrap(a), i32.wrap(b)))),
  registerWord('srlw', '0000000', '101', (a, b) => i64.extendS(i32.shrU(i32.wrap(a), i32.wrap(b)))),
  registerWord('sraw', '0100000', '101', (a, b) => i64.extendS(i32.shrS(i32.wrap(a), i32.wrap(b)))),
  // fm, pred and succ only weaken it: every fence is the strongest one. `imm` is shown as it is.
  define('fence', 'imm[11:0] rs1 000 rd 0001111', 'imm', (e) => e.fence()),
];

/** The high 64 bits of a 64 x 64 bit product, from four 32-bit products. `signs` subtracts what signed operands owe. */
function high(e: Emit, a: I64, b: I64, signs: (high: I64) => I64): I64 {
  const [a0, a1] = [e.let(low(a)), e.let(i64.shrU(a, 32n))];
  const [b0, b1] = [e.let(low(b)), e.let(i64.shrU(b, 32n))];
  const middle = e.let(i64.add(i64.mul(a1, b0), i64.shrU(i64.mul(a0, b0), 32n)));
  const middle2 = e.let(i64.add(i64.mul(a0, b1), low(middle)));
  return signs(i64.add(i64.add(i64.mul(a1, b1), i64.shrU(middle, 32n)), i64.shrU(middle2, 32n)));
}

/** What a signed `a` owes: b where a is negative. */
const debt = (a: I64, b: I64): I64 => i64.and(i64.shrS(a, 63n), b);

const highProduct = (name: string, funct3: string, signs: (a: I64, b: I64) => (high: I64) => I64): Definition =>
  define(
    name,
    `0000001 rs2 rs1 ${funct3} rd 0110011`,
    'rd,rs1,rs2',
    (e) => {
      const [a, b] = [e.let(e.x('rs1')), e.let(e.x('rs2'))];
      e.setX(high(e, a, b, signs(a, b)));
    },
    true,
  );

const MIN64 = -(2n ** 63n);

/** Division by zero gives all ones and the dividend; the one overflow gives the dividend and zero (12.2). */
const divide = (name: string, opcode: string, funct3: string, op: (e: Emit, a: I64, b: I64) => I64): Definition =>
  define(
    name,
    `0000001 rs2 rs1 ${funct3} rd ${opcode}`,
    'rd,rs1,rs2',
    (e) => e.setX(op(e, e.let(e.x('rs1')), e.let(e.x('rs2')))),
    true,
  );
const OP = '0110011';
const OP_32 = '0111011';

const word32 = (e: Emit, value: I64): I32 => e.let(i32.wrap(value)) as I32;
const MIN32 = -0x8000_0000;

export const RV64M: readonly Definition[] = [
  register('mul', '0000001', '000', i64.mul),
  highProduct('mulh', '001', (a, b) => (h) => i64.sub(i64.sub(h, debt(a, b)), debt(b, a))),
  highProduct('mulhsu', '010', (a, b) => (h) => i64.sub(h, debt(a, b))),
  highProduct('mulhu', '011', () => (h) => h),
  divide('div', OP, '100', (_, a, b) =>
    choose(i64.eqz(b), i64.const(-1n), choose(i32.and(i64.eq(a, MIN64), i64.eq(b, -1n)), a, i64.divS(a, b))),
  ),
  divide('divu', OP, '101', (_, a, b) => choose(i64.eqz(b), i64.const(-1n), i64.divU(a, b))),
  // rem_s of the one overflow is defined as 0 in WebAssembly too.
  divide('rem', OP, '110', (_, a, b) => choose(i64.eqz(b), a, i64.remS(a, b))),
  divide('remu', OP, '111', (_, a, b) => choose(i64.eqz(b), a, i64.remU(a, b))),
  registerWord('mulw', '0000001', '000', (a, b) => word(i64.mul(a, b))),
  divide('divw', OP_32, '100', (e, a64, b64) => {
    const [a, b] = [word32(e, a64), word32(e, b64)];
    const overflow = i32.and(i32.eq(a, MIN32), i32.eq(b, -1));
    return i64.extendS(choose(i32.eqz(b), i32.const(-1), choose(overflow, a, i32.divS(a, b))));
  }),
  divide('divuw', OP_32, '101', (e, a64, b64) => {
    const [a, b] = [word32(e, a64), word32(e, b64)];
    return i64.extendS(choose(i32.eqz(b), i32.const(-1), i32.divU(a, b)));
  }),
  divide('remw', OP_32, '110', (e, a64, b64) => {
    const [a, b] = [word32(e, a64), word32(e, b64)];
    return i64.extendS(choose(i32.eqz(b), a, i32.remS(a, b)));
  }),
  divide('remuw', OP_32, '111', (e, a64, b64) => {
    const [a, b] = [word32(e, a64), word32(e, b64)];
    return i64.extendS(choose(i32.eqz(b), a, i32.remU(a, b)));
  }),
];
