// The CSRs that generated code serves, against their description in csr.ts: the same random state, the instruction on one
// hart, and what a debugger would read and write on the other.

import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../machine/seeded-random.ts';
import { Rig } from './rig.ts';

const SERVED = { fflags: 1, frm: 2, fcsr: 3, sie: 0x104, sip: 0x144, stimecmp: 0x14d, satp: 0x180 };
const READ_ONLY = { cycle: 0xc00, time: 0xc01, instret: 0xc02 };
const LOOKED_AT = { mstatus: 0x300, mideleg: 0x303, mie: 0x304, mip: 0x344, ...SERVED };
const PREPARED = { mideleg: 0x303, mie: 0x304, mip: 0x344, menvcfg: 0x30a, mcounteren: 0x306, ...SERVED };
const FS_ON = 1n << 13n;

const all = (rig: Rig): Record<string, bigint> =>
  Object.fromEntries(Object.entries(LOOKED_AT).map(([name, number]) => [name, rig.hart.getCsr(number)]));

describe('a CSR instruction', () => {
  const random = new SeededRandom(17);
  const word = (): bigint => (BigInt(random.next()) << 32n) | BigInt(random.next());
  /** Values that matter, and any. */
  const value = (): bigint =>
    [word(), 0n, 2n, 0x222n, (8n << 60n) | 0x80100n, (9n << 60n) | 1n, 3n << 60n][random.next() % 7]!;

  it.each(Object.entries(SERVED))('reads and changes %s as csr.ts says', (_name, number) => {
    const [executing, described] = [new Rig(), new Rig()];
    for (let round = 0; round < 60; round++) {
      const prepared = Object.values(PREPARED).map((csr) => [csr, value()] as const);
      const [ticks, operand] = [random.next(), value()];
      for (const rig of [executing, described]) {
        rig.ticks = ticks;
        rig.hart.privilege = 3;
        for (const [csr, state] of prepared) rig.hart.setCsr(csr, state);
        rig.hart.setCsr(0x300, FS_ON);
      }
      const update = (['csrrw', 'csrrs', 'csrrc'] as const)[random.next() % 3]!;
      const old = described.hart.getCsr(number);
      described.hart.setCsr(number, { csrrw: operand, csrrs: old | operand, csrrc: old & ~operand }[update]);
      executing.hart.setX(11, operand);
      executing.execute(`${update} a0, ${number}, a1`);
      expect(executing.hart.getX(10)).toBe(old);
      expect(all(executing)).toEqual(all(described));
    }
  });

  it.each(Object.entries(READ_ONLY))('reads %s, and traps when it would write', (_name, number) => {
    const rig = new Rig();
    rig.ticks = 0xfedc_ba98_7654;
    rig.execute(`csrrs a0, ${number}, x0`);
    const expected = { cycle: 0n, instret: 0n, time: 0xfedc_ba98_7654n }[_name]!;
    expect(rig.hart.getX(10)).toBe(expected);
    rig.execute(`csrrs a0, ${number}, a1`);
    expect(rig.hart.getCsr(0x342)).toBe(2n);
  });
});
