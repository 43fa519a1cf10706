// The decoder as a generated function. It works on a table, made from the instructions' patterns, that lies in each hart's
// region; isa/table.ts has the same decoder in JavaScript for tools and tests.
//
//   buckets   by opcode and funct3 (256), by quadrant and funct3 of 16-bit encodings (32): offset of a list
//   lists     offsets of rows, 0 at the end
//   rows      see ROW, followed by the parts of their fields
//
// All are 32-bit words; offsets count bytes from the table's start.

import type { Instruction } from '../isa/meaning.ts';
import { FIELD_NAMES, type FieldName, type Fields, type Pattern } from '../isa/pattern.ts';
import { BY_NAME, COMPRESSED, INSTRUCTIONS } from '../isa/table.ts';
import { type I32, i32, select } from '../wasm/expr.ts';
import { COLD_NUMBER, ILLEGAL_NUMBER } from './cold.ts';
import { hotHandler } from './hot.ts';
import { CODE, CODE_PAGE, CODE_PAGE_SIZE, DECODER, DECODER_FIELDS } from './layout.ts';
import type { Runtime } from './runtime.ts';
import { HANDLER } from './slot.ts';

/** Words of a row, in bytes. */
const ROW = {
  mask: 0,
  match: 4,
  /** Bits of the encoding, as a mask of fields: none of these may be zero. */
  nonzero: 8,
  /** Handlers, 0 where it is a cold instruction: with rd other than x0, and with x0. */
  handler: 12,
  handlerX0: 16,
  cold: 20,
  /** 1: the immediate of a hot slot is a distance, in slots. */
  relative: 24,
  /** Operands that the encoding leaves out: rd | rs1 << 8. */
  fixed: 28,
  parts: 32,
  size: 36,
} as const;

const WIDE_BUCKETS = 256;
const NARROW_BUCKETS = 32;
const FIELD = Object.fromEntries(FIELD_NAMES.map((name, i) => [name, i])) as Record<FieldName, number>;

/** One run of bits of a field: where it comes from, its width, where it goes, the field; sign and bias with the last. */
function packParts(pattern: Pattern): number[] {
  return pattern.fields.flatMap(({ name, parts, signedWidth, bias }) =>
    parts.map(({ from, width, to }, i) => {
      const last = i === parts.length - 1;
      const tail = last ? (signedWidth << 19) | (bias ? 1 << 18 : 0) : 0;
      return from | (width << 5) | (to << 10) | (FIELD[name] << 15) | tail;
    }),
  );
}

interface Entry {
  readonly pattern: Pattern;
  readonly instruction: Instruction;
  readonly fixed: Partial<Fields>;
  readonly nonzero: readonly FieldName[];
}

const wideBucket = (bits: number): number => ((bits >>> 2) & 0x1f) * 8 + ((bits >>> 12) & 7);
const narrowBucket = (bits: number): number => WIDE_BUCKETS + (bits & 3) * 8 + ((bits >>> 13) & 7);

/** The words of the table. */
export function decoderTable(): Int32Array {
  const entries: Entry[] = [
    ...INSTRUCTIONS.map((instruction) => ({ pattern: instruction.pattern, instruction, fixed: {}, nonzero: [] })),
    ...COMPRESSED.map((c) => ({ ...c, instruction: BY_NAME.get(c.base)! })),
  ];
  const buckets: number[][] = Array.from({ length: WIDE_BUCKETS + NARROW_BUCKETS }, () => []);
  const words: number[] = new Array(buckets.length).fill(0);
  for (const { pattern, instruction, fixed, nonzero } of entries) {
    const row = words.length * 4;
    const parts = packParts(pattern);
    words.push(
      pattern.mask | 0,
      pattern.match | 0,
      nonzero.reduce((mask, name) => mask | (1 << FIELD[name]), 0),
      hotHandler(instruction, pattern.length, 1) ?? 0,
      (instruction.writes ? hotHandler(instruction, pattern.length, 0) : hotHandler(instruction, pattern.length, 1)) ??
        0,
      COLD_NUMBER.get(instruction.name)!,
      instruction.relative ? 1 : 0,
      (fixed.rd ?? 0) | ((fixed.rs1 ?? 0) << 8),
      parts.length,
      ...parts,
    );
    // Bits of the index that the pattern leaves open (rm in the place of funct3): it stands in each of those buckets.
    const [index, indexMask] = pattern.length === 4 ? [wideBucket, 0x707c] : [narrowBucket, 0xe003];
    const open = indexMask & ~pattern.mask;
    for (let extra = open; ; extra = (extra - 1) & open) {
      buckets[index(pattern.match | extra)]!.push(row);
      if (extra === 0) break;
    }
  }
  buckets.forEach((rows, i) => {
    words[i] = words.length * 4;
    words.push(...rows, 0);
  });
  return Int32Array.from(words);
}

export function defineDecoder(rt: Runtime): void {
  const { state } = rt;
  const decodeBits = rt.declare('decodeBits', ['i32', 'i32', 'i32', 'i32'], undefined);
  const decodeSlot = rt.declare('decodeSlot', ['i32', 'i32'], undefined);

  // (h, slot, bits, 1: a cold slot whatever it is)
  rt.module.define(decodeBits, ['i32', 'i32', 'i32', 'i32'], (c, h, slot, bits, cold) => {
    const table = c.let(i32.add(h.get, DECODER));
    const fieldsAt = c.let(i32.add(h.get, DECODER_FIELDS));
    const wide = c.let(i32.eq(i32.and(bits.get, 3), 3));
    c.if(i32.eqz(wide), () => c.set(bits, i32.and(bits.get, 0xffff)));
    const wideIndex = i32.or(i32.and(i32.shl(bits.get, 1), 0xf8), i32.and(i32.shrU(bits.get, 12), 7));
    const narrowIndex = i32.or(i32.shl(i32.and(bits.get, 3), 3), i32.shrU(bits.get, 13));
    const bucket = select(wide, wideIndex, i32.add(narrowIndex, WIDE_BUCKETS));
    const list = c.var(i32.add(table, state.load('i32', i32.add(table, i32.shl(bucket, 2)))));
    const row = c.local('i32');
    const field = (name: FieldName): I32 => state.load('i32', fieldsAt, FIELD[name] * 4);
    const coldBytes = (number: I32, word: I32): void => {
      // Three bits of the number in each register byte (slot.ts).
      const low = i32.or(i32.and(number, 7), i32.shl(i32.and(number, 0x38), 5));
      const spread = i32.or(i32.shl(low, 8), i32.shl(i32.and(number, 0x1c0), 18));
      const handler = select(wide, i32.const(HANDLER.COLD_4), i32.const(HANDLER.COLD_2));
      c.store(state, 'i32', slot.get, i32.or(i32.or(word, spread), handler));
    };
    c.loop((next) => {
      const offset = c.let(state.load('i32', list.get));
      c.set(list, i32.add(list.get, 4));
      c.if(i32.eqz(offset), () => {
        c.store(state, 'i32', slot.get, i32.const(0), 4);
        coldBytes(i32.const(ILLEGAL_NUMBER), i32.const(0));
        c.return();
      });
      c.set(row, i32.add(table, offset));
      const word = (at: number): I32 => state.load('i32', row.get, at);
      c.brIf(next, i32.ne(i32.and(bits.get, word(ROW.mask)), word(ROW.match)));
      const fixed = c.let(word(ROW.fixed));
      c.store(state, 'i32', fieldsAt, i32.and(fixed, 0xff), FIELD.rd * 4);
      c.store(state, 'i32', fieldsAt, i32.shrU(fixed, 8), FIELD.rs1 * 4);
      for (const name of ['rs2', 'rs3', 'rm', 'imm'] as const) {
        c.store(state, 'i32', fieldsAt, i32.const(0), FIELD[name] * 4);
      }
      const part = c.var(row.get);
      const left = c.var(word(ROW.parts));
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, i32.eqz(left.get));
          const packed = c.let(state.load('i32', part.get, ROW.size));
          const run = i32.and(
            i32.shrU(bits.get, i32.and(packed, 31)),
            i32.sub(i32.shl(i32.const(1), i32.and(i32.shrU(packed, 5), 31)), 1),
          );
          const at = c.let(i32.add(fieldsAt, i32.and(i32.shrU(packed, 13), 0x1c)));
          const value = c.var(i32.or(state.load('i32', at), i32.shl(run, i32.and(i32.shrU(packed, 10), 31))));
          c.set(value, i32.add(value.get, i32.and(i32.shrU(packed, 15), 8)));
          const signed = c.let(i32.shrU(packed, 19));
          c.if(signed, () => {
            const up = c.let(i32.sub(i32.const(32), signed));
            c.set(value, i32.shrS(i32.shl(value.get, up), up));
          });
          c.store(state, 'i32', at, value.get);
          c.set(part, i32.add(part.get, 4));
          c.set(left, i32.sub(left.get, 1));
          c.br(again);
        });
      });
      const nonzero = c.let(word(ROW.nonzero));
      for (const name of ['rd', 'rs1', 'rs2', 'imm'] as const) {
        c.brIf(next, i32.and(i32.and(i32.shrU(nonzero, FIELD[name]), 1), i32.eqz(field(name))));
      }
    });
    const word = (at: number): I32 => state.load('i32', row.get, at);
    const registers = c.let(
      i32.or(i32.or(i32.shl(field('rd'), 11), i32.shl(field('rs1'), 19)), i32.shl(field('rs2'), 27)),
    );
    const handler = c.let(select(field('rd'), word(ROW.handler), word(ROW.handlerX0)));
    c.if(i32.and(i32.eqz(cold.get), i32.ne(handler, 0)), () => {
      const scale = i32.shl(word(ROW.relative), 1);
      c.store(state, 'i32', slot.get, i32.shl(field('imm'), scale), 4);
      c.store(state, 'i32', slot.get, i32.or(registers, handler));
      c.return();
    });
    const extra = i32.or(i32.shl(field('rs3'), 3), i32.shl(field('rm'), 8));
    c.store(state, 'i32', slot.get, i32.or(field('imm'), extra), 4);
    coldBytes(c.let(word(ROW.cold)), registers);
  });

  // (h, slot): the slot of a decoded page, from the page's own copy of its bytes.
  rt.module.define(decodeSlot, ['i32', 'i32'], (c, h, slot) => {
    const pages = c.let(i32.add(h.get, CODE));
    const number = i32.divU(i32.sub(slot.get, pages), CODE_PAGE_SIZE);
    const page = c.let(i32.add(pages, i32.mul(number, CODE_PAGE_SIZE)));
    const offset = c.let(i32.shrU(i32.sub(slot.get, page), 2));
    const at = c.let(i32.add(page, offset));
    const low = c.let(state.load('i32_16u', at, CODE_PAGE.raw));
    const straddles = i32.and(i32.eq(offset, 4094), i32.eq(i32.and(low, 3), 3));
    c.if(straddles, () => {
      c.store(state, 'i32_8', slot.get, i32.const(HANDLER.STEP));
      c.return();
    });
    const high = i32.shl(state.load('i32_16u', at, CODE_PAGE.raw + 2), 16);
    c.call(decodeBits, h.get, slot.get, i32.or(low, high), i32.const(0));
  });
}
