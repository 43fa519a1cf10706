// F and D: unprivileged spec, chapters 21 and 22. Arithmetic is in fp/; this says which operation on which operands.
// Values travel as i64: a double's bits, or a single's in the low half. Formats: 0 single, 1 double.

import { type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { define } from './definition.ts';
import type { Emit, FpFormat, Instruction, LoadWidth, StoreWidth } from './meaning.ts';

interface Format {
  readonly suffix: FpFormat;
  /** The fmt field. */
  readonly bits: string;
  readonly number: number;
  readonly sign: bigint;
}

const SINGLE: Format = { suffix: 's', bits: '00', number: 0, sign: 0x8000_0000n };
const DOUBLE: Format = { suffix: 'd', bits: '01', number: 1, sign: 1n << 63n };
const BOX = 0xffff_ffff_0000_0000n;

type Source = 'rs1' | 'rs2' | 'rs3';

const read = (e: Emit, format: Format, register: Source): I64 =>
  format === SINGLE ? i64.extendU(e.unbox(e.f(register))) : e.f(register);

const write = (e: Emit, format: Format, value: I64): void => e.setF(format === SINGLE ? i64.or(value, BOX) : value);

const fmt = (format: Format): I32 => i32.const(format.number);

function arithmetic(name: string, funct5: string, operands: 'two' | 'one', f: Format): Instruction {
  const second = operands === 'two' ? 'rs2' : '00000';
  const syntax = operands === 'two' ? 'fd,fs1,fs2' : 'fd,fs1';
  return define(`f${name}.${f.suffix}`, `${funct5}${f.bits} ${second} rs1 rm rd 1010011`, syntax, (e) => {
    e.requireFp();
    const rm = e.roundingMode();
    const a = read(e, f, 'rs1');
    const value =
      operands === 'two' ? e.fp(name, 'i64', a, read(e, f, 'rs2'), rm, fmt(f)) : e.fp(name, 'i64', a, rm, fmt(f));
    write(e, f, value);
  });
}

/** The fused ones negate the product, the addend, both, or neither. */
function fused(name: string, opcode: string, product: boolean, addend: boolean, f: Format): Instruction {
  return define(`${name}.${f.suffix}`, `rs3 ${f.bits} rs2 rs1 rm rd ${opcode}`, 'fd,fs1,fs2,fs3', (e) => {
    e.requireFp();
    const rm = e.roundingMode();
    const signed = (value: I64, negate: boolean): I64 => (negate ? i64.xor(value, f.sign) : value);
    const a = signed(read(e, f, 'rs1'), product);
    const c = signed(read(e, f, 'rs3'), addend);
    write(e, f, e.fp('fma', 'i64', a, read(e, f, 'rs2'), c, rm, fmt(f)));
  });
}

function signInjection(name: string, funct3: string, f: Format, sign: (a: I64, b: I64) => I64): Instruction {
  return define(`${name}.${f.suffix}`, `00100${f.bits} rs2 rs1 ${funct3} rd 1010011`, 'fd,fs1,fs2', (e) => {
    e.requireFp();
    const [a, b] = [e.let(read(e, f, 'rs1')), e.let(read(e, f, 'rs2'))];
    const magnitude = f === SINGLE ? 0x7fff_ffffn : (1n << 63n) - 1n;
    write(e, f, i64.or(i64.and(a, magnitude), i64.and(sign(a, b), f.sign)));
  });
}

function minMax(name: string, funct3: string, greatest: number, f: Format): Instruction {
  return define(`f${name}.${f.suffix}`, `00101${f.bits} rs2 rs1 ${funct3} rd 1010011`, 'fd,fs1,fs2', (e) => {
    e.requireFp();
    write(e, f, e.fp('minMax', 'i64', read(e, f, 'rs1'), read(e, f, 'rs2'), i32.const(greatest), fmt(f)));
  });
}

function compare(name: string, funct3: string, f: Format): Instruction {
  return define(`f${name}.${f.suffix}`, `10100${f.bits} rs2 rs1 ${funct3} rd 1010011`, 'rd,fs1,fs2', (e) => {
    e.requireFp();
    const result = e.fp(name, 'i32', read(e, f, 'rs1'), read(e, f, 'rs2'), fmt(f));
    e.setX(i64.extendU(result));
    e.fpDirty();
  });
}

/** The integer types in the order of the rs2 field: w, wu, l, lu. */
const INTEGERS = ['w', 'wu', 'l', 'lu'] as const;

const toInteger = (f: Format): Instruction[] =>
  INTEGERS.map((type, code) =>
    define(`fcvt.${type}.${f.suffix}`, `11000${f.bits} 000${bits2(code)} rs1 rm rd 1010011`, 'rd,fs1', (e) => {
      e.requireFp();
      const rm = e.roundingMode();
      e.setX(e.fp('toInteger', 'i64', read(e, f, 'rs1'), i64.const(code), rm, fmt(f)));
      e.fpDirty();
    }),
  );

const fromInteger = (f: Format): Instruction[] =>
  INTEGERS.map((type, code) =>
    define(`fcvt.${f.suffix}.${type}`, `11010${f.bits} 000${bits2(code)} rs1 rm rd 1010011`, 'fd,rs1', (e) => {
      e.requireFp();
      const rm = e.roundingMode();
      write(e, f, e.fp('fromInteger', 'i64', e.x('rs1'), i64.const(code), rm, fmt(f)));
    }),
  );

const bits2 = (value: number): string => value.toString(2).padStart(2, '0');

const load = (name: string, funct3: string, width: LoadWidth, box: (value: I64) => I64): Instruction =>
  define(name, `imm[11:0] rs1 ${funct3} rd 0000111`, 'fd,imm(rs1)', (e) => {
    e.requireFp();
    e.setF(box(e.load(width, i64.add(e.x('rs1'), e.imm()))));
  });

const store = (name: string, funct3: string, width: StoreWidth): Instruction =>
  define(name, `imm[11:5] rs2 rs1 ${funct3} imm[4:0] 0100111`, 'fs2,imm(rs1)', (e) => {
    e.requireFp();
    e.store(width, i64.add(e.x('rs1'), e.imm()), e.f('rs2'));
  });

/** A move that copies bits: no NaN-box is looked at. */
const move = (name: string, pattern: string, syntax: string, act: (e: Emit) => void): Instruction =>
  define(name, pattern, syntax, (e) => {
    e.requireFp();
    act(e);
  });

const ofFormat = (f: Format): Instruction[] => [
  arithmetic('add', '00000', 'two', f),
  arithmetic('sub', '00001', 'two', f),
  arithmetic('mul', '00010', 'two', f),
  arithmetic('div', '00011', 'two', f),
  arithmetic('sqrt', '01011', 'one', f),
  fused('fmadd', '1000011', false, false, f),
  fused('fmsub', '1000111', false, true, f),
  fused('fnmsub', '1001011', true, false, f),
  fused('fnmadd', '1001111', true, true, f),
  signInjection('fsgnj', '000', f, (_, b) => b),
  signInjection('fsgnjn', '001', f, (_, b) => i64.xor(b, -1n)),
  signInjection('fsgnjx', '010', f, (a, b) => i64.xor(a, b)),
  minMax('min', '000', 0, f),
  minMax('max', '001', 1, f),
  compare('le', '000', f),
  compare('lt', '001', f),
  compare('eq', '010', f),
  define(`fclass.${f.suffix}`, `11100${f.bits} 00000 rs1 001 rd 1010011`, 'rd,fs1', (e) => {
    e.requireFp();
    e.setX(i64.extendU(e.fp('classify', 'i32', read(e, f, 'rs1'), fmt(f))));
  }),
  ...toInteger(f),
  ...fromInteger(f),
];

/**
 * Accesses to fflags, frm and fcsr that programs make within arithmetic, under the names that assemblers give them: special
 * cases of the CSR instructions, which stand behind them in the table. Writing frm is left to those.
 */
const controls = (): Instruction[] => [
  ...(
    [
      ['frflags', '000000000001', 'flags'],
      ['frrm', '000000000010', 'mode'],
      ['frcsr', '000000000011', 'control'],
    ] as const
  ).map(([name, number, word]) =>
    define(name, `${number} 00000 010 rd 1110011`, 'rd', (e) => {
      e.requireFp();
      e.setX(i64.extendU(e.fp(word, 'i32')));
    }),
  ),
  define('fsflags', '000000000001 rs1 001 rd 1110011', 'rd,rs1', (e) => {
    e.requireFp();
    e.setX(i64.extendU(e.fp('setFlags', 'i32', e.x('rs1'))));
    e.fpDirty();
  }),
  define('fsflagsi', '000000000001 rs1 101 rd 1110011', 'rd,zimm', (e) => {
    e.requireFp();
    e.setX(i64.extendU(e.fp('setFlags', 'i32', i64.extendU(e.number('rs1')))));
    e.fpDirty();
  }),
];

export const RV64FD: readonly Instruction[] = [
  ...controls(),
  load('flw', '010', 'wu', (value) => i64.or(value, BOX)),
  load('fld', '011', 'd', (value) => value),
  store('fsw', '010', 'w'),
  store('fsd', '011', 'd'),
  ...ofFormat(SINGLE),
  ...ofFormat(DOUBLE),
  move('fmv.x.w', '1110000 00000 rs1 000 rd 1010011', 'rd,fs1', (e) => e.setX(i64.extend32S(e.f('rs1')))),
  move('fmv.x.d', '1110001 00000 rs1 000 rd 1010011', 'rd,fs1', (e) => e.setX(e.f('rs1'))),
  move('fmv.w.x', '1111000 00000 rs1 000 rd 1010011', 'fd,rs1', (e) => e.setF(i64.or(e.x('rs1'), BOX))),
  move('fmv.d.x', '1111001 00000 rs1 000 rd 1010011', 'fd,rs1', (e) => e.setF(e.x('rs1'))),
  define('fcvt.s.d', '0100000 00001 rs1 rm rd 1010011', 'fd,fs1', (e) => {
    e.requireFp();
    const rm = e.roundingMode();
    write(e, SINGLE, e.fp('convert', 'i64', read(e, DOUBLE, 'rs1'), rm, fmt(DOUBLE), fmt(SINGLE)));
  }),
  define('fcvt.d.s', '0100001 00000 rs1 rm rd 1010011', 'fd,fs1', (e) => {
    e.requireFp();
    const rm = e.roundingMode();
    write(e, DOUBLE, e.fp('convert', 'i64', read(e, SINGLE, 'rs1'), rm, fmt(SINGLE), fmt(DOUBLE)));
  }),
];
