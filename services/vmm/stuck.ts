// What a hart that can only trap is told of, for the people who gave it its kernel. Pure.

import type { HartStateV1 } from '#emulator';

/** Privileged spec, table 14. */
const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: 'a misaligned instruction address',
  1: 'an instruction access fault',
  2: 'an illegal instruction',
  3: 'a breakpoint',
  4: 'a misaligned load',
  5: 'a load access fault',
  6: 'a misaligned store',
  7: 'a store access fault',
  8: 'an environment call',
  9: 'an environment call',
  11: 'an environment call',
  12: 'an instruction page fault',
  13: 'a load page fault',
  15: 'a store page fault',
};

export function stuckReason(hart: Pick<HartStateV1, 'pc' | 'privilege' | 'csrs'>): string {
  const cause = Number(hart.privilege === 3 ? hart.csrs.mcause : hart.csrs.scause);
  const what = EXCEPTIONS[cause] ?? `exception ${cause}`;
  return (
    `the guest can execute nothing any more: its trap handler at ${hart.pc} raises ${what} itself. ` +
    'Its kernel is damaged, or made for another machine'
  );
}
