import { describe, expect, it } from 'vitest';
import type { ConsoleBackend, FrameBackend } from '../backends.ts';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { VirtioBlock } from './block.ts';
import type { VirtioConsole } from './console.ts';
import type { Driver } from './driver.ts';
import type { VirtioPowerButton } from './input.ts';
import type { VirtioNet } from './net.ts';
import { F_INDIRECT_DESC, INTERRUPT } from './registers.ts';
import { MemoryDisk, Rig } from './rig.ts';

const HEADER = 0x1000;
const DATA = 0x4000;
const STATUS_AT = 0x3000;

function header(rig: Rig, type: number, sector: number): void {
  const view = new DataView(rig.ram.bytes.buffer, HEADER, 16);
  view.setUint32(0, type, true);
  view.setUint32(4, 0, true);
  view.setBigUint64(8, BigInt(sector), true);
}

describe('virtio-blk', () => {
  const make = (disk = new MemoryDisk(64 * 1024)): { rig: Rig; driver: Driver; disk: MemoryDisk } => {
    const rig = new Rig([{ type: 'block', backend: disk, serial: 'volume-1' }]);
    const driver = rig.driver(0);
    driver.start([F_INDIRECT_DESC], [16]);
    return { rig, driver, disk };
  };
  const request = async (
    rig: Rig,
    driver: Driver,
    type: number,
    sector: number,
    data: readonly { at: number; length: number; writable?: boolean }[],
  ): Promise<number> => {
    header(rig, type, sector);
    rig.ram.bytes[STATUS_AT] = 0xff;
    driver.offer(driver.queues[0]!, [
      { at: HEADER, length: 16 },
      ...data,
      { at: STATUS_AT, length: 1, writable: true },
    ]);
    driver.notify(driver.queues[0]!);
    await rig.settle();
    if (driver.used(driver.queues[0]!).length !== 1) throw new Error('the request did not come back');
    return rig.ram.bytes[STATUS_AT]!;
  };

  it('tells its size in sectors', () => {
    expect(make().driver.config(0, 4)).toBe(128);
  });

  it('writes and reads over several buffers', async () => {
    const { rig, driver, disk } = make();
    rig.ram.bytes.fill(7, DATA, DATA + 512);
    rig.ram.bytes.fill(9, 0x6000, 0x6200);
    expect(
      await request(rig, driver, 1, 3, [
        { at: DATA, length: 512 },
        { at: 0x6000, length: 512 },
      ]),
    ).toBe(0);
    expect([disk.bytes[3 * 512 - 1], disk.bytes[3 * 512], disk.bytes[4 * 512], disk.bytes[5 * 512]]).toEqual([
      0, 7, 9, 0,
    ]);
    expect(
      await request(rig, driver, 0, 4, [
        { at: 0x8000, length: 256, writable: true },
        { at: 0x9000, length: 256, writable: true },
      ]),
    ).toBe(0);
    expect([rig.ram.bytes[0x8000], rig.ram.bytes[0x90ff], rig.ram.bytes[0x9100]]).toEqual([9, 9, 0]);
    expect((rig.devices.devices[0] as VirtioBlock).counters).toMatchObject({
      reads: 1,
      writes: 1,
      readBytes: 512,
      writeBytes: 1024,
    });
  });

  it('flushes, discards, writes zeroes and gives its serial', async () => {
    const { rig, driver, disk } = make();
    disk.bytes.fill(1);
    expect(await request(rig, driver, 4, 0, [])).toBe(0);
    expect(disk.flushes).toBe(1);
    const range = new DataView(rig.ram.bytes.buffer, DATA, 16);
    range.setBigUint64(0, 8n, true);
    range.setUint32(8, 8, true);
    expect(await request(rig, driver, 11, 0, [{ at: DATA, length: 16 }])).toBe(0);
    range.setBigUint64(0, 16n, true);
    range.setUint32(12, 1, true);
    expect(await request(rig, driver, 13, 0, [{ at: DATA, length: 16 }])).toBe(0);
    expect([disk.bytes[8 * 512 - 1], disk.bytes[8 * 512], disk.bytes[24 * 512 - 1], disk.bytes[24 * 512]]).toEqual([
      1, 0, 0, 1,
    ]);
    expect(await request(rig, driver, 8, 0, [{ at: DATA, length: 20, writable: true }])).toBe(0);
    expect(new TextDecoder().decode(rig.ram.bytes.slice(DATA, DATA + 8))).toBe('volume-1');
  });

  it('answers IOERR outside the disk and for half sectors, UNSUPP for what it does not know', async () => {
    const { rig, driver } = make();
    expect(await request(rig, driver, 0, 128, [{ at: DATA, length: 512, writable: true }])).toBe(1);
    expect(await request(rig, driver, 0, 2 ** 54, [{ at: DATA, length: 512, writable: true }])).toBe(1);
    expect(await request(rig, driver, 1, 0, [{ at: DATA, length: 100 }])).toBe(1);
    expect(await request(rig, driver, 99, 0, [])).toBe(2);
  });

  it('answers IOERR when the backend fails, and goes on', async () => {
    const { rig, driver, disk } = make();
    disk.failure = new Error('medium');
    expect(await request(rig, driver, 0, 0, [{ at: DATA, length: 512, writable: true }])).toBe(1);
    expect(await request(rig, driver, 0, 0, [{ at: DATA, length: 512, writable: true }])).toBe(0);
  });

  it('refuses writes to a read-only disk, and says so beforehand', async () => {
    const { rig, driver } = make(new MemoryDisk(64 * 1024, true));
    expect([driver.offered(5), driver.offered(13)]).toEqual([true, false]);
    expect(await request(rig, driver, 1, 0, [{ at: DATA, length: 512 }])).toBe(1);
  });

  it('needs a reset when a request has no header or no room for its status', async () => {
    const { rig, driver } = make();
    driver.offer(driver.queues[0]!, [
      { at: HEADER, length: 8 },
      { at: STATUS_AT, length: 1, writable: true },
    ]);
    driver.notify(driver.queues[0]!);
    await rig.settle();
    expect(driver.needsReset).toBe(true);
    driver.start([], [16]);
    driver.offer(driver.queues[0]!, [{ at: HEADER, length: 16 }]);
    driver.notify(driver.queues[0]!);
    await rig.settle();
    expect(driver.needsReset).toBe(true);
  });

  it('does not touch the rings after a reset, whatever was under way', async () => {
    const disk = new MemoryDisk(64 * 1024);
    const release: (() => void)[] = [];
    disk.read = () => new Promise<void>((resolve) => release.push(resolve));
    const { rig, driver } = make(disk);
    header(rig, 0, 0);
    driver.offer(driver.queues[0]!, [
      { at: HEADER, length: 16 },
      { at: DATA, length: 512, writable: true },
      { at: STATUS_AT, length: 1, writable: true },
    ]);
    driver.notify(driver.queues[0]!);
    rig.devices.service();
    driver.start([], [16]);
    release[0]!();
    await rig.settle();
    expect(driver.used(driver.queues[0]!)).toEqual([]);
  });

  it('finishes what is under way before a pause is complete, and keeps what came later for afterwards', async () => {
    const { rig, driver } = make();
    header(rig, 0, 0);
    driver.offer(driver.queues[0]!, [
      { at: HEADER, length: 16 },
      { at: DATA, length: 512, writable: true },
      { at: STATUS_AT, length: 1, writable: true },
    ]);
    driver.notify(driver.queues[0]!);
    rig.devices.service();
    await rig.devices.quiesce();
    expect(driver.used(driver.queues[0]!).length).toBe(1);
    driver.offer(driver.queues[0]!, [
      { at: HEADER, length: 16 },
      { at: DATA, length: 512, writable: true },
      { at: STATUS_AT, length: 1, writable: true },
    ]);
    driver.notify(driver.queues[0]!);
    await rig.settle();
    expect(driver.used(driver.queues[0]!)).toEqual([]);
    rig.devices.resume();
    await rig.settle();
    expect(driver.used(driver.queues[0]!).length).toBe(1);
  });
});

class Wire implements FrameBackend {
  readonly sent: Uint8Array[] = [];
  deliver: (frame: Uint8Array) => boolean = () => false;
  room = true;

  send(frame: readonly Uint8Array[]): boolean {
    if (!this.room) return false;
    this.sent.push(Uint8Array.from(frame.flatMap((part) => [...part])));
    return true;
  }

  onFrame(receive: (frame: Uint8Array) => boolean): void {
    this.deliver = receive;
  }
}

describe('virtio-net', () => {
  const make = (
    features: readonly number[],
    offloads = false,
  ): { rig: Rig; driver: Driver; wire: Wire; device: VirtioNet } => {
    const wire = new Wire();
    const rig = new Rig([
      { type: 'net', backend: wire, options: { mac: Uint8Array.of(2, 0, 0, 0, 0, 9), mtu: 1450, offloads } },
    ]);
    const driver = rig.driver(0);
    driver.start(features, [8, 8]);
    rig.devices.service();
    return { rig, driver, wire, device: rig.devices.devices[0] as VirtioNet };
  };
  const frame = (length: number): Uint8Array =>
    Uint8Array.from({ length: 12 + length }, (_, i) => (i < 12 ? 0 : i & 0xff));

  it('shows MAC, link and MTU, and offers offloads only to a peer that takes them', () => {
    const { driver } = make([5]);
    expect([driver.config(0, 1), driver.config(5, 1), driver.config(6, 2), driver.config(10, 2)]).toEqual([
      2, 9, 1, 1450,
    ]);
    expect([0, 1, 7, 11].map((bit) => driver.offered(bit))).toEqual([false, false, false, false]);
    expect([0, 1, 7, 11].map((bit) => make([5], true).driver.offered(bit))).toEqual([true, true, true, true]);
  });

  it('sends frames with their header', () => {
    const { rig, driver, wire, device } = make([5]);
    rig.ram.bytes.fill(0, 0x1000, 0x100c);
    rig.ram.bytes.set(frame(60).subarray(12), 0x2000);
    driver.offer(driver.queues[1]!, [
      { at: 0x1000, length: 12 },
      { at: 0x2000, length: 60 },
    ]);
    driver.notify(driver.queues[1]!);
    rig.devices.service();
    expect(wire.sent).toEqual([frame(60)]);
    expect(driver.used(driver.queues[1]!)).toEqual([{ head: 0, length: 0 }]);
    expect(device.counters).toMatchObject({ txFrames: 1, txBytes: 60, txDropped: 0 });
  });

  it('counts a drop when the switch has no room, or the frame no size of a frame', () => {
    const { rig, driver, wire, device } = make([5]);
    wire.room = false;
    driver.offer(driver.queues[1]!, [{ at: 0x1000, length: 100 }]);
    driver.offer(driver.queues[1]!, [{ at: 0x1000, length: 13 }]);
    driver.notify(driver.queues[1]!);
    rig.devices.service();
    expect(device.counters.txDropped).toBe(2);
    expect(driver.used(driver.queues[1]!).length).toBe(2);
  });

  it('receives into one buffer, and says that it is one', () => {
    const { rig, driver, wire } = make([5]);
    driver.offer(driver.queues[0]!, [
      { at: 0x1000, length: 12, writable: true },
      { at: 0x2000, length: 1514, writable: true },
    ]);
    expect(wire.deliver(frame(60))).toBe(true);
    expect(driver.used(driver.queues[0]!)).toEqual([{ head: 0, length: 72 }]);
    expect([rig.ram.bytes[0x100a], rig.ram.bytes[0x2000], rig.ram.bytes[0x203b]]).toEqual([1, 12, 71]);
    expect(driver.tookInterrupt()).toBe(true);
  });

  it('spreads a frame over mergeable buffers', () => {
    const { rig, driver, wire } = make([5, 15]);
    for (const at of [0x1000, 0x2000, 0x3000]) driver.offer(driver.queues[0]!, [{ at, length: 50, writable: true }]);
    expect(wire.deliver(frame(100))).toBe(true);
    expect(driver.used(driver.queues[0]!).map(({ length }) => length)).toEqual([50, 50, 12]);
    expect([rig.ram.bytes[0x100a], rig.ram.bytes[0x2000], rig.ram.bytes[0x300b]]).toEqual([3, 50, 111]);
  });

  it('keeps a frame until there are buffers for all of it, and those after it in their order', () => {
    const { rig, driver, wire, device } = make([5, 15]);
    const queue = driver.queues[0]!;
    driver.offer(queue, [{ at: 0x1000, length: 50, writable: true }]);
    expect([wire.deliver(frame(100)), wire.deliver(frame(30))]).toEqual([true, true]);
    expect(driver.used(queue)).toEqual([]);
    for (const at of [0x2000, 0x3000, 0x4000]) driver.offer(queue, [{ at, length: 50, writable: true }]);
    driver.notify(queue);
    rig.devices.service();
    expect(driver.used(queue).map(({ length }) => length)).toEqual([50, 50, 12, 42]);
    expect(device.counters).toMatchObject({ rxFrames: 2, rxDropped: 0 });
  });

  it('drops what a guest leaves waiting beyond a megabyte, and all of it at a reset', () => {
    const { driver, wire, device } = make([5, 15]);
    const large = frame(60_000);
    expect(Array.from({ length: 20 }, () => wire.deliver(large)).filter(Boolean)).toHaveLength(17);
    expect(device.counters.rxDropped).toBe(3);
    driver.set(0x70, 0);
    expect(device.counters.rxDropped).toBe(20);
  });
});

class Screen implements ConsoleBackend {
  text = '';
  type: (bytes: Uint8Array) => void = () => undefined;

  write(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
  }

  onInput(receive: (bytes: Uint8Array) => void): void {
    this.type = receive;
  }
}

describe('virtio-console', () => {
  const make = (): { rig: Rig; driver: Driver; screen: Screen } => {
    const screen = new Screen();
    const rig = new Rig([{ type: 'console', console: screen }]);
    const driver = rig.driver(0);
    driver.start([0], [8, 8]);
    rig.devices.service();
    return { rig, driver, screen };
  };

  it('prints', () => {
    const { rig, driver, screen } = make();
    rig.ram.bytes.set(new TextEncoder().encode('hello'), 0x1000);
    driver.offer(driver.queues[1]!, [{ at: 0x1000, length: 5 }]);
    driver.notify(driver.queues[1]!);
    rig.devices.service();
    expect(screen.text).toBe('hello');
  });

  it('keeps input until the guest has room for it', () => {
    const { rig, driver, screen } = make();
    screen.type(new TextEncoder().encode('abcdef'));
    for (const at of [0x1000, 0x2000]) driver.offer(driver.queues[0]!, [{ at, length: 4, writable: true }]);
    driver.notify(driver.queues[0]!);
    rig.devices.service();
    expect(driver.used(driver.queues[0]!).map(({ length }) => length)).toEqual([4, 2]);
    expect(new TextDecoder().decode(rig.ram.bytes.slice(0x2000, 0x2002))).toBe('ef');
  });

  it('announces a new size by a new generation and an interrupt', () => {
    const { rig, driver } = make();
    const before = driver.get(0xfc);
    (rig.devices.devices[0] as VirtioConsole).resize(132, 43);
    expect([
      driver.config(0, 2),
      driver.config(2, 2),
      driver.get(0xfc) !== before,
      driver.tookInterrupt(INTERRUPT.CONFIG_CHANGE),
    ]).toEqual([132, 43, true, true]);
  });
});

describe('the power button', () => {
  it('is a keyboard with KEY_POWER and nothing else', () => {
    const rig = new Rig([{ type: 'power-button' }]);
    const driver = rig.driver(0);
    const select = (selector: number, sub: number): number[] => {
      rig.board.store(0x1000_1100, 1, selector);
      rig.board.store(0x1000_1101, 1, sub);
      return Array.from({ length: driver.config(2, 1) }, (_, i) => driver.config(8 + i, 1));
    };
    expect(new TextDecoder().decode(Uint8Array.from(select(1, 0)))).toBe('Power Button');
    expect(
      select(0x11, 1).flatMap((byte, i) =>
        Array.from({ length: 8 }, (_, bit) => ((byte >> bit) & 1 ? i * 8 + bit : -1)).filter((key) => key >= 0),
      ),
    ).toEqual([116]);
    expect(select(0x11, 2)).toEqual([]);
  });

  it('presses and releases, each with its report; a guest without a driver is told apart', () => {
    const rig = new Rig([{ type: 'power-button' }]);
    const button = rig.devices.devices[0] as VirtioPowerButton;
    expect(button.press()).toBe(false);
    const driver = rig.driver(0);
    driver.start([], [8, 8]);
    rig.devices.service();
    for (let i = 0; i < 4; i++) driver.offer(driver.queues[0]!, [{ at: 0x1000 + i * 8, length: 8, writable: true }]);
    expect(button.press()).toBe(true);
    const events = Array.from({ length: 4 }, (_, i) => [...rig.ram.bytes.subarray(0x1000 + i * 8, 0x1008 + i * 8)]);
    expect(events).toEqual([
      [1, 0, 116, 0, 1, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 0],
      [1, 0, 116, 0, 0, 0, 0, 0],
      [0, 0, 0, 0, 0, 0, 0, 0],
    ]);
  });
});

it('every device goes on where it was saved: same registers, same place in its rings', async () => {
  const specs = () =>
    [
      { type: 'block', backend: new MemoryDisk(4096), serial: 's' },
      { type: 'net', backend: new Wire(), options: { mac: new Uint8Array(6), offloads: false } },
      { type: 'rng', backend: { fill: (into: Uint8Array) => into.fill(5) } },
      { type: 'console', console: new Screen() },
      { type: 'power-button' },
    ] as const;
  const rig = new Rig(specs());
  const drivers = [1, 2, 1, 2, 2].map((queues, slot) => {
    const driver = rig.driver(slot, 0x10_0000 + slot * 0x2_0000);
    driver.start(
      [],
      Array.from({ length: queues }, () => 8),
    );
    return driver;
  });
  await rig.settle();
  const rng = drivers[2]!;
  for (let i = 0; i < 3; i++) rng.offer(rng.queues[0]!, [{ at: 0x1000, length: 4, writable: true }]);
  rng.notify(rng.queues[0]!);
  await rig.settle();
  await rig.devices.quiesce();
  const saved = JSON.parse(JSON.stringify(saveMachine(rig.board, rig.devices.devices, [], rig.ram.size, 'sbi')));

  const other = new Rig(specs());
  other.ram.bytes.set(rig.ram.bytes);
  other.board.plic.restore(saved.plic);
  other.devices.devices.forEach((device, i) => {
    device.restore(saved.devices[i]);
  });
  expect(saveMachine(other.board, other.devices.devices, [], other.ram.size, 'sbi').devices).toEqual(saved.devices);
  // The queue goes on at the fourth buffer.
  const again = other.driver(2, 0x10_0000 + 2 * 0x2_0000);
  again.queues.push({ ...rng.queues[0]!, usedSeen: 3 });
  again.offer(again.queues[0]!, [{ at: 0x2000, length: 4, writable: true }]);
  again.notify(again.queues[0]!);
  await other.settle();
  expect(again.used(again.queues[0]!)).toEqual([{ head: 3, length: 4 }]);
  expect(other.ram.bytes[0x2003]).toBe(5);
});
