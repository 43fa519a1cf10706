// A: load-reserved, store-conditional and atomic memory operations (unprivileged spec, chapter 13). aq and rl only weaken:
// all accesses here are sequentially consistent.

import { define } from './definition.ts';
import type { AmoKind, AtomicWidth, Instruction } from './meaning.ts';

const AMO: readonly (readonly [AmoKind, string])[] = [
  ['add', '00000'],
  ['swap', '00001'],
  ['xor', '00100'],
  ['or', '01000'],
  ['and', '01100'],
  ['min', '10000'],
  ['max', '10100'],
  ['minu', '11000'],
  ['maxu', '11100'],
];

const WIDTHS: readonly (readonly [AtomicWidth, string])[] = [
  ['w', '010'],
  ['d', '011'],
];

// The field `rm` is not used by these; the two ordering bits stand in the low bits of an immediate.
export const RV64A: readonly Instruction[] = WIDTHS.flatMap(([width, funct3]) => [
  define(`lr.${width}`, `00010 uimm[1:0] 00000 rs1 ${funct3} rd 0101111`, 'rd,(rs1)', (e) =>
    e.setX(e.loadReserved(width, e.x('rs1'))),
  ),
  define(`sc.${width}`, `00011 uimm[1:0] rs2 rs1 ${funct3} rd 0101111`, 'rd,rs2,(rs1)', (e) =>
    e.setX(e.storeConditional(width, e.x('rs1'), e.x('rs2'))),
  ),
  ...AMO.map(([kind, funct5]) =>
    define(`amo${kind}.${width}`, `${funct5} uimm[1:0] rs2 rs1 ${funct3} rd 0101111`, 'rd,rs2,(rs1)', (e) =>
      e.setX(e.amo(kind, width, e.x('rs1'), e.x('rs2'))),
    ),
  ),
]);
