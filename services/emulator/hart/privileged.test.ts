import { describe, expect, it } from 'vitest';
import { LINE, REQUEST } from './contract.ts';
import { hartWords } from './layout.ts';
import { BASE, Rig } from './rig.ts';

const CSR = {
  fcsr: 0x003,
  sstatus: 0x100,
  sie: 0x104,
  stvec: 0x105,
  sepc: 0x141,
  scause: 0x142,
  stval: 0x143,
  sip: 0x144,
  stimecmp: 0x14d,
  satp: 0x180,
  mstatus: 0x300,
  misa: 0x301,
  medeleg: 0x302,
  mideleg: 0x303,
  mie: 0x304,
  mtvec: 0x305,
  mcounteren: 0x306,
  menvcfg: 0x30a,
  mscratch: 0x340,
  mepc: 0x341,
  mcause: 0x342,
  mtval: 0x343,
  mip: 0x344,
  pmpcfg0: 0x3a0,
  pmpaddr0: 0x3b0,
  mcycle: 0xb00,
  minstret: 0xb02,
} as const;
const INTERRUPT = 1n << 63n;
const HANDLER = BASE + 0x10_0000n;
/** addi x0, x0, 0 */
const NOP = 0x13;

/** PMP entry 0 lets everybody do everything. */
function openPmp(rig: Rig): void {
  rig.hart.setCsr(CSR.pmpaddr0, (1n << 54n) - 1n);
  rig.hart.setCsr(CSR.pmpcfg0, 0x1fn);
}

function lines(rig: Rig, bits: number, hart = 0): void {
  Atomics.store(new Int32Array(rig.state.buffer), hartWords(hart).lines / 4, bits);
}

const ask = (rig: Rig, bits: number): void => {
  Atomics.store(new Int32Array(rig.state.buffer), hartWords(0).requests / 4, bits);
};

function inMode(privilege: 0 | 1 | 3, text: string, prepare: (rig: Rig) => void = () => {}): Rig {
  const rig = new Rig();
  openPmp(rig);
  prepare(rig);
  rig.hart.privilege = privilege;
  rig.execute(text);
  return rig;
}

describe('control and status registers', () => {
  it.each([
    // Fields that are not there read as zero; illegal values leave what was.
    ['mstatus', CSR.mstatus, (1n << 64n) - 1n, 0x8000_000a_007e_79aan],
    ['medeleg', CSR.medeleg, (1n << 64n) - 1n, 0xb3ffn],
    ['mideleg', CSR.mideleg, (1n << 64n) - 1n, 0x222n],
    ['mie', CSR.mie, (1n << 64n) - 1n, 0xaaan],
    ['misa', CSR.misa, 0n, 0x8000_0000_0014_112dn],
    ['mepc', CSR.mepc, 0x1235n, 0x1234n],
    ['mtvec with a reserved mode', CSR.mtvec, 0x1002n, 0n],
    ['mtvec vectored', CSR.mtvec, 0x1001n, 0x1001n],
    ['satp Sv39', CSR.satp, (8n << 60n) | 5n, (8n << 60n) | 5n],
    ['satp Sv48', CSR.satp, (9n << 60n) | (0xffffn << 44n), (9n << 60n) | (0xffffn << 44n)],
    ['satp Sv57', CSR.satp, (10n << 60n) | 5n, 0n],
    ['fcsr', CSR.fcsr, 0xffffn, 0xffn],
    ['menvcfg', CSR.menvcfg, (1n << 64n) - 1n, (7n << 61n) | 0xf1n],
  ])('%s', (_, number, written, read) => {
    const { hart } = new Rig();
    hart.setCsr(number, written);
    expect(hart.getCsr(number).toString(16)).toBe(read.toString(16));
  });

  it('exchange, set and clear', () => {
    const rig = new Rig();
    rig.hart.setX(11, 0xf0n);
    rig.execute('csrrw a0, 0x340, a1\ncsrrsi a2, 0x340, 15\ncsrrci a3, 0x340, 3\ncsrrs a4, 0x340, x0');
    expect([10, 12, 13, 14].map((x) => rig.hart.getX(x))).toEqual([0n, 0xf0n, 0xffn, 0xfcn]);
  });

  it.each([
    ['a higher privilege', 1, 'csrrs a0, 0x300, x0'],
    ['a read-only one', 3, 'csrrw a0, 0xf14, a0'],
    ['one that does not exist', 3, 'csrrs a0, 0x7ff, x0'],
    ['satp under TVM', 1, 'csrrs a0, 0x180, x0'],
    ['sfence.vma under TVM', 1, 'sfence.vma x0, x0'],
    ['sret under TSR', 1, 'sret'],
    ['wfi under TW', 1, 'wfi'],
    ['wfi in U-mode', 0, 'wfi'],
    ['mret in S-mode', 1, 'mret'],
    ['time that is not handed down', 1, 'csrrs a0, 0xc01, x0'],
    ['stimecmp without STCE', 1, 'csrrs a0, 0x14d, x0'],
    ['fcsr while FS is off', 3, 'csrrs a0, 0x003, x0'],
  ] as const)('are an illegal instruction: %s', (_, privilege, text) => {
    const rig = inMode(privilege, text, ({ hart }) => hart.setCsr(CSR.mstatus, 7n << 20n));
    expect(rig.hart.getCsr(CSR.mcause)).toBe(2n);
    expect(rig.hart.getCsr(CSR.mtval)).toBe(BigInt(rig.view.getUint32(0, true)));
    expect(rig.hart.pc).toBe(HANDLER);
  });

  it('count instructions, and a written counter goes on from there', () => {
    const rig = new Rig();
    rig.execute('addi x0, x0, 0\naddi x0, x0, 0\ncsrrs a0, 0xb02, x0\ncsrrs a1, 0xb02, x0');
    expect([rig.hart.getX(10), rig.hart.getX(11)]).toEqual([2n, 3n]);
    rig.hart.setX(12, 1000n);
    rig.execute('csrrw x0, 0xb02, a2\ncsrrs a0, 0xb02, x0\ncsrrs a1, 0xb00, x0');
    expect([rig.hart.getX(10), rig.hart.getX(11)]).toEqual([1000n, 6n]);
  });

  it('unknown numbers are refused to JavaScript as well', () => {
    expect(() => new Rig().hart.getCsr(0x7ff)).toThrow('There is no CSR 0x7ff');
  });
});

describe('traps', () => {
  it('go to M-mode, with pc, cause, tval and the stack of privileges', () => {
    const { hart } = inMode(1, 'ecall', ({ hart }) => hart.setCsr(CSR.mstatus, 8n));
    expect([hart.getCsr(CSR.mcause), hart.getCsr(CSR.mepc), hart.getCsr(CSR.mtval)]).toEqual([9n, BASE, 0n]);
    // MPP = S, MPIE = the old MIE, MIE = 0.
    expect(hart.getCsr(CSR.mstatus) & 0x1888n).toBe(0x880n);
    expect([hart.privilege, hart.pc]).toEqual([3, HANDLER]);
  });

  it('go to S-mode where they are delegated, and never from M-mode', () => {
    const prepare = ({ hart }: Rig): void => {
      hart.setCsr(CSR.medeleg, 1n << 8n);
      hart.setCsr(CSR.stvec, BASE + 0x20_0000n);
      hart.setCsr(CSR.mstatus, 2n);
    };
    const { hart } = inMode(0, 'ecall', prepare);
    expect([hart.getCsr(CSR.scause), hart.getCsr(CSR.sepc), hart.privilege]).toEqual([8n, BASE, 1]);
    expect(hart.getCsr(CSR.sstatus) & 0x122n).toBe(0x20n);
    expect(hart.pc).toBe(BASE + 0x20_0000n);
    expect(inMode(3, 'ecall', prepare).hart.getCsr(CSR.mcause)).toBe(11n);
  });

  it('mret and sret come back', () => {
    const { hart } = inMode(3, 'mret', ({ hart }) => {
      hart.setCsr(CSR.mstatus, (1n << 11n) | 0x80n | (1n << 17n));
      hart.setCsr(CSR.mepc, BASE + 0x40n);
    });
    expect([hart.pc, hart.privilege]).toEqual([BASE + 0x40n, 1]);
    // MIE = MPIE, MPIE = 1, MPP = U, MPRV = 0.
    expect(hart.getCsr(CSR.mstatus) & 0x2_1888n).toBe(0x88n);
    const { hart: other } = inMode(1, 'sret', ({ hart }) => {
      hart.setCsr(CSR.mstatus, 0x20n);
      hart.setCsr(CSR.sepc, BASE + 0x44n);
    });
    expect([other.pc, other.privilege]).toEqual([BASE + 0x44n, 0]);
    expect(other.getCsr(CSR.sstatus) & 0x122n).toBe(0x22n);
  });

  it('an unknown encoding reports its bits; a compressed one has 16', () => {
    const rig = new Rig();
    rig.hart.setCsr(CSR.mtvec, HANDLER);
    rig.view.setUint32(0, 0xffff_ffff, true);
    rig.hart.run(1);
    expect([rig.hart.getCsr(CSR.mcause), rig.hart.getCsr(CSR.mtval)]).toEqual([2n, 0xffff_ffffn]);
    rig.view.setUint32(0x100, 0xffff_0004, true);
    rig.hart.pc = BASE + 0x100n;
    rig.hart.run(1);
    expect(rig.hart.getCsr(CSR.mtval)).toBe(4n);
  });
});

describe('interrupts', () => {
  const enabled = (): Rig => {
    const rig = new Rig();
    openPmp(rig);
    rig.hart.setCsr(CSR.mtvec, HANDLER | 1n);
    rig.hart.setCsr(CSR.stvec, BASE + 0x20_0000n);
    rig.hart.setCsr(CSR.mie, 0xaaan);
    // Handlers that do nothing: the budget of a slice goes on in them.
    for (let i = 0; i < 64; i += 4) {
      rig.view.setUint32(0x10_0000 + i, NOP, true);
      rig.view.setUint32(0x20_0000 + i, NOP, true);
    }
    rig.place('addi a0, a0, 1\naddi a0, a0, 1');
    return rig;
  };

  it('are taken in order of urgency, vectored', () => {
    const rig = enabled();
    rig.hart.setCsr(CSR.mstatus, 8n);
    lines(rig, LINE.MTIP | LINE.MSIP | LINE.MEIP | LINE.SEIP);
    rig.hart.run(1);
    expect([rig.hart.getCsr(CSR.mcause), rig.hart.getCsr(CSR.mepc)]).toEqual([INTERRUPT | 11n, BASE]);
    const order: bigint[] = [];
    for (const line of [LINE.MSIP | LINE.MTIP, LINE.MTIP | LINE.SEIP, LINE.SEIP | LINE.SSIP, LINE.SSIP]) {
      lines(rig, line);
      rig.hart.pc = BASE;
      rig.hart.setCsr(CSR.mstatus, 8n);
      rig.hart.run(1);
      order.push(rig.hart.getCsr(CSR.mcause) & 63n);
    }
    expect(order).toEqual([3n, 7n, 9n, 1n]);
  });

  it('wait while MIE is clear, and come as soon as an instruction sets it', () => {
    const rig = enabled();
    lines(rig, LINE.MTIP);
    rig.place('addi a0, a0, 1\ncsrrsi x0, 0x300, 8\naddi a0, a0, 1');
    rig.hart.run(3);
    expect([rig.hart.getX(10), rig.hart.getCsr(CSR.mepc)]).toEqual([1n, BASE + 8n]);
    expect(rig.hart.getCsr(CSR.mcause)).toBe(INTERRUPT | 7n);
  });

  it('that are delegated stay away from M-mode and reach S- and U-mode', () => {
    const rig = enabled();
    rig.hart.setCsr(CSR.mideleg, 0x222n);
    rig.hart.setCsr(CSR.mstatus, 8n);
    lines(rig, LINE.SEIP);
    rig.hart.run(1);
    expect(rig.hart.getX(10)).toBe(1n);
    rig.hart.privilege = 0;
    rig.hart.run(1);
    expect([rig.hart.getCsr(CSR.scause), rig.hart.privilege]).toEqual([INTERRUPT | 9n, 1]);
    expect(rig.hart.getX(10)).toBe(1n);
  });

  it('the software line is cleared by the one who takes it', () => {
    const rig = enabled();
    rig.hart.setCsr(CSR.mideleg, 0x222n);
    lines(rig, LINE.SSIP);
    expect(rig.hart.getCsr(CSR.sip)).toBe(2n);
    rig.hart.privilege = 1;
    rig.execute('csrrci x0, 0x144, 2');
    expect(rig.hart.getCsr(CSR.sip)).toBe(0n);
  });

  it('stimecmp fires when time reaches it', () => {
    const rig = enabled();
    rig.hart.setCsr(CSR.menvcfg, 1n << 63n);
    rig.hart.setCsr(CSR.mideleg, 0x222n);
    rig.hart.setStimecmp(100n);
    rig.hart.setCsr(CSR.sstatus, 2n);
    rig.hart.privilege = 1;
    rig.ticks = 99;
    rig.hart.run(1);
    expect(rig.hart.getX(10)).toBe(1n);
    rig.ticks = 100;
    rig.hart.run(1);
    expect([rig.hart.getCsr(CSR.scause), rig.hart.getCsr(CSR.sepc)]).toEqual([INTERRUPT | 5n, BASE + 4n]);
    expect(rig.hart.getCsr(CSR.sip)).toBe(0x20n);
    rig.hart.setStimecmp(200n);
    expect(rig.hart.getCsr(CSR.sip)).toBe(0n);
  });
});

describe('wfi', () => {
  it('leaves run() until an enabled interrupt is pending, taken or not', () => {
    const rig = new Rig();
    rig.hart.setCsr(CSR.mie, 0x80n);
    rig.place('wfi\naddi a0, a0, 1');
    expect(rig.hart.run(10)).toBe('wfi');
    expect(rig.hart.run(10)).toBe('wfi');
    expect(rig.hart.pc).toBe(BASE + 4n);
    lines(rig, LINE.MTIP);
    rig.hart.run(1);
    expect(rig.hart.getX(10)).toBe(1n);
  });

  it('park() returns at once for what is there already, and when the timer is due', () => {
    const rig = new Rig();
    rig.hart.setCsr(CSR.mie, 0xa0n);
    lines(rig, LINE.MTIP);
    rig.hart.park(60_000);
    lines(rig, 0);
    ask(rig, REQUEST.PAUSE);
    rig.hart.park(60_000);
    ask(rig, 0);
    rig.hart.setCsr(CSR.menvcfg, 1n << 63n);
    rig.hart.setStimecmp(10_000n);
    rig.hart.park(60_000);
  });
});

describe('run', () => {
  it('executes as many instructions as it was told', () => {
    const rig = new Rig();
    rig.place('again:\naddi a0, a0, 1\njal x0, again');
    expect(rig.hart.run(100_001)).toBe('budget');
    expect([rig.hart.getX(10), rig.hart.getCsr(CSR.minstret)]).toEqual([50_001n, 100_001n]);
  });

  it('says so when the trap handler does nothing but trap', () => {
    const rig = new Rig();
    rig.hart.setCsr(CSR.mtvec, BASE);
    rig.place('ebreak');
    expect(rig.hart.run(100_000)).toBe('stuck');
    expect(rig.hart.getCsr(CSR.mcause)).toBe(3n);
    // A handler that executes one instruction each time may be at work.
    const busy = new Rig();
    busy.hart.setCsr(CSR.mtvec, BASE);
    busy.place('addi a0, a0, 1\nebreak');
    expect(busy.hart.run(100_000)).toBe('budget');
  });

  it('stays out while it is asked to pause', () => {
    const rig = new Rig();
    rig.place('addi a0, a0, 1');
    ask(rig, REQUEST.PAUSE);
    expect(rig.hart.run(1)).toBe('paused');
    ask(rig, 0);
    expect(rig.hart.run(1)).toBe('budget');
    expect(rig.hart.getX(10)).toBe(1n);
  });

  it('leaves at an ecall from S-mode when the machine is the firmware', () => {
    const rig = new Rig({ firmware: 'sbi' });
    rig.hart.reset(BASE, 1, 7n, 8n);
    rig.place('ecall\naddi a0, a0, 1');
    expect(rig.hart.run(10)).toBe('ecall');
    expect([rig.hart.pc, rig.hart.getX(10), rig.hart.getX(11)]).toEqual([BASE, 7n, 8n]);
    rig.hart.finishEcall(40n, 2n);
    rig.hart.run(1);
    expect([rig.hart.getX(10), rig.hart.getX(11), rig.hart.pc]).toEqual([41n, 2n, BASE + 8n]);
  });

  it('hands a supervisor everything that firmware would', () => {
    const rig = new Rig({ firmware: 'sbi' });
    rig.hart.reset(BASE, 1, 0n, 0n);
    rig.hart.setCsr(CSR.stvec, BASE + 0x1000n);
    rig.execute('csrrs a0, 0xc01, x0\ncsrrs a0, 0x14d, x0\ncsrrs a0, 0x300, x0');
    expect([rig.hart.getCsr(CSR.scause), rig.hart.getCsr(CSR.sepc), rig.hart.privilege]).toEqual([2n, BASE + 8n, 1]);
  });
});

describe('save and restore', () => {
  it('make another hart the same', () => {
    const rig = new Rig();
    openPmp(rig);
    const { hart } = rig;
    for (let i = 1; i < 32; i++) hart.setX(i, BigInt(i) * 0x0123_4567_89ab_cdefn);
    for (let i = 0; i < 32; i++) hart.setF(i, BigInt(i) * 0xfedc_ba98_7654_3211n);
    const csrs: Record<string, bigint> = {
      mstatus: 0x22n | (1n << 13n),
      mtvec: 0x8000_1001n,
      stvec: 0x8000_2000n,
      medeleg: 0xb1ffn,
      mideleg: 0x222n,
      mie: 0x222n,
      menvcfg: 1n << 63n,
      mscratch: 1n,
      mepc: 2n,
      mcause: 3n,
      mtval: 4n,
      satp: (8n << 60n) | (3n << 44n) | 0x80123n,
      stimecmp: 12345n,
      mcounteren: 7n,
      fcsr: 0x61n,
      minstret: 777n,
      mcycle: 999n,
    };
    const numbers: Record<string, number> = { ...CSR };
    for (const [name, value] of Object.entries(csrs)) hart.setCsr(numbers[name]!, value);
    hart.setCsr(CSR.mstatus, csrs.mstatus!);
    lines(rig, LINE.SSIP);
    hart.privilege = 1;
    hart.pc = BASE + 0x124n;
    const saved = JSON.parse(JSON.stringify(hart.save()));

    const other = new Rig();
    other.hart.restore(saved);
    expect(other.hart.save()).toEqual(saved);
    expect(other.hart.getCsr(CSR.minstret)).toBe(777n);
    expect(other.hart.privilege).toBe(1);
  });

  it('a waiting hart still waits', () => {
    const rig = new Rig();
    rig.place('wfi');
    expect(rig.hart.run(10)).toBe('wfi');
    const other = new Rig();
    other.hart.restore(rig.hart.save());
    expect(other.hart.run(10)).toBe('wfi');
  });

  it('refuse a state of another version', () => {
    const { hart } = new Rig();
    expect(() => hart.restore({ ...hart.save(), version: 2 as 1 })).toThrow('version 2');
  });
});

describe('physical memory protection', () => {
  const readable = (rig: Rig, address: bigint): boolean => {
    rig.hart.setCsr(CSR.mcause, 0n);
    rig.hart.setX(11, address);
    rig.hart.privilege = 1;
    rig.execute('lb a0, 0(a1)');
    return rig.hart.getCsr(CSR.mcause) === 0n;
  };
  const set = (rig: Rig, entry: number, configuration: number, address: bigint): void => {
    rig.hart.setCsr(CSR.pmpaddr0 + entry, address);
    const old = rig.hart.getCsr(CSR.pmpcfg0);
    const shift = BigInt(entry * 8);
    rig.hart.setCsr(CSR.pmpcfg0, (old & ~(0xffn << shift)) | (BigInt(configuration) << shift));
  };
  const [R, X, NA4, NAPOT, TOR, LOCK] = [1, 4, 0x10, 0x18, 0x08, 0x80];

  it('refuses S-mode where no entry speaks, and not M-mode', () => {
    const rig = new Rig();
    rig.execute('lb a0, 0(a1)'.replace('a1', 't0'));
    rig.hart.setX(5, BASE + 0x8000n);
    rig.hart.setCsr(CSR.mcause, 0n);
    rig.execute('lb a0, 0(t0)');
    expect(rig.hart.getCsr(CSR.mcause)).toBe(0n);
    rig.hart.privilege = 1;
    rig.execute('lb a0, 0(t0)');
    // Not even the fetch is allowed.
    expect([rig.hart.getCsr(CSR.mcause), rig.hart.getCsr(CSR.mtval)]).toEqual([1n, BASE]);
  });

  it('divides a page into four-byte pieces', () => {
    const rig = new Rig();
    set(rig, 0, NA4, (BASE + 0x8010n) >> 2n);
    set(rig, 1, NAPOT | R | X, (1n << 54n) - 1n);
    expect([0x800fn, 0x8010n, 0x8013n, 0x8014n, 0x9010n].map((o) => readable(rig, BASE + o))).toEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
    // An access that an entry matches in part fails.
    rig.hart.setCsr(CSR.mcause, 0n);
    rig.hart.setX(11, BASE + 0x800en);
    rig.execute('lw a0, 0(a1)');
    rig.hart.privilege = 1;
    rig.execute('lw a0, 0(a1)');
    expect(rig.hart.getCsr(CSR.mcause)).toBe(5n);
  });

  it('knows ranges by their top and by powers of two, and the first entry that matches decides', () => {
    const rig = new Rig();
    set(rig, 0, 0, (BASE + 0x8000n) >> 2n);
    set(rig, 1, TOR, (BASE + 0x9800n) >> 2n);
    // 64 bytes at 0x8000a000.
    set(rig, 2, NAPOT, ((BASE + 0xa000n) >> 2n) | 7n);
    set(rig, 3, NAPOT | R | X, (1n << 54n) - 1n);
    const offsets = [0x7fffn, 0x8000n, 0x97ffn, 0x9800n, 0x9fffn, 0xa000n, 0xa03fn, 0xa040n];
    expect(offsets.map((o) => readable(rig, BASE + o))).toEqual([true, false, false, true, true, false, false, true]);
  });

  it('executes in a divided page only what is allowed there', () => {
    const rig = new Rig();
    // Only the first 8 bytes of the page are executable for S-mode.
    set(rig, 0, NAPOT | R | X, (BASE + 0x4000n) >> 2n);
    set(rig, 1, NAPOT | R, (1n << 54n) - 1n);
    rig.hart.setCsr(CSR.mtvec, HANDLER);
    rig.hart.privilege = 1;
    rig.place('addi a0, a0, 1\naddi a0, a0, 1\naddi a0, a0, 1', 0x4000);
    rig.hart.run(3);
    expect(rig.hart.getX(10)).toBe(2n);
    expect([rig.hart.getCsr(CSR.mcause), rig.hart.getCsr(CSR.mtval)]).toEqual([1n, BASE + 0x4008n]);
  });

  it('locked entries bind M-mode and stay as they are', () => {
    const rig = new Rig();
    set(rig, 0, NAPOT | LOCK, ((BASE + 0x8000n) >> 2n) | 0x1ffn);
    rig.hart.setX(11, BASE + 0x8000n);
    rig.execute('lb a0, 0(a1)');
    expect(rig.hart.getCsr(CSR.mcause)).toBe(5n);
    rig.hart.setCsr(CSR.pmpcfg0, 0n);
    rig.hart.setCsr(CSR.pmpaddr0, 0n);
    expect(rig.hart.getCsr(CSR.pmpcfg0)).toBe(BigInt(NAPOT | LOCK));
    expect(rig.hart.getCsr(CSR.pmpaddr0)).toBe(((BASE + 0x8000n) >> 2n) | 0x1ffn);
  });
});
