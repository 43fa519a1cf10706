// Random programs that run bare on QEMU's `virt` board and on ours, and send what they did over the UART: registers, memory,
// traps, and in user mode the page tables. The same seed is the same program.
//
//   0x80000000  start, trap handler, finish      + 0x20000  data        + 0x30000  report: trap log, registers
//   + 0x2000    the body                         + 0x24000  constants   + 0x40000  page tables
//
// Registers: s0, sp and t6 point to the data, t5 to where an atomic goes; all others are anybody's.

import { encode } from '../../services/emulator/isa/assemble.ts';
import type { Fields } from '../../services/emulator/isa/pattern.ts';
import { BY_NAME, COMPRESSED, INSTRUCTIONS } from '../../services/emulator/isa/table.ts';

export type Mode = 'machine' | 'sv39' | 'sv48';

export interface Program {
  readonly image: Uint8Array;
  /** The instructions of the body, each with its offset in the image. */
  readonly body: readonly { readonly at: number; readonly bits: number; readonly length: 2 | 4 }[];
  /** Bytes that the program sends. */
  readonly reportSize: number;
}

export const START = 0x8000_0000;
const HANDLER = 0x800;
const FINISH = 0xc00;
const BODY = 0x2000;
const DATA = 0x20000;
const CONSTANTS = 0x24000;
const REPORT = 0x30000;
const TABLES = 0x40000;
const IMAGE_SIZE = 0x48000;

const LAP_COUNTER = CONSTANTS + 0x800;
const LAPS = 3;

const DATA_SIZE = 0x2000;
/** Words of the report: saved registers of the handler, cursor, then x, f, fcsr, then the trap log. */
const CURSOR = 16;
const SAVED_X = 0x100;
const SAVED_F = 0x200;
const SAVED_FCSR = 0x300;
const LOG = 0x400;
const REPORT_SIZE = 0x8000;
/** Where the trap log lies in the report: entries of mcause, mepc, mtval. */
export const TRAP_LOG = LOG;
export const TRAP_LOG_END = REPORT_SIZE;
/** Where user mode sees the data: two pages below the end of a leaf table's range and on. */
const USER_DATA = 0x4000_0000;

const [ZERO, RA, SP, T0, T1, S0, A0, T4, T5, T6] = [0, 1, 2, 5, 6, 8, 10, 29, 30, 31];

/** A small generator of random numbers (xorshift): the program is a function of its seed. */
export class Random {
  #state: bigint;

  constructor(seed: number) {
    this.#state = (BigInt(seed) + 1n) * 0x9e37_79b9_7f4a_7c15n;
    this.#state = BigInt.asUintN(64, this.#state) | 1n;
    for (let i = 0; i < 8; i++) this.next64();
  }

  next64(): bigint {
    let x = this.#state;
    x ^= BigInt.asUintN(64, x << 13n);
    x ^= x >> 7n;
    x ^= BigInt.asUintN(64, x << 17n);
    this.#state = x;
    return BigInt.asUintN(64, x * 0x2545_f491_4f6c_dd1dn);
  }

  below(limit: number): number {
    return Number((this.next64() >> 11n) % BigInt(limit));
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }
}

class Assembler {
  readonly image = new Uint8Array(IMAGE_SIZE);
  readonly view = new DataView(this.image.buffer);
  at = 0;

  put(name: string, operands: Partial<Fields> = {}): void {
    const bits = encode(name, operands);
    if (name.startsWith('c.')) {
      this.view.setUint16(this.at, bits, true);
      this.at += 2;
    } else {
      this.view.setUint32(this.at, bits, true);
      this.at += 4;
    }
  }

  /** rd = the address of `offset` in the image. */
  address(rd: number, offset: number): void {
    const distance = offset - this.at;
    const high = (distance + 0x800) & ~0xfff;
    this.put('auipc', { rd, imm: high });
    this.put('addi', { rd, rs1: rd, imm: distance - high });
  }

  csr(name: 'csrrw' | 'csrrs' | 'csrrc', rd: number, imm: number, rs1: number): void {
    this.put(name, { rd, imm, rs1 });
  }
}

const CSR = {
  fflags: 1,
  frm: 2,
  fcsr: 3,
  satp: 0x180,
  mstatus: 0x300,
  mtvec: 0x305,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
} as const;

const INTERESTING: readonly bigint[] = [
  0n,
  1n,
  2n,
  0xffff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000n,
  0x7fff_ffffn,
  0xffff_ffffn,
  0xffff_ffff_8000_0000n,
  // Doubles: 1, -1, 1.5, greatest, least normal, subnormals, infinities, NaNs, integers at the limits of conversions.
  0x3ff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0x3ff8_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x0010_0000_0000_0001n,
  0x000f_ffff_ffff_ffffn,
  0x8000_0000_0000_0001n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0x7ff8_0000_0000_0000n,
  0x7ff4_0000_0000_0000n,
  0x41df_ffff_ffc0_0000n,
  0x43e0_0000_0000_0000n,
  0xc3e0_0000_0000_0000n,
  0x3fe0_0000_0000_0000n,
  0x3fdf_ffff_ffff_ffffn,
  // Boxed singles: the same again.
  0xffff_ffff_3f80_0000n,
  0xffff_ffff_bf80_0000n,
  0xffff_ffff_3fc0_0000n,
  0xffff_ffff_7f7f_ffffn,
  0xffff_ffff_0080_0000n,
  0xffff_ffff_007f_ffffn,
  0xffff_ffff_8000_0001n,
  0xffff_ffff_7f80_0000n,
  0xffff_ffff_ff80_0000n,
  0xffff_ffff_7fc0_0000n,
  0xffff_ffff_7fa0_0000n,
  0xffff_ffff_4f00_0000n,
  0xffff_ffff_5f00_0000n,
];

function interesting(random: Random): bigint {
  const choice = random.below(8);
  if (choice < 4) return random.pick(INTERESTING);
  if (choice === 4) return random.next64();
  // Doubles and singles of moderate exponents, so that sums neither vanish nor overflow.
  if (choice === 5) return (random.next64() & 0x800f_ffff_ffff_ffffn) | (BigInt(1013 + random.below(20)) << 52n);
  if (choice === 6)
    return 0xffff_ffff_0000_0000n | (random.next64() & 0x807f_ffffn) | (BigInt(117 + random.below(20)) << 23n);
  return BigInt.asUintN(64, BigInt(random.below(2000) - 1000));
}

/** Groups of the instructions that bodies are made of. */
const named = (test: (name: string) => boolean): string[] => INSTRUCTIONS.map((i) => i.name).filter(test);
/** QEMU 7.2 has no Zicond, and its ctzw counts in 64 bits (put right in QEMU 8.0). */
const UNKNOWN_TO_QEMU = /^(czero|ctzw$)/;
const ARITHMETIC = named((name) => BY_NAME.get(name)!.pure && name !== 'auipc' && !UNKNOWN_TO_QEMU.test(name));
const LOADS = ['lb', 'lh', 'lw', 'ld', 'lbu', 'lhu', 'lwu'];
const STORES = ['sb', 'sh', 'sw', 'sd'];
const BRANCHES = ['beq', 'bne', 'blt', 'bge', 'bltu', 'bgeu'];
const AMOS = named((name) => name.startsWith('amo'));
const FLOATS = named((name) => /^f(?!ence)/.test(name) && !/^f[ls][wd]$/.test(name));
const COMPRESSED_PLAIN = COMPRESSED.filter((c) => !/c\.(j|jr|jalr|beqz|bnez|ebreak|addi16sp)$/.test(c.name));

/** The width of an unsigned immediate: a shift distance or a bit's number. Others are 12 bits, signed. */
function unsignedBits(name: string): number {
  const field = BY_NAME.get(name)!.pattern.fields.find((f) => f.name === 'imm');
  return field && field.signedWidth === 0 ? field.parts.reduce((bits, part) => bits + part.width, 0) : 0;
}

export interface ProgramOptions {
  readonly seed: number;
  readonly mode: Mode;
  /** Instructions of the body. */
  readonly length: number;
  /** Only the first ones; the rest are no-ops: to find the first that differs. */
  readonly only?: number;
}

export function randomProgram(options: ProgramOptions): Program {
  const random = new Random(options.seed);
  const a = new Assembler();
  const user = options.mode !== 'machine';
  writeStart(a, options.mode);
  writeHandler(a);
  writeFinish(a, user);
  for (let i = 0; i < 64; i++) a.view.setBigUint64(CONSTANTS + i * 8, interesting(random), true);
  for (let i = 0; i < DATA_SIZE; i += 8) a.view.setBigUint64(DATA + i, interesting(random), true);
  if (user) writeTables(a, random, options.mode);
  const body = writeBody(a, random, options.length);
  writeLap(a);
  const end = a.at;
  if (user) {
    a.put('ecall');
  } else {
    a.put('jal', { rd: ZERO, imm: FINISH - a.at });
  }
  // The handler knows the end by this word.
  a.view.setBigUint64(REPORT + 24, BigInt(START + end), true);
  a.view.setBigUint64(REPORT + CURSOR, BigInt(START + REPORT + LOG), true);
  for (const { at, length } of body.slice(options.only ?? body.length)) {
    if (length === 2) a.view.setUint16(at, encode('c.addi'), true);
    else a.view.setUint32(at, encode('addi'), true);
  }
  const reportSize = REPORT_SIZE + DATA_SIZE + (user ? 0x4000 : 0);
  return { image: a.image, body, reportSize };
}

/** Back to the start of the body, LAPS - 1 times: what is executed again may have been translated by then. */
function writeLap(a: Assembler): void {
  a.view.setBigUint64(LAP_COUNTER, BigInt(LAPS), true);
  a.address(T5, LAP_COUNTER);
  a.put('ld', { rd: SP, rs1: T5 });
  a.put('addi', { rd: SP, rs1: SP, imm: -1 });
  a.put('sd', { rs2: SP, rs1: T5 });
  a.put('sltu', { rd: T5, rs1: ZERO, rs2: SP });
  a.put('addi', { rd: SP, rs1: T6 });
  a.put('beq', { rs1: T5, rs2: ZERO, imm: 12 });
  a.put('addi', { rd: T5, rs1: T6 });
  a.put('jal', { rd: ZERO, imm: BODY - a.at });
}

function writeStart(a: Assembler, mode: Mode): void {
  a.address(T0, HANDLER);
  a.csr('csrrw', ZERO, CSR.mtvec, T0);
  a.address(T0, REPORT);
  a.csr('csrrw', ZERO, CSR.mscratch, T0);
  // mstatus.FS = 1, and fcsr from nothing.
  a.put('lui', { rd: T0, imm: 0x2000 });
  a.csr('csrrs', ZERO, CSR.mstatus, T0);
  a.csr('csrrw', ZERO, CSR.fcsr, ZERO);
  a.put('addi', { rd: T0, imm: -1 });
  a.put('srli', { rd: T0, rs1: T0, imm: 10 });
  a.csr('csrrw', ZERO, CSR.pmpaddr0, T0);
  a.put('addi', { rd: T0, imm: 0x1f });
  a.csr('csrrw', ZERO, CSR.pmpcfg0, T0);
  if (mode !== 'machine') {
    a.address(T0, TABLES);
    a.put('srli', { rd: T0, rs1: T0, imm: 12 });
    a.put('addi', { rd: T1, imm: mode === 'sv39' ? 8 : 9 });
    a.put('slli', { rd: T1, rs1: T1, imm: 60 });
    a.put('or', { rd: T0, rs1: T0, rs2: T1 });
    a.csr('csrrw', ZERO, CSR.satp, T0);
    a.put('sfence.vma');
    a.address(T0, BODY);
    a.csr('csrrw', ZERO, CSR.mepc, T0);
    // To user mode: MPP = 0.
    a.put('addi', { rd: T0, imm: 3 });
    a.put('slli', { rd: T0, rs1: T0, imm: 11 });
    a.csr('csrrc', ZERO, CSR.mstatus, T0);
  }
  a.address(A0, CONSTANTS);
  for (let f = 0; f < 32; f++) a.put('fld', { rd: f, rs1: A0, imm: 256 + f * 8 });
  for (let x = 31; x > 0; x--) if (x !== A0) a.put('ld', { rd: x, rs1: A0, imm: x * 8 });
  if (mode === 'machine') {
    a.address(T6, DATA + 0x1000);
  } else {
    a.put('lui', { rd: T6, imm: USER_DATA });
    a.put('lui', { rd: S0, imm: 0x1000 });
    a.put('add', { rd: T6, rs1: T6, rs2: S0 });
  }
  a.put('addi', { rd: S0, rs1: T6, imm: 0 });
  a.put('addi', { rd: SP, rs1: T6, imm: 0 });
  a.put('addi', { rd: T5, rs1: T6, imm: 0 });
  a.put('ld', { rd: A0, rs1: A0, imm: A0 * 8 });
  if (mode === 'machine') a.put('jal', { rd: ZERO, imm: BODY - a.at });
  else a.put('mret');
}

function writeHandler(a: Assembler): void {
  a.at = HANDLER;
  a.csr('csrrw', T6, CSR.mscratch, T6);
  a.put('sd', { rs2: T5, rs1: T6, imm: 0 });
  a.put('sd', { rs2: T4, rs1: T6, imm: 8 });
  a.csr('csrrs', T4, CSR.mepc, ZERO);
  a.put('ld', { rd: T5, rs1: T6, imm: 24 });
  a.put('beq', { rs1: T4, rs2: T5, imm: FINISH - 0x100 - a.at });
  a.put('ld', { rd: T5, rs1: T6, imm: CURSOR });
  a.put('sd', { rs2: T4, rs1: T5, imm: 8 });
  a.csr('csrrs', T4, CSR.mcause, ZERO);
  a.put('sd', { rs2: T4, rs1: T5, imm: 0 });
  a.csr('csrrs', T4, CSR.mtval, ZERO);
  a.put('sd', { rs2: T4, rs1: T5, imm: 16 });
  a.put('addi', { rd: T5, rs1: T5, imm: 24 });
  a.put('sd', { rs2: T5, rs1: T6, imm: CURSOR });
  // Over the instruction: 4 bytes if its low bits are 11, else 2.
  a.csr('csrrs', T4, CSR.mepc, ZERO);
  a.put('lhu', { rd: T5, rs1: T4, imm: 0 });
  a.put('andi', { rd: T5, rs1: T5, imm: 3 });
  a.put('addi', { rd: T5, rs1: T5, imm: -3 });
  a.put('sltiu', { rd: T5, rs1: T5, imm: 1 });
  a.put('slli', { rd: T5, rs1: T5, imm: 1 });
  a.put('addi', { rd: T5, rs1: T5, imm: 2 });
  a.put('add', { rd: T4, rs1: T4, rs2: T5 });
  a.csr('csrrw', ZERO, CSR.mepc, T4);
  a.put('ld', { rd: T4, rs1: T6, imm: 8 });
  a.put('ld', { rd: T5, rs1: T6, imm: 0 });
  a.csr('csrrw', T6, CSR.mscratch, T6);
  a.put('mret');
  // The end of a user body: the registers as they were, then the finish.
  a.at = FINISH - 0x100;
  a.put('ld', { rd: T4, rs1: T6, imm: 8 });
  a.put('ld', { rd: T5, rs1: T6, imm: 0 });
  a.csr('csrrw', T6, CSR.mscratch, T6);
  a.put('jal', { rd: ZERO, imm: FINISH - a.at });
}

function writeFinish(a: Assembler, user: boolean): void {
  a.at = FINISH;
  a.csr('csrrw', T6, CSR.mscratch, T6);
  for (let x = 1; x < 31; x++) a.put('sd', { rs2: x, rs1: T6, imm: SAVED_X + x * 8 });
  a.csr('csrrs', T5, CSR.mscratch, ZERO);
  a.put('sd', { rs2: T5, rs1: T6, imm: SAVED_X + 31 * 8 });
  for (let f = 0; f < 32; f++) a.put('fsd', { rs2: f, rs1: T6, imm: SAVED_F + f * 8 });
  a.csr('csrrs', T5, CSR.fcsr, ZERO);
  a.put('sd', { rs2: T5, rs1: T6, imm: SAVED_FCSR });
  const send = (from: number, size: number): void => {
    a.address(T0, from);
    a.put('lui', { rd: T1, imm: size });
    a.put('add', { rd: T1, rs1: T0, rs2: T1 });
    a.put('lui', { rd: A0, imm: 0x1000_0000 });
    const again = a.at;
    a.put('lbu', { rd: RA, rs1: T0, imm: 0 });
    a.put('sb', { rs2: RA, rs1: A0, imm: 0 });
    a.put('addi', { rd: T0, rs1: T0, imm: 1 });
    a.put('bltu', { rs1: T0, rs2: T1, imm: again - a.at });
  };
  send(REPORT, REPORT_SIZE);
  send(DATA, DATA_SIZE);
  if (user) send(TABLES, 0x4000);
  // The test device: 0x5555 ends the machine.
  a.put('lui', { rd: T0, imm: 0x10_0000 });
  a.put('lui', { rd: T1, imm: 0x5000 });
  a.put('addi', { rd: T1, rs1: T1, imm: 0x555 });
  a.put('sw', { rs2: T1, rs1: T0, imm: 0 });
  a.put('jal', { rd: ZERO, imm: 0 });
}

const PTE = { V: 1, R: 2, W: 4, X: 8, U: 16, G: 32, A: 64, D: 128 } as const;

/** The image is mapped to itself by a superpage, the data by small pages with rights of their own. */
function writeTables(a: Assembler, random: Random, mode: Mode): void {
  const page = (index: number): number => TABLES + index * 0x1000;
  const entry = (table: number, index: number, target: number, bits: number): void =>
    a.view.setBigUint64(table + index * 8, (BigInt(START + target) >> 2n) | BigInt(bits), true);
  let top = page(0);
  if (mode === 'sv48') {
    entry(page(0), 0, page(3), PTE.V);
    top = page(3);
  }
  // 0x80000000 by a gigapage; its A and D are set by the hart.
  a.view.setBigUint64(top + 2 * 8, (BigInt(START) >> 2n) | BigInt(PTE.V | PTE.R | PTE.W | PTE.X | PTE.U), true);
  entry(top, 1, page(1), PTE.V);
  entry(page(1), 0, page(2), PTE.V);
  const rights = [
    PTE.R | PTE.W | PTE.U,
    PTE.R | PTE.W | PTE.U,
    PTE.R | PTE.U,
    PTE.R | PTE.W,
    PTE.X | PTE.U,
    PTE.W | PTE.U,
    0,
  ];
  for (let i = 0; i < 4; i++) {
    // The two pages of data appear twice, with different rights.
    const bits = PTE.V | random.pick(rights) | (random.below(2) ? PTE.A : 0) | (random.below(2) ? PTE.D : 0);
    entry(page(2), i, DATA + (random.below(2) ? i & 1 : 1 - (i & 1)) * 0x1000, random.below(12) ? bits : 0);
  }
}

function writeBody(a: Assembler, random: Random, length: number): Program['body'] {
  a.at = BODY;
  const body: { at: number; bits: number; length: 2 | 4 }[] = [];
  let traps = 0;
  const put = (name: string, operands: Partial<Fields> = {}): void => {
    const at = a.at;
    a.put(name, operands);
    const size = (a.at - at) as 2 | 4;
    const bits = size === 2 ? a.view.getUint16(at, true) : a.view.getUint32(at, true);
    body.push({ at, bits, length: size });
  };
  const reserved = new Set([ZERO, SP, S0, T5, T6]);
  const destination = (): number => {
    for (;;) {
      const rd = random.below(32);
      if (rd === ZERO || !reserved.has(rd)) return rd;
    }
  };
  const any = (): number => random.below(32);
  const offset = (): number => random.below(3800) - 1900;

  const kinds: (() => void)[] = [
    () => {
      const name = random.pick(ARITHMETIC);
      const instruction = BY_NAME.get(name)!;
      const immediate = instruction.syntax.includes('imm');
      const bits = unsignedBits(name);
      let imm = 0;
      if (name === 'lui') imm = (random.below(1 << 20) << 12) | 0;
      else if (immediate) imm = bits ? random.below(2 ** bits) : random.below(4096) - 2048;
      put(name, { rd: destination(), rs1: any(), rs2: any(), imm });
    },
    () => put(random.pick(LOADS), { rd: destination(), rs1: random.pick([SP, S0, T6]), imm: offset() }),
    () => put(random.pick(STORES), { rs2: any(), rs1: random.pick([SP, S0, T6]), imm: offset() }),
    () => put(random.pick(FLOATS), floatOperands(random, destination, any)),
    () => put(random.pick(FLOATS), floatOperands(random, destination, any)),
    () => put(random.pick(['flw', 'fld']), { rd: any(), rs1: T6, imm: offset() }),
    () => put(random.pick(['fsw', 'fsd']), { rs2: any(), rs1: T6, imm: offset() }),
    () => {
      put('addi', { rd: T5, rs1: T6, imm: offset() & (random.below(16) === 0 ? -1 : -8) });
      if (random.below(3) === 0) {
        const width = random.pick(['w', 'd']);
        put(`lr.${width}`, { rd: destination(), rs1: T5, imm: random.below(4) });
        put(`sc.${width}`, { rd: destination(), rs1: T5, rs2: any(), imm: random.below(4) });
      } else {
        put(random.pick(AMOS), { rd: destination(), rs1: T5, rs2: any(), imm: random.below(4) });
      }
    },
    () => compressed(random, put),
    () => compressed(random, put),
    () => {
      // Forward over a few instructions of 4 bytes.
      const over = 1 + random.below(4);
      put(random.pick(BRANCHES), { rs1: any(), rs2: any(), imm: 4 + over * 4 });
      for (let i = 0; i < over; i++) put('addi', { rd: destination(), rs1: any(), imm: random.below(64) });
    },
    () => {
      put('jal', { rd: random.below(3) ? destination() : ZERO, imm: 8 });
      put('addi', { rd: destination(), rs1: any(), imm: 1 });
    },
    () => {
      put('auipc', { rd: T4, imm: 0 });
      put('jalr', { rd: destination(), rs1: T4, imm: 12 + random.below(2) });
      put('xori', { rd: destination(), rs1: any(), imm: 7 });
    },
    () => {
      const imm = random.pick([CSR.fflags, CSR.frm, CSR.fcsr, CSR.fcsr]);
      const name = random.pick(['csrrw', 'csrrs', 'csrrc', 'csrrwi', 'csrrsi', 'csrrci']);
      // frm stays within what is defined, most of the time.
      if (imm === CSR.frm) put('csrrwi', { rd: destination(), imm, rs1: random.below(random.below(8) ? 5 : 8) });
      else if (imm === CSR.fcsr) put('csrrs', { rd: destination(), imm, rs1: ZERO });
      else put(name, { rd: destination(), imm, rs1: any() });
    },
    () => {
      if (traps++ > 60) return;
      random.pick([
        () => put('ecall'),
        () => put('ebreak'),
        () => put('c.ebreak'),
        // A CSR that does not exist, one that is read-only, a privileged one.
        () => put('csrrs', { rd: destination(), imm: 0x7ff, rs1: any() }),
        () => put('csrrw', { rd: destination(), imm: 0xf14, rs1: any() }),
        () => put('fence', { imm: 0xff }),
        () => put('fence.i'),
      ])();
    },
  ];
  while (body.length < length) random.pick(kinds)();
  return body;
}

function floatOperands(random: Random, destination: () => number, any: () => number): Partial<Fields> {
  const fields = { rs1: any(), rs2: any(), rs3: any(), rm: random.pick([7, 7, 7, 0, 1, 2, 3, 4, random.below(8)]) };
  // The destination may be an x register (comparisons, conversions): then a free one. f registers are all free.
  return { rd: destination(), ...fields };
}

function compressed(random: Random, put: (name: string, operands: Partial<Fields>) => void): void {
  const c = random.pick(COMPRESSED_PLAIN);
  const free = [1, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 20, 25, 29];
  const freeNarrow = [9, 10, 11, 12, 13, 14, 15];
  const operands: Partial<Fields> = {};
  for (const field of c.pattern.fields) {
    if (field.name === 'imm') {
      let value = 0;
      for (const part of field.parts) value |= random.below(2 ** part.width) << part.to;
      if (field.signedWidth) value = (value << (32 - field.signedWidth)) >> (32 - field.signedWidth);
      operands.imm = value;
    } else {
      const narrow = field.bias === 8;
      const reads = field.name === 'rs1' && !c.pattern.text.includes('=');
      operands[field.name] = reads ? S0 : random.pick(narrow ? freeNarrow : free);
    }
  }
  if (c.pattern.text.includes('=')) operands.rs1 = operands.rd;
  if (c.nonzero.some((name) => operands[name] === 0)) return;
  // sp-relative loads and stores reach 504 bytes above sp: inside the data.
  put(c.name, operands);
}
