// A decoded instruction in 8 bytes, as the interpreter reads it:
//
//   byte 0     handler: where the dispatcher goes
//   byte 1..3  rd, rs1, rs2, each times 8: an offset into the registers
//   byte 4..7  the immediate (of branches and jumps times 4: a distance in slots); of fused multiply-adds rs3 times 8 in
//              the low byte; of all with a rounding mode that mode in the second byte
//
// Rare instructions share the handlers COLD_2 and COLD_4 (by length); their number is in the low three bits of bytes 1, 2
// and 3, which registers leave free.

export const HANDLER = {
  /** Nothing is decoded here yet. */
  DECODE: 0,
  /** Behind the last slot of a page. */
  PAGE_END: 1,
  /** Fetches on its own: an instruction that straddles a page border. */
  STEP: 2,
  COLD_2: 3,
  COLD_4: 4,
  /** A translated region begins here: byte 1 is the length of its first instruction, the immediate its number. */
  REGION: 5,
  /** The first of those that stand for one instruction each. */
  FIRST: 6,
} as const;
