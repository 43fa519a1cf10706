import { describe, expect, test } from 'vitest';
import { GuestMemory } from '../board/guest-memory.ts';
import { BASE, Rig } from '../hart/rig.ts';
import { rangesOf, type TranslationState, walkPages } from './page-walk.ts';

const MPRV = 1n << 17n;
const TABLES = 0x10_0000;
const TABLE_COUNT = 6;

/** A small generator: the same programs in each run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

describe.each([
  ['Sv39', 8n, 3],
  ['Sv48', 9n, 4],
])('the walk for people, %s', (_, mode, levels) => {
  test('finds what the hart finds, in random tables', () => {
    const rig = new Rig();
    const { hart, view } = rig;
    const ram = new GuestMemory(rig.ram.buffer as unknown as SharedArrayBuffer);
    const pick = random(Number(mode));
    for (let page = 0x40; page < 0x800; page++) view.setBigUint64(page * 4096, BigInt(page), true);
    hart.setCsr(0x3b0, (1n << 54n) - 1n);
    hart.setCsr(0x3a0, 0x1fn);
    const satp = (mode << 60n) | (5n << 44n) | ((BASE + BigInt(TABLES)) >> 12n);
    const outcomes = { found: 0, page: 0, access: 0 };
    for (let round = 0; round < 4000; round++) {
      // Few tables and few indexes, so that walks go deep; bits mostly as a kernel sets them.
      for (let table = 0; table < TABLE_COUNT; table++) {
        for (let index = 0; index < 4; index++) {
          const entry = TABLES + table * 4096 + index * 8;
          if (pick(3) !== 0) continue;
          const wild = pick(6) === 0;
          const pointer = wild ? pick(2) === 0 : table < levels - 1;
          const next = (BASE + BigInt(TABLES + (wild ? pick(TABLE_COUNT) : table + 1) * 4096)) >> 12n;
          const target = pointer && pick(12) !== 0 ? next : (BASE >> 12n) + BigInt(pick(0xa00));
          const flags = pick(8) === 0 ? pick(256) : pointer ? 1 : 0xc1 | (pick(32) << 1);
          const high = pick(12) === 0 ? (1n << BigInt(54 + pick(10))) | (BigInt(pick(4)) << 61n) : 0n;
          view.setBigUint64(entry, high | (target << 10n) | BigInt(flags), true);
        }
      }
      let address = 0n;
      for (let level = 0; level < levels; level++) address |= BigInt(pick(4)) << BigInt(12 + 9 * level);
      if (pick(30) === 0) address |= 1n << 60n;
      const privilege = pick(2) as 0 | 1;
      const mstatus = MPRV | (BigInt(privilege) << 11n) | (BigInt(pick(4)) << 18n);
      hart.privilege = 3;
      hart.setCsr(0x180, satp);
      hart.setCsr(0x300, mstatus);
      // Svadu and Svpbmt, on or off.
      const menvcfg = BigInt(pick(4)) << 61n;
      hart.setCsr(0x30a, menvcfg);
      hart.setCsr(0x342, 0n);
      hart.setX(10, 0n);
      hart.setX(11, address);
      const state: TranslationState = { satp, privilege, mstatus, menvcfg };
      const walk = walkPages(ram, state, address);
      hart.setBreaks([], []); // Empties the TLB.
      rig.execute('ld a0, 0(a1)');
      const cause = hart.getCsr(0x342);
      const where = walk.physical === undefined ? -1 : ram.offset(Number(walk.physical), 8);
      if (walk.fault === 'the table lies outside RAM' || (walk.allowed.includes('load') && where < 0)) {
        expect(cause).toBe(5n);
        outcomes.access++;
      } else if (walk.allowed.includes('load')) {
        expect([cause, hart.getX(10)]).toEqual([0n, view.getBigUint64(where, true)]);
        outcomes.found++;
      } else {
        expect(cause).toBe(13n);
        outcomes.page++;
      }
    }
    // Each outcome was met often enough to mean something.
    expect(Math.min(outcomes.found, outcomes.page, outcomes.access)).toBeGreaterThan(50);
  });
});

describe('a walk', () => {
  test('shows each level with its entry, decoded', () => {
    const rig = new Rig();
    const ram = new GuestMemory(rig.ram.buffer as unknown as SharedArrayBuffer);
    const put = (offset: number, target: bigint, flags: bigint): void =>
      rig.view.setBigUint64(offset, ((target >> 12n) << 10n) | flags, true);
    put(TABLES + 8, BASE + BigInt(TABLES + 4096), 1n);
    put(TABLES + 4096 + 16, BASE + 0x20_0000n, 0xcfn);
    const satp = (8n << 60n) | (7n << 44n) | ((BASE + BigInt(TABLES)) >> 12n);
    const walk = walkPages(ram, { satp, privilege: 1, mstatus: 0n, menvcfg: 0n }, 0x4040_1234n);
    expect(walk).toMatchObject({ mode: 'sv39', asid: 7, physical: BASE + 0x20_1234n, pageBytes: 1n << 21n });
    expect(walk.levels.map(({ level, index, kind, flags }) => [level, index, kind, flags])).toEqual([
      [2, 1, 'table', '-------v'],
      [1, 2, 'leaf', 'da--xwrv'],
    ]);
    expect(walk.allowed).toEqual(['fetch', 'load', 'store']);
    expect(walkPages(ram, { satp, privilege: 0, mstatus: 0n, menvcfg: 0n }, 0x4040_1234n).allowed).toEqual([]);
    expect(rangesOf(ram, { satp, privilege: 1, mstatus: 0n, menvcfg: 0n }, 0x4040_0ffcn, 8)).toEqual([
      { offset: 0x20_0ffc, length: 4 },
      { offset: 0x20_1000, length: 4 },
    ]);
    expect(rangesOf(ram, { satp, privilege: 1, mstatus: 0n, menvcfg: 0n }, 0x1000n, 8)).toBeUndefined();
  });

  test('is no walk in M-mode and with translation off', () => {
    const ram = new GuestMemory(new Rig().ram.buffer as unknown as SharedArrayBuffer);
    expect(walkPages(ram, { satp: 8n << 60n, privilege: 3, mstatus: 0n, menvcfg: 0n }, BASE)).toMatchObject({
      mode: 'bare',
      physical: BASE,
    });
    expect(walkPages(ram, { satp: 0n, privilege: 1, mstatus: 0n, menvcfg: 0n }, BASE)).toMatchObject({
      mode: 'bare',
      levels: [],
    });
  });
});
