// Random programs do the same on QEMU and on our hart. CUMULET_ISA_SEEDS: how many (default 4), CUMULET_ISA_FROM: the first.

import { describe, expect, it } from 'vitest';
import { compare } from './qemu-compare.ts';

const seeds = Number(process.env.CUMULET_ISA_SEEDS ?? 4);
const from = Number(process.env.CUMULET_ISA_FROM ?? 1);
const INSTRUCTIONS = 1000;

describe('random programs end in the same state as on QEMU', () => {
  it.each(['machine', 'sv39', 'sv48'] as const)(
    '%s mode',
    async (mode) => {
      for (let seed = from; seed < from + seeds; seed++) {
        expect(await compare(seed, mode, INSTRUCTIONS)).toBeUndefined();
      }
    },
    60_000 + seeds * 5_000,
  );
});
