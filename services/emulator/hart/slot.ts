// A decoded instruction in 8 bytes, as the interpreter reads it:
//
//   byte 0     handler: where the dispatcher goes
//   byte 1..3  rd, rs1, rs2, each times 8: an offset into the registers
//   byte 4..7  the immediate (of branches and jumps times 4: a distance in slots); of fused multiply-adds rs3 times 8 in
//              the low byte; of all with a rounding mode that mode in the second byte
//
// Rare instructions share the handlers COLD_2 and COLD_4 (by length); their number is in the low three bits of bytes 1, 2
// and 3, which registers leave free.

import type { Decoded } from '../isa/table.ts';

export const HANDLER = {
  /** Nothing is decoded here yet. */
  DECODE: 0,
  /** Behind the last slot of a page. */
  PAGE_END: 1,
  /** Fetches on its own: an instruction that straddles a page border. */
  STEP: 2,
  COLD_2: 3,
  COLD_4: 4,
  /** The first of those that stand for one instruction each. */
  FIRST: 5,
} as const;

/** Writes the operands of `decoded`. `number` is the handler, or for a cold one its number. */
export function writeSlot(bytes: Uint8Array, view: DataView, slot: number, decoded: Decoded, handler: number): void {
  bytes[slot + 1] = decoded.rd << 3;
  bytes[slot + 2] = decoded.rs1 << 3;
  bytes[slot + 3] = decoded.rs2 << 3;
  view.setInt32(slot + 4, decoded.imm, true);
  bytes[slot] = handler;
}

export function writeColdSlot(bytes: Uint8Array, view: DataView, slot: number, decoded: Decoded, cold: number): void {
  bytes[slot + 1] = (decoded.rd << 3) | (cold & 7);
  bytes[slot + 2] = (decoded.rs1 << 3) | ((cold >> 3) & 7);
  bytes[slot + 3] = (decoded.rs2 << 3) | (cold >> 6);
  view.setInt32(slot + 4, decoded.imm | (decoded.rs3 << 3) | (decoded.rm << 8), true);
  bytes[slot] = decoded.length === 2 ? HANDLER.COLD_2 : HANDLER.COLD_4;
}
