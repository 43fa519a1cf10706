import { describe, expect, it } from 'vitest';
import { decode, INSTRUCTIONS, newDecoded } from '../isa/table.ts';
import { COLD_NUMBER, ILLEGAL_NUMBER } from './cold.ts';
import { decoderTable } from './decoder.ts';
import { hotHandler } from './hot.ts';
import { compileInterpreter, type InterpreterExports } from './interpreter.ts';
import { DECODER, hartOffset, newRamMemory, newStateMemory, STEP_SLOT } from './layout.ts';
import { HANDLER } from './slot.ts';

const state = newStateMemory(1);
const nothing = (): number => 0;
const regions = new WebAssembly.Table({ element: 'anyfunc', initial: 0 });
const env = {
  regions,
  state,
  ram: newRamMemory(65536),
  busLoad: nothing,
  busStore: nothing,
  time: nothing,
  csr: nothing,
};
const instance = new WebAssembly.Instance(compileInterpreter(), { env });
const { decodeBits } = instance.exports as unknown as InterpreterExports;
const hart = hartOffset(0);
const slot = hart + STEP_SLOT;
const view = new DataView(state.buffer);
new Int32Array(state.buffer).set(decoderTable(), (hart + DECODER) / 4);

const decoded = newDecoded();

/** What the slot must hold, from the decoder of the tables (slot.ts has the format). */
function expected(bits: number, cold: boolean): bigint {
  const { instruction, length, rd, rs1, rs2, rs3, rm, imm } = decode(bits, decoded);
  const handler = instruction && !cold ? hotHandler(instruction, length, rd) : undefined;
  const pack = (low: number, high: number): bigint => BigInt.asUintN(32, BigInt(low)) | (BigInt(high >>> 0) << 32n);
  const registers = (rd << 11) | (rs1 << 19) | (rs2 << 27);
  if (instruction && handler !== undefined) {
    return pack(registers | handler, instruction.relative ? imm * 4 : imm);
  }
  const number = instruction ? COLD_NUMBER.get(instruction.name)! : ILLEGAL_NUMBER;
  const spread = ((number & 7) << 8) | (((number >> 3) & 7) << 16) | ((number >> 6) << 24);
  const low = (instruction ? registers : 0) | spread | (length === 2 ? HANDLER.COLD_2 : HANDLER.COLD_4);
  return pack(low, instruction ? imm | (rs3 << 3) | (rm << 8) : 0);
}

function check(bits: number): void {
  for (const cold of [0, 1]) {
    decodeBits(hart, slot, bits, cold);
    const got = view.getBigUint64(slot, true);
    const want = expected(bits, cold === 1);
    if (got !== want) {
      throw new Error(`0x${(bits >>> 0).toString(16)}: slot ${got.toString(16)}, not ${want.toString(16)}`);
    }
  }
}

describe('the generated decoder agrees with that of the tables', () => {
  it('for every 16-bit encoding', () => {
    for (let bits = 0; bits < 0x10000; bits++) if ((bits & 3) !== 3) check(bits | 0x5555_0000);
  });

  it('for every instruction with many operands, and for encodings that are none', () => {
    let random = 1;
    for (let i = 0; i < 100; i++) {
      for (const { pattern } of INSTRUCTIONS) {
        random = (Math.imul(random, 1664525) + 1013904223) | 0;
        check(pattern.match | (random & ~pattern.mask) | 0);
        check((pattern.match ^ (1 << (i & 31))) | 3);
      }
    }
    expect(view.getUint8(slot)).toBeGreaterThan(0);
  });
});
