import { describe, expect, test } from 'vitest';
import { BASE, Rig } from '../hart/rig.ts';
import { ExitCounts, sbiName } from './exits.ts';
import { lookAtHart } from './look.ts';

const NOTHING = { load: () => 0, store: () => true, time: () => 0 };

describe('a look at a hart', () => {
  test('counts instructions by the mode that executed them', () => {
    const rig = new Rig();
    const { hart } = rig;
    hart.setCsr(0x3b0, (1n << 54n) - 1n);
    hart.setCsr(0x3a0, 0x1fn);
    rig.place('addi x5, x0, 1\naddi x5, x0, 2\necall\naddi x5, x0, 9\nend:\njal x0, end');
    // The handler of M-mode: two instructions and back, behind the ecall.
    rig.place('csrrs x6, 0x341, x0\naddi x6, x6, 4\ncsrrw x0, 0x341, x6\nmret', 0x1000);
    hart.setCsr(0x305, BASE + 0x1000n);
    hart.pc = BASE;
    hart.privilege = 0;
    rig.refreshCode();
    hart.run(3 + 4 + 3);
    // The ecall itself does not retire (privileged spec, 3.3.1).
    expect(hart.retiredByMode()).toEqual({ user: 2 + 3, supervisor: 0, machine: 4 });
    // minstret is the guest's to write, and changes nothing here.
    hart.setCsr(0xb02, 1_000_000n);
    expect(hart.retiredByMode()).toEqual({ user: 5, supervisor: 0, machine: 4 });
    hart.run(7);
    expect(hart.retiredByMode()).toEqual({ user: 12, supervisor: 0, machine: 4 });
  });

  test('is plain data, with traps and devices by name', () => {
    const slot = { deviceId: 2, features: [], queues: [], config: [] };
    const counts = new ExitCounts(NOTHING, [slot]);
    const rig = new Rig({ bus: { load: (gpa, size) => counts.load(gpa, size) } });
    rig.hart.setX(10, 0x1000_1000n);
    rig.execute('lw x5, 0(x10)');
    rig.execute('lw x5, 4(x10)');
    rig.execute('ebreak');
    const look = lookAtHart(rig.hart, counts);
    expect(structuredClone(look)).toEqual(look);
    expect(look.exits).toEqual([
      { reason: 'mmio', detail: 'virtio-block@0', count: 2 },
      { reason: 'exception', detail: 'breakpoint', count: 1 },
    ]);
    expect(look.privilege).toBe('M');
    expect(look.csrs.mcause).toBe('0x3');
  });

  test('counts walks by context, and knows which entries stay when the address space changes', () => {
    const rig = new Rig();
    const { hart } = rig;
    hart.setCsr(0x3b0, (1n << 54n) - 1n);
    hart.setCsr(0x3a0, 0x1fn);
    // One gigapage of U-mode, mapped to itself, in two address spaces with one table.
    rig.view.setBigUint64(0x10_0000 + 16, ((BASE >> 12n) << 10n) | 0xdfn, true);
    const satp = (asid: bigint): bigint => (8n << 60n) | (asid << 44n) | ((BASE + 0x10_0000n) >> 12n);
    rig.place('ld x5, 0(x10)\nend:\njal x0, end');
    rig.refreshCode();
    hart.setX(10, BASE + 0x2000n);
    for (const asid of [1n, 2n, 1n]) {
      hart.setCsr(0x180, satp(asid));
      hart.privilege = 0;
      hart.pc = BASE;
      hart.run(3);
    }
    const users = hart.tlb().contexts.filter(({ mode }) => mode === 'user');
    const of = (asid: number) => users.find((context) => context.asid === asid);
    expect(of(1)).toMatchObject({ current: true, reads: 1, writes: 0, fetches: 1, walks: 2, returns: 1 });
    expect(of(2)).toMatchObject({ current: false, reads: 1, fetches: 1, walks: 2, returns: 0 });
  });
});

describe('exits', () => {
  test('SBI calls are named, whatever a guest asks for', () => {
    expect(sbiName(0x54494d45, 0)).toBe('time.set_timer');
    expect(sbiName(0x4442434e, 0)).toBe('dbcn.console_write');
    expect(sbiName(1, 7)).toBe('legacy.console_putchar');
    expect(sbiName(0x48534d, 99)).toBe('hsm.99');
    const counts = new ExitCounts(NOTHING, []);
    for (let eid = 0; eid < 10_000; eid++) counts.called(0x1000_0000 + eid, 0);
    expect(counts.counts().length).toBeLessThanOrEqual(256);
  });
});
