import { describe, expect, it } from 'vitest';
import { ENVCFG } from './envcfg.ts';
import { BASE, Rig } from './rig.ts';

const CSR = { menvcfg: 0x30a, senvcfg: 0x10a, mcause: 0x342, mtval: 0x343, mtvec: 0x305 } as const;
const ILLEGAL = 2n;
const STORE_ACCESS = 7n;
const ALL = ENVCFG.CBIE | ENVCFG.CBCFE | ENVCFG.CBZE;

/** With memory open to all modes. */
function newRig(): Rig {
  const rig = new Rig();
  rig.hart.setCsr(0x3b0, (1n << 54n) - 1n);
  rig.hart.setCsr(0x3a0, 0x1fn);
  return rig;
}

/** The cause of the trap that the instruction ends with on the block at a1. */
function cause(rig: Rig, text: string, privilege: 0 | 1 | 3, address = BASE + 0x2050n): bigint {
  const { hart } = rig;
  hart.privilege = privilege;
  hart.setCsr(CSR.mcause, 0n);
  hart.setX(11, address);
  rig.execute(text);
  return hart.getCsr(CSR.mcause);
}

describe('operations on cache blocks', () => {
  it('cbo.zero writes zeros to the block around the address, and to no other', () => {
    const rig = newRig();
    new Uint8Array(rig.ram.buffer).fill(0xff, 0x2000, 0x20c0);
    expect(cause(rig, 'cbo.zero (a1)', 3)).toBe(0n);
    const bytes = [...new Uint8Array(rig.ram.buffer, 0x2000, 0xc0)];
    expect(bytes.map((byte, i) => (byte === 0) === (i >= 0x40 && i < 0x80))).not.toContain(false);
  });

  it.each([
    ['cbo.inval', ENVCFG.CBIE],
    ['cbo.clean', ENVCFG.CBCFE],
    ['cbo.flush', ENVCFG.CBCFE],
    ['cbo.zero', ENVCFG.CBZE],
  ])('%s is allowed by menvcfg below M-mode, and by senvcfg in U-mode', (name, bits) => {
    const rig = newRig();
    const text = `${name} (a1)`;
    const outcome = (menvcfg: bigint, senvcfg: bigint): bigint[] => {
      rig.hart.setCsr(CSR.menvcfg, menvcfg);
      rig.hart.setCsr(CSR.senvcfg, senvcfg);
      return [cause(rig, text, 3), cause(rig, text, 1), cause(rig, text, 0)];
    };
    expect(outcome(ALL & ~bits, ALL)).toEqual([0n, ILLEGAL, ILLEGAL]);
    expect(outcome(bits, ALL & ~bits)).toEqual([0n, 0n, ILLEGAL]);
    expect(outcome(bits, bits)).toEqual([0n, 0n, 0n]);
  });

  it('fault as stores do, with the address', () => {
    const rig = newRig();
    for (const name of ['cbo.inval', 'cbo.clean', 'cbo.flush', 'cbo.zero']) {
      // PMP: nothing but the code is open.
      rig.hart.setCsr(0x3b0, (BASE >> 2n) | 0x1ffn);
      rig.hart.setCsr(CSR.menvcfg, ALL);
      expect([name, cause(rig, `${name} (a1)`, 1, BASE + 0x2040n)]).toEqual([name, STORE_ACCESS]);
      expect(rig.hart.getCsr(CSR.mtval)).toBe(BASE + 0x2040n);
    }
  });

  it('a reserved CBIE is not taken', () => {
    const { hart } = newRig();
    hart.setCsr(CSR.menvcfg, 1n << 4n);
    hart.setCsr(CSR.menvcfg, (2n << 4n) | ENVCFG.CBZE);
    expect(hart.getCsr(CSR.menvcfg)).toBe((1n << 4n) | ENVCFG.CBZE);
  });
});

describe('waits and ordering fences', () => {
  it('wrs.nto and wrs.sto go on at once, in any mode', () => {
    const rig = newRig();
    for (const text of ['wrs.nto', 'wrs.sto']) {
      for (const privilege of [0, 1, 3] as const) expect([text, cause(rig, text, privilege)]).toEqual([text, 0n]);
    }
  });

  it('the fences of Svinval are for S-mode, and sinval.vma obeys TVM', () => {
    const rig = newRig();
    for (const text of ['sinval.vma a0, a1', 'sfence.w.inval', 'sfence.inval.ir']) {
      expect([text, cause(rig, text, 1), cause(rig, text, 0)]).toEqual([text, 0n, ILLEGAL]);
    }
    rig.hart.setCsr(0x300, 1n << 20n);
    expect([cause(rig, 'sinval.vma a0, a1', 1), cause(rig, 'sfence.w.inval', 1)]).toEqual([ILLEGAL, 0n]);
  });
});
