// The instruction at an address as text, for people.

import { disassemble } from '../isa/assemble.ts';

/** `read` gives 16 bits of code, or undefined: nothing is mapped there. */
export function disassembleAt(pc: bigint, read: (address: bigint) => number | undefined): string | undefined {
  const low = read(pc);
  if (low === undefined || (low & 3) !== 3) return low === undefined ? undefined : disassemble(low);
  const high = read(BigInt.asUintN(64, pc + 2n));
  return high === undefined ? undefined : disassemble(((high << 16) | low) >>> 0);
}
