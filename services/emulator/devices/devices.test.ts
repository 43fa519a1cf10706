import { describe, expect, it } from 'vitest';
import { CLINT_BASE, PLIC_BASE, RTC_BASE, TEST_BASE, UART_BASE, UART_SOURCE } from '../board/memory-map.ts';
import { LINE } from '../hart/contract.ts';
import { Rig } from '../virtio/rig.ts';

const enable = (rig: Rig, context: number, source: number, priority = 1): void => {
  rig.board.store(PLIC_BASE + source * 4, 4, priority);
  rig.board.store(PLIC_BASE + 0x2000 + context * 0x80 + (source >> 5) * 4, 4, (1 << (source & 31)) >>> 0);
};
const claim = (rig: Rig, context: number): number =>
  Number(rig.board.load(PLIC_BASE + 0x20_0004 + context * 0x1000, 4));
const complete = (rig: Rig, context: number, source: number): boolean =>
  rig.board.store(PLIC_BASE + 0x20_0004 + context * 0x1000, 4, source);
const external = (rig: Rig, hart = 0): boolean => (rig.lines[hart]!.get() & LINE.SEIP) !== 0;

describe('PLIC', () => {
  it('raises the line of a context that enabled the source, and lowers it by the claim', () => {
    const rig = new Rig([], 2);
    enable(rig, 1, 5);
    rig.board.plic.drive(5, () => true);
    expect([external(rig, 0), external(rig, 1), rig.lines[0]!.get() & LINE.MEIP]).toEqual([true, false, 0]);
    expect(claim(rig, 1)).toBe(5);
    expect(external(rig)).toBe(false);
    expect(claim(rig, 1)).toBe(0);
  });

  it('offers a source again after completion while its wire is still up, and not when it is down', () => {
    const rig = new Rig();
    enable(rig, 1, 5);
    rig.board.plic.drive(5, () => true);
    claim(rig, 1);
    complete(rig, 1, 5);
    expect(external(rig)).toBe(true);
    claim(rig, 1);
    rig.board.plic.drive(5, () => false);
    complete(rig, 1, 5);
    expect(external(rig)).toBe(false);
  });

  it('gives the highest priority first, the lowest number on a tie, and nothing at or below the threshold', () => {
    const rig = new Rig();
    for (const [source, priority] of [
      [3, 2],
      [4, 2],
      [9, 5],
      [11, 1],
    ] as const) {
      rig.board.store(PLIC_BASE + source * 4, 4, priority);
      rig.board.plic.drive(source, () => true);
    }
    rig.board.store(PLIC_BASE + 0x2000 + 0x80, 4, 0xffff_fffe);
    rig.board.store(PLIC_BASE + 0x20_1000, 4, 1);
    expect([claim(rig, 1), claim(rig, 1), claim(rig, 1), claim(rig, 1)]).toEqual([9, 3, 4, 0]);
  });

  it('restores what it saved', () => {
    const rig = new Rig();
    enable(rig, 1, 5);
    enable(rig, 1, 70, 3);
    rig.board.plic.drive(70, () => true);
    claim(rig, 1);
    rig.board.plic.drive(5, () => true);
    const saved = rig.board.plic.save();
    const other = new Rig();
    other.board.plic.restore(JSON.parse(JSON.stringify(saved)));
    expect(other.board.plic.save()).toEqual(saved);
    expect([external(other), claim(other, 1), claim(other, 1)]).toEqual([true, 5, 0]);
    complete(other, 1, 70);
    expect(claim(other, 1)).toBe(70);
  });
});

describe('CLINT', () => {
  it('raises MTIP when mtime reaches mtimecmp, and says how long that takes', () => {
    const rig = new Rig();
    rig.board.store(CLINT_BASE + 0x4000, 8, 50_000n);
    expect(rig.board.clint.poll(0)).toBe(50_000);
    expect(rig.lines[0]!.get() & LINE.MTIP).toBe(0);
    rig.hostMs = 5;
    rig.board.clint.poll(0);
    expect(rig.lines[0]!.get() & LINE.MTIP).toBe(LINE.MTIP);
    rig.board.store(CLINT_BASE + 0x4000, 8, 0xffff_ffff_ffff_ffffn);
    expect(rig.lines[0]!.get() & LINE.MTIP).toBe(0);
  });

  it('keeps the other half when software writes 32 bits', () => {
    const rig = new Rig();
    rig.board.store(CLINT_BASE + 0x4004, 4, 7);
    rig.board.store(CLINT_BASE + 0x4000, 4, 9);
    expect(rig.board.load(CLINT_BASE + 0x4000, 8)).toBe((7n << 32n) | 9n);
    expect(rig.board.load(CLINT_BASE + 0x4004, 4)).toBe(7);
  });

  it('sends software interrupts', () => {
    const rig = new Rig([], 2);
    rig.board.store(CLINT_BASE + 4, 4, 1);
    expect(rig.lines[1]!.get() & LINE.MSIP).toBe(LINE.MSIP);
    expect(rig.board.load(CLINT_BASE + 4, 4)).toBe(1);
    rig.board.store(CLINT_BASE + 4, 4, 0);
    expect(rig.lines[1]!.get() & LINE.MSIP).toBe(0);
  });

  it('lets mtime go on from the saved value, and stand while it is frozen', () => {
    const rig = new Rig();
    rig.hostMs = 100;
    const saved = rig.board.clint.save();
    const other = new Rig();
    other.hostMs = 7_777;
    other.board.clint.restore(JSON.parse(JSON.stringify(saved)));
    other.hostMs = 8_888;
    expect(other.board.time()).toBe(1_000_000);
    other.board.clock.thaw();
    other.hostMs = 8_889;
    expect(other.board.time()).toBe(1_010_000);
  });
});

describe('UART', () => {
  const get = (rig: Rig, register: number): number => Number(rig.board.load(UART_BASE + register, 1));
  const put = (rig: Rig, register: number, value: number): boolean => rig.board.store(UART_BASE + register, 1, value);

  it('sends what is written to THR, in order', () => {
    const rig = new Rig();
    for (const byte of [72, 105, 10]) put(rig, 0, byte);
    rig.devices.service();
    expect(rig.printed).toEqual([72, 105, 10]);
    expect(get(rig, 5)).toBe(0x60);
  });

  it('tells the driver to wait when nobody fetches, and interrupts when there is room again', () => {
    const rig = new Rig();
    enable(rig, 1, UART_SOURCE);
    put(rig, 1, 2);
    get(rig, 2);
    for (let i = 0; i < 65_536; i++) put(rig, 0, i & 0xff);
    expect(get(rig, 5) & 0x20).toBe(0);
    expect(external(rig)).toBe(false);
    rig.devices.service();
    expect(get(rig, 5) & 0x20).toBe(0x20);
    expect(external(rig)).toBe(true);
    expect(rig.printed.length).toBe(65_536);
  });

  it('interrupts for input while there is any', () => {
    const rig = new Rig();
    enable(rig, 1, UART_SOURCE);
    put(rig, 1, 1);
    rig.type(Uint8Array.of(65, 66));
    expect([external(rig), get(rig, 2) & 0x0f, get(rig, 5) & 1]).toEqual([true, 4, 1]);
    expect([get(rig, 0), get(rig, 0)]).toEqual([65, 66]);
    expect([external(rig), get(rig, 2) & 0x0f, get(rig, 5) & 1]).toEqual([false, 1, 0]);
  });

  it('reports the empty transmitter once, until something is sent again', () => {
    const rig = new Rig();
    put(rig, 1, 2);
    expect(get(rig, 2) & 0x0f).toBe(2);
    expect(get(rig, 2) & 0x0f).toBe(1);
    put(rig, 0, 65);
    expect(get(rig, 2) & 0x0f).toBe(2);
  });

  it('is recognized as a 16550A: FIFO bits, scratch, divisor latch, loopback', () => {
    const rig = new Rig();
    put(rig, 2, 1);
    expect(get(rig, 2) >> 6).toBe(3);
    put(rig, 7, 0xa5);
    put(rig, 3, 0x80);
    put(rig, 0, 0x34);
    put(rig, 1, 0x12);
    expect([get(rig, 0), get(rig, 1), get(rig, 7)]).toEqual([0x34, 0x12, 0xa5]);
    put(rig, 3, 3);
    put(rig, 4, 0x1a);
    expect(get(rig, 6) & 0xf0).toBe(0x90);
    put(rig, 0, 0x5a);
    expect(get(rig, 0)).toBe(0x5a);
    rig.devices.service();
    expect(rig.printed).toEqual([]);
  });

  it('restores what it saved, bytes in flight among it', () => {
    const rig = new Rig();
    put(rig, 1, 3);
    put(rig, 3, 3);
    put(rig, 0, 65);
    rig.type(Uint8Array.of(66, 67));
    const saved = rig.board.uart.save();
    const other = new Rig();
    other.board.uart.restore(JSON.parse(JSON.stringify(saved)));
    expect(other.board.uart.save()).toEqual(saved);
    other.devices.service();
    expect(other.printed).toEqual([65]);
    expect([get(other, 0), get(other, 0)]).toEqual([66, 67]);
  });
});

describe('RTC', () => {
  it('shows the host time in nanoseconds, the high half latched by the low one', () => {
    const rig = new Rig();
    const low = BigInt(rig.board.load(RTC_BASE, 4)!);
    rig.wallMs += 10_000_000;
    const high = BigInt(rig.board.load(RTC_BASE + 4, 4)!);
    expect((high << 32n) | low).toBe(1_700_000_000_000_000_000n);
  });

  it('fires its alarm, once, as an interrupt', () => {
    const rig = new Rig();
    enable(rig, 1, 11);
    const due = 1_700_000_002_000_000_000n;
    rig.board.store(RTC_BASE + 0x10, 4, 1);
    rig.board.store(RTC_BASE + 0x0c, 4, Number(due >> 32n));
    rig.board.store(RTC_BASE + 0x08, 4, Number(due & 0xffff_ffffn));
    rig.devices.service();
    expect(rig.alarms).toEqual([2001]);
    rig.wallMs += 2001;
    rig.devices.pollAlarm();
    expect([external(rig), Number(rig.board.load(RTC_BASE + 0x18, 4))]).toEqual([true, 0]);
    rig.board.store(RTC_BASE + 0x1c, 4, 1);
    expect(external(rig)).toBe(false);
  });

  it('restores what it saved and goes on with the time of its new host', () => {
    const rig = new Rig();
    rig.board.store(RTC_BASE + 4, 4, 5);
    rig.board.store(RTC_BASE, 4, 9);
    const saved = rig.board.rtc.save();
    const other = new Rig();
    other.wallMs = rig.wallMs + 1;
    other.board.rtc.restore(JSON.parse(JSON.stringify(saved)));
    expect(other.board.rtc.save()).toEqual(saved);
    expect(other.board.load(RTC_BASE, 8)).toBe((5n << 32n) + 9n + 1_000_000n);
  });
});

describe('the test device', () => {
  it.each([
    ['0x5555', { kind: 'power-off' }],
    ['0x7777', { kind: 'reset' }],
    ['0x73333', { kind: 'failure', code: 7 }],
  ])('takes %s', (value, request) => {
    const rig = new Rig();
    rig.board.store(TEST_BASE, 4, Number(value));
    rig.devices.service();
    expect(rig.power).toEqual([request]);
  });

  it('carries out the first request only', () => {
    const rig = new Rig();
    rig.board.store(TEST_BASE, 4, 0x5555);
    rig.board.store(TEST_BASE, 4, 0x7777);
    rig.devices.service();
    expect(rig.power).toEqual([{ kind: 'power-off' }]);
  });
});

it('an address without a device is an access fault, not a value', () => {
  const rig = new Rig();
  expect(rig.board.load(0x3000, 4)).toBeUndefined();
  expect(rig.board.store(0x3000, 4, 1)).toBe(false);
  expect(rig.board.load(0x5000_0000, 4)).toBeUndefined();
});
