// All instructions: RV64GC and its extensions, and the decoder that is made from their patterns.

import { RV64A } from './atomic.ts';
import { RV64B, ZICOND } from './bit-manipulation.ts';
import { CMO } from './cache.ts';
import { type Compressed, RV64C } from './compressed.ts';
import { RV64FD } from './float.ts';
import { RV64I, RV64M } from './integer.ts';
import type { Instruction } from './meaning.ts';
import { extract, type Fields, type Pattern } from './pattern.ts';
import { SYSTEM } from './system.ts';

export const INSTRUCTIONS: readonly Instruction[] = [
  ...RV64I,
  ...RV64M,
  ...RV64A,
  ...RV64FD,
  ...SYSTEM,
  ...RV64B,
  ...ZICOND,
  ...CMO,
];
export const COMPRESSED: readonly Compressed[] = RV64C;

export const BY_NAME: ReadonlyMap<string, Instruction> = new Map(INSTRUCTIONS.map((i) => [i.name, i]));

/** What a decoder finds. One object is used over and over: copy what you keep. */
export interface Decoded extends Fields {
  instruction: Instruction | undefined;
  /** The 16-bit instruction that was expanded, if it was one. */
  compressed: Compressed | undefined;
  length: 2 | 4;
}

interface Row {
  readonly pattern: Pattern;
  readonly instruction: Instruction;
  readonly compressed: Compressed | undefined;
}

/** Rows by the bits that tell them apart first: opcode and funct3 (or quadrant and funct3). */
class Buckets {
  readonly #rows: Row[][];
  readonly #index: (bits: number) => number;

  constructor(count: number, index: (bits: number) => number, indexMask: number, rows: readonly Row[]) {
    this.#index = index;
    this.#rows = Array.from({ length: count }, () => []);
    for (const row of rows) {
      // A pattern that leaves some index bits open (rm in the place of funct3) stands in every bucket that it may meet.
      const open = indexMask & ~row.pattern.mask;
      for (let extra = open; ; extra = (extra - 1) & open) {
        this.#rows[index((row.pattern.match | extra) >>> 0)]!.push(row);
        if (extra === 0) break;
      }
    }
    // Submasks were walked from the largest: order within a bucket is still the order of the table.
  }

  find(bits: number): Row[] {
    return this.#rows[this.#index(bits)]!;
  }
}

const wide = (bits: number): number => ((bits >>> 2) & 0x1f) * 8 + ((bits >>> 12) & 7);
const narrow = (bits: number): number => (bits & 3) * 8 + ((bits >>> 13) & 7);

const WIDE = new Buckets(
  256,
  wide,
  0x707c,
  INSTRUCTIONS.map((instruction) => ({ pattern: instruction.pattern, instruction, compressed: undefined })),
);
const NARROW = new Buckets(
  32,
  narrow,
  0xe003,
  COMPRESSED.map((compressed) => {
    const instruction = BY_NAME.get(compressed.base);
    if (!instruction) throw new Error(`${compressed.name} stands for ${compressed.base}, which does not exist`);
    return { pattern: compressed.pattern, instruction, compressed };
  }),
);

export function newDecoded(): Decoded {
  return {
    instruction: undefined,
    compressed: undefined,
    length: 4,
    rd: 0,
    rs1: 0,
    rs2: 0,
    rs3: 0,
    rm: 0,
    imm: 0,
  };
}

/** Decodes the instruction in the low bits of `bits`; `instruction` stays undefined where there is none (illegal). */
export function decode(bits: number, into: Decoded): Decoded {
  into.instruction = undefined;
  into.compressed = undefined;
  into.length = (bits & 3) === 3 ? 4 : 2;
  const rows = into.length === 4 ? WIDE.find(bits) : NARROW.find(bits & 0xffff);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    if ((bits & row.pattern.mask) >>> 0 !== row.pattern.match) continue;
    extract(row.pattern, bits, into);
    if (row.compressed) {
      if (row.compressed.nonzero.some((name) => into[name] === 0)) continue;
      Object.assign(into, row.compressed.fixed);
      into.compressed = row.compressed;
    }
    into.instruction = row.instruction;
    return into;
  }
  return into;
}
