import { describe, expect, it } from 'vitest';
import { BASE, Rig } from '../hart/rig.ts';

const CSR = { satp: 0x180, mstatus: 0x300, mtvec: 0x305, mepc: 0x341, mcause: 0x342, mtval: 0x343 } as const;
const [V, R, W, X, U, G, A, D] = [1, 2, 4, 8, 16, 32, 64, 128];
const ALL = V | R | W | X | A | D;
const SUM = 1n << 18n;
const MXR = 1n << 19n;
const MPRV = 1n << 17n;

/** RAM offsets: tables from 1 MiB, pages from 2 MiB. */
const TABLES = 0x10_0000;
const PAGES = 0x20_0000;

/** A hart in S-mode over tables that the test writes; code is mapped to itself. */
class Mapped extends Rig {
  readonly root: number;
  #next = TABLES;
  readonly levels: number;

  constructor(levels = 3, asid = 0n) {
    super();
    this.levels = levels;
    this.root = this.table();
    this.hart.setCsr(0x3b0, (1n << 54n) - 1n);
    this.hart.setCsr(0x3a0, 0x1fn);
    this.map(BASE, 0, ALL | G, 2);
    this.hart.setCsr(CSR.mtvec, BASE + 0x1000n);
    this.use(this.root, asid);
    this.hart.privilege = 1;
  }

  table(): number {
    this.#next += 4096;
    return this.#next - 4096;
  }

  use(root: number, asid: bigint): void {
    const mode = BigInt(this.levels + 5);
    this.hart.setCsr(CSR.satp, (mode << 60n) | (asid << 44n) | ((BASE + BigInt(root)) >> 12n));
  }

  /** Maps a page of the given level (0: 4 KiB) to a RAM offset; returns the offset of its entry. */
  map(address: bigint, target: number, bits: number, level = 0, root = this.root): number {
    let table = root;
    for (let at = this.levels - 1; ; at--) {
      const entry = table + Number((address >> BigInt(12 + 9 * at)) & 511n) * 8;
      if (at === level) {
        this.view.setBigUint64(entry, ((BASE + BigInt(target)) >> 2n) | BigInt(bits), true);
        return entry;
      }
      let next = this.view.getBigUint64(entry, true);
      if (next === 0n) {
        next = ((BASE + BigInt(this.table())) >> 2n) | BigInt(V);
        this.view.setBigUint64(entry, next, true);
      }
      table = Number(((next >> 10n) << 12n) - BASE);
    }
  }

  /** What the instruction does with a1 = address: its trap's cause and tval, or undefined. */
  try(text: string, address: bigint, privilege: 0 | 1 | 3 = 1): [bigint, bigint] | undefined {
    this.hart.privilege = privilege;
    this.hart.setCsr(CSR.mcause, 0n);
    this.hart.setX(11, address);
    this.execute(text);
    const cause = this.hart.getCsr(CSR.mcause);
    this.hart.privilege = privilege;
    return cause === 0n ? undefined : [cause, this.hart.getCsr(CSR.mtval)];
  }
}

const VA = 0x12_3456_7000n;
const [LOAD, STORE] = ['ld a0, 8(a1)', 'sd a2, 8(a1)'];

describe.each([
  ['Sv39', 3],
  ['Sv48', 4],
])('%s', (_, levels) => {
  it('translates pages and superpages and sets accessed and dirty', () => {
    const m = new Mapped(levels);
    const entry = m.map(VA, PAGES, V | R | W);
    m.view.setBigUint64(PAGES + 8, 42n, true);
    expect(m.try(LOAD, VA)).toBeUndefined();
    expect(m.hart.getX(10)).toBe(42n);
    expect(m.view.getUint8(entry)).toBe(V | R | W | A);
    m.hart.setX(12, 43n);
    expect(m.try(STORE, VA)).toBeUndefined();
    expect(m.view.getBigUint64(PAGES + 8, true)).toBe(43n);
    expect(m.view.getUint8(entry)).toBe(V | R | W | A | D);
    m.map(0x4000_0000n, PAGES, ALL, 1);
    m.view.setBigUint64(PAGES + 0x15008, 44n, true);
    expect(m.try(LOAD, 0x4001_5000n)).toBeUndefined();
    expect(m.hart.getX(10)).toBe(44n);
  });

  it('faults with the address where something is missing or wrong', () => {
    const m = new Mapped(levels);
    const page = (text: string, cause: bigint, bits: number, level = 0, target = PAGES): void => {
      const address = 0x5000_0000n + BigInt(m.table() * 512);
      m.map(address & ~0xfffn & ~((1n << BigInt(12 + 9 * level)) - 1n), target, bits, level);
      const at = address & ~0xfffn;
      const offset = text.includes('8(a1)') ? 8n : 0n;
      expect(m.try(text, at), `${text} ${bits}`).toEqual([cause, at + offset]);
    };
    page(LOAD, 13n, 0);
    page(STORE, 15n, V | R | A | D);
    page(LOAD, 13n, V | X | A | D);
    page(LOAD, 13n, V | W | A | D);
    page(LOAD, 13n, ALL | U);
    page('amoadd.d a0, a0, (a1)', 15n, V | R | A, 0);
  });

  it('refuses addresses that are not canonical', () => {
    const m = new Mapped(levels);
    m.map(VA, PAGES, ALL);
    const bad = VA | (1n << 50n);
    expect(m.try(LOAD, VA)).toBeUndefined();
    expect(m.try(LOAD, bad)).toEqual([13n, bad + 8n]);
  });

  it('refuses a superpage that is not aligned, and pointers with leaf bits', () => {
    const m = new Mapped(levels);
    m.map(0x4000_0000n, PAGES + 0x1000, ALL, 1);
    expect(m.try(LOAD, 0x4000_0000n)?.[0]).toBe(13n);
    m.map(0x4020_0000n, PAGES, V | U, 1);
    expect(m.try(LOAD, 0x4020_0000n)?.[0]).toBe(13n);
  });

  it('Svnapot: a leaf of 64 KiB, in the lowest table and of no other size', () => {
    const m = new Mapped(levels);
    const N = 1n << 63n;
    const napot = (address: bigint, low: number, level = 0): number => {
      const entry = m.map(address, PAGES + low * 4096, ALL, level);
      m.view.setBigUint64(entry, m.view.getBigUint64(entry, true) | N, true);
      return entry;
    };
    for (let page = 0; page < 16; page++) napot(0x7000_0000n + BigInt(page * 4096), 8);
    for (let page = 0; page < 16; page++) {
      m.view.setBigUint64(PAGES + page * 4096 + 8, BigInt(page), true);
      expect(m.try(LOAD, 0x7000_0000n + BigInt(page * 4096))).toBeUndefined();
      expect(m.hart.getX(10)).toBe(BigInt(page));
    }
    // One fence for any address of it is enough.
    for (let page = 0; page < 16; page++) m.map(0x7000_0000n + BigInt(page * 4096), PAGES + 0x1_0000, ALL);
    m.view.setBigUint64(PAGES + 0x1_0008, 77n, true);
    m.hart.setX(11, 0x7000_0000n);
    m.execute('sfence.vma a1, zero');
    expect(m.try(LOAD, 0x7000_5000n)).toBeUndefined();
    expect(m.hart.getX(10)).toBe(77n);
    napot(0x7100_0000n, 4);
    expect(m.try(LOAD, 0x7100_0000n)?.[0]).toBe(13n);
    napot(0x7120_0000n, 0, 1);
    expect(m.try(LOAD, 0x7120_0000n)?.[0]).toBe(13n);
  });

  it('Svpbmt: memory types where menvcfg allows them, in leaves, but for the reserved one', () => {
    const m = new Mapped(levels);
    const typed = (type: bigint): bigint => {
      const address = 0x7000_0000n + BigInt(m.table());
      const entry = m.map(address, PAGES, ALL);
      m.view.setBigUint64(entry, m.view.getBigUint64(entry, true) | (type << 61n), true);
      return m.try(LOAD, address)?.[0] ?? 0n;
    };
    expect([typed(1n), typed(2n), typed(3n)]).toEqual([0n, 0n, 13n]);
    m.hart.setCsr(0x30a, 1n << 61n);
    expect([typed(0n), typed(1n), typed(2n)]).toEqual([0n, 13n, 13n]);
  });

  it('Svadu: without ADUE an entry that lacks A, or D for a store, faults', () => {
    const m = new Mapped(levels);
    m.hart.setCsr(0x30a, 0n);
    const entry = m.map(VA, PAGES, V | R | W);
    expect(m.try(LOAD, VA)).toEqual([13n, VA + 8n]);
    m.view.setUint8(entry, V | R | W | A);
    m.execute('sfence.vma zero, zero');
    expect([m.try(LOAD, VA), m.try(STORE, VA)]).toEqual([undefined, [15n, VA + 8n]]);
    m.view.setUint8(entry, V | R | W | A | D);
    m.execute('sfence.vma zero, zero');
    expect(m.try(STORE, VA)).toBeUndefined();
  });

  it('an access across a page border faults at the part that is missing', () => {
    const m = new Mapped(levels);
    m.map(VA, PAGES, ALL);
    expect(m.try('ld a0, 0(a1)', VA + 0xffcn)).toEqual([13n, VA + 0x1000n]);
    m.map(VA + 0x1000n, PAGES + 0x5000, ALL);
    m.view.setUint32(PAGES + 0xffc, 0x1111_2222, true);
    m.view.setUint32(PAGES + 0x5000, 0x3333_4444, true);
    expect(m.try('ld a0, 0(a1)', VA + 0xffcn)).toBeUndefined();
    expect(m.hart.getX(10)).toBe(0x3333_4444_1111_2222n);
  });
});

describe('privilege in translation', () => {
  it('SUM lets S-mode reach user pages, and its end is felt at once', () => {
    const m = new Mapped();
    m.map(VA, PAGES, ALL | U);
    expect(m.try(LOAD, VA)).toEqual([13n, VA + 8n]);
    m.hart.setCsr(CSR.mstatus, SUM);
    expect(m.try(LOAD, VA)).toBeUndefined();
    expect(m.try(STORE, VA)).toBeUndefined();
    m.hart.setCsr(CSR.mstatus, 0n);
    expect(m.try(LOAD, VA)).toEqual([13n, VA + 8n]);
    expect(m.try(STORE, VA)).toEqual([15n, VA + 8n]);
    m.hart.setCsr(CSR.mstatus, SUM);
    m.hart.setX(5, VA);
    m.map(VA, 0, ALL | U);
    m.try('sfence.vma x0, x0', 0n);
    expect(m.try('jalr x0, 0(a1)\naddi x0, x0, 0', VA)?.[0]).toBe(12n);
  });

  it('MXR makes executable pages readable, and only while it is set', () => {
    const m = new Mapped();
    m.map(VA, PAGES, V | X | A);
    expect(m.try(LOAD, VA)?.[0]).toBe(13n);
    m.hart.setCsr(CSR.mstatus, MXR);
    expect(m.try(LOAD, VA)).toBeUndefined();
    m.hart.setCsr(CSR.mstatus, 0n);
    expect(m.try(LOAD, VA)?.[0]).toBe(13n);
  });

  it('MPRV makes loads of M-mode those of MPP', () => {
    const m = new Mapped();
    m.map(VA, PAGES, ALL);
    m.view.setBigUint64(PAGES + 8, 42n, true);
    m.hart.setCsr(CSR.mstatus, MPRV | (1n << 11n));
    expect(m.try(LOAD, VA, 3)).toBeUndefined();
    expect(m.hart.getX(10)).toBe(42n);
    m.hart.setCsr(CSR.mstatus, 0n);
    expect(m.try(LOAD, VA, 3)?.[0]).toBe(5n);
  });
});

describe('the TLB', () => {
  it('may be stale until sfence.vma, by address or whole, superpages included', () => {
    for (const fence of ['sfence.vma x0, x0', 'sfence.vma a1, x0', 'sfence.vma a1, a3', 'sfence.vma x0, a3']) {
      for (const level of [0, 1]) {
        const m = new Mapped(3, 5n);
        m.hart.setX(13, 5n);
        m.view.setBigUint64(PAGES + 8, 1n, true);
        m.view.setBigUint64(PAGES + 0x20_0008, 2n, true);
        const address = 0x4000_0000n;
        m.map(address, PAGES, ALL, level);
        expect(m.try(LOAD, address)).toBeUndefined();
        m.map(address, PAGES + 0x20_0000, ALL, level);
        // Another page of the same superpage is named.
        expect(m.try(fence, level ? address + 0x3000n : address)).toBeUndefined();
        expect(m.try(LOAD, address)).toBeUndefined();
        expect([fence, level, m.hart.getX(10)]).toEqual([fence, level, 2n]);
      }
    }
  });

  it('keeps address spaces apart, and knows them again', () => {
    const m = new Mapped(3, 1n);
    const other = m.table();
    m.map(BASE, 0, ALL | G, 2, other);
    m.map(VA, PAGES, ALL | U);
    m.map(VA, PAGES + 0x1000, ALL | U, 0, other);
    // Code for U-mode, in both.
    for (const root of [m.root, other]) m.map(0x1000n, 0, ALL | U, 0, root);
    m.view.setBigUint64(PAGES + 8, 1n, true);
    m.view.setBigUint64(PAGES + 0x1008, 2n, true);
    const load = (): bigint => {
      m.place(LOAD);
      m.refreshCode();
      m.hart.privilege = 0;
      m.hart.setX(11, VA);
      m.hart.pc = 0x1000n;
      m.hart.run(1);
      return m.hart.getX(10);
    };
    const seen: bigint[] = [];
    for (let i = 0; i < 3; i++) {
      m.use(m.root, 1n);
      seen.push(load());
      m.use(other, 2n);
      seen.push(load());
    }
    expect(seen).toEqual([1n, 2n, 1n, 2n, 1n, 2n]);
    const misses = m.hart.counters().tlb_misses!;
    m.use(m.root, 1n);
    load();
    // Nothing but the fetch, whose table fence.i had emptied.
    expect(m.hart.counters().tlb_misses! - misses).toBeLessThanOrEqual(1);
  });

  it('drops what is not global from S-mode when satp changes', () => {
    const m = new Mapped(3, 1n);
    const other = m.table();
    m.map(BASE, 0, ALL | G, 2, other);
    m.map(VA, PAGES, ALL);
    m.map(VA, PAGES + 0x1000, ALL, 0, other);
    m.view.setBigUint64(PAGES + 8, 1n, true);
    m.view.setBigUint64(PAGES + 0x1008, 2n, true);
    m.try(LOAD, VA);
    m.use(other, 2n);
    m.try(LOAD, VA);
    expect(m.hart.getX(10)).toBe(2n);
  });
});

describe('fetches', () => {
  it('see stores to code after fence.i', () => {
    const rig = new Rig();
    // a0 counts; the second round executes what the first one stored over the third instruction.
    const code = (third: string): string =>
      `addi a0, a0, 1\naddi x0, x0, 0\n${third}\nsw a2, 0(a1)\nfence.i\naddi a3, a3, -1\nbne a3, x0, -24`;
    rig.place(code('addi a0, a0, 100'), 0);
    rig.hart.setX(11, BASE + 8n);
    // addi a0, a0, 7
    rig.hart.setX(12, 0x0075_0513n);
    rig.hart.setX(13, 2n);
    rig.hart.run(14);
    expect(rig.hart.getX(10)).toBe(1n + 100n + 1n + 7n);
  });

  it('execute an instruction that straddles two pages, which need not be neighbours', () => {
    const m = new Mapped();
    const code = VA;
    m.map(code, PAGES, ALL);
    m.map(code + 0x1000n, PAGES + 0x5000, ALL);
    // addi a0, a0, 5 in two halves; then c.addi a0, 1
    m.view.setUint16(PAGES + 0xffe, 0x0513, true);
    m.view.setUint16(PAGES + 0x5000, 0x0055, true);
    m.view.setUint16(PAGES + 0x5002, 0x0505, true);
    m.refreshCode();
    m.hart.setX(10, 0n);
    m.hart.pc = code + 0xffen;
    m.hart.run(2);
    expect([m.hart.getX(10), m.hart.pc]).toEqual([6n, code + 0x1004n]);
  });

  it('that straddle fault at the second page, with the pc of the instruction', () => {
    const m = new Mapped();
    m.map(VA, PAGES, ALL);
    m.view.setUint16(PAGES + 0xffe, 0x0513, true);
    m.refreshCode();
    m.hart.pc = VA + 0xffen;
    m.hart.run(1);
    expect([m.hart.getCsr(CSR.mcause), m.hart.getCsr(CSR.mepc), m.hart.getCsr(CSR.mtval)]).toEqual([
      12n,
      VA + 0xffen,
      VA + 0x1000n,
    ]);
  });

  it('run on from page to page, with 2- and 4-byte instructions at the border', () => {
    const rig = new Rig();
    rig.view.setUint16(0xffa, 0x0505, true);
    rig.view.setUint32(0xffc, 0x0015_0513, true);
    rig.view.setUint16(0x1000, 0x0505, true);
    rig.view.setUint16(0x1002, 0x0505, true);
    rig.hart.pc = BASE + 0xffan;
    rig.hart.run(4);
    expect([rig.hart.getX(10), rig.hart.pc]).toEqual([4n, BASE + 0x1004n]);
  });

  it('of nothing are access faults', () => {
    const rig = new Rig();
    rig.hart.setCsr(CSR.mtvec, BASE + 0x1000n);
    rig.hart.pc = 0x1000n;
    rig.hart.run(1);
    expect([rig.hart.getCsr(CSR.mcause), rig.hart.getCsr(CSR.mtval), rig.hart.getCsr(CSR.mepc)]).toEqual([
      1n,
      0x1000n,
      0x1000n,
    ]);
  });
});
