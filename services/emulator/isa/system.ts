// Zicsr, Zifencei, Zawrs, Svinval and the privileged instructions (unprivileged spec 6, 7 and 14, privileged spec 3.3, 10.2
// and 12).

import { i64 } from '../wasm/expr.ts';
import { define } from './definition.ts';
import type { Emit, Instruction, SystemCall } from './meaning.ts';

const csr = (name: string, funct3: string, update: 'write' | 'set' | 'clear'): Instruction[] => [
  define(name, `uimm[11:0] rs1 ${funct3} rd 1110011`, 'rd,csr,rs1', (e) => e.setX(e.csr(update, e.x('rs1')))),
  define(`${name}i`, `uimm[11:0] rs1 1${funct3.slice(1)} rd 1110011`, 'rd,csr,zimm', (e) =>
    e.setX(e.csr(update, i64.extendU(e.number('rs1')))),
  ),
];

const fixed = (name: string, bits: string, call: SystemCall): Instruction =>
  define(name, bits, '', (e: Emit) => e.system(call));

export const SYSTEM: readonly Instruction[] = [
  fixed('ecall', '000000000000 00000 000 00000 1110011', 'ecall'),
  fixed('ebreak', '000000000001 00000 000 00000 1110011', 'ebreak'),
  fixed('sret', '000100000010 00000 000 00000 1110011', 'sret'),
  fixed('mret', '001100000010 00000 000 00000 1110011', 'mret'),
  fixed('wfi', '000100000101 00000 000 00000 1110011', 'wfi'),
  define('sfence.vma', '0001001 rs2 rs1 000 00000 1110011', 'rs1,rs2', (e) => e.sfenceVma()),
  // Invalidates at once: the fences around it have nothing left to order.
  define('sinval.vma', '0001011 rs2 rs1 000 00000 1110011', 'rs1,rs2', (e) => e.sfenceVma()),
  fixed('sfence.w.inval', '000110000000 00000 000 00000 1110011', 'sfenceOrder'),
  fixed('sfence.inval.ir', '000110000001 00000 000 00000 1110011', 'sfenceOrder'),
  // A wait that may end at any time ends at once.
  define('wrs.nto', '000000001101 00000 000 00000 1110011', '', (e) => e.fence()),
  define('wrs.sto', '000000011101 00000 000 00000 1110011', '', (e) => e.fence()),
  define('fence.i', 'uimm[11:0] rs1 001 rd 0001111', '', (e) => e.system('fence_i')),
  ...csr('csrrw', '001', 'write'),
  ...csr('csrrs', '010', 'set'),
  ...csr('csrrc', '011', 'clear'),
];
