// What a block device promises beside single requests (those are in devices.test.ts): its cache, its queues, its topology.

import { describe, expect, it } from 'vitest';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { Driver } from './driver.ts';
import { F_INDIRECT_DESC, MMIO } from './registers.ts';
import { MemoryDisk, Rig } from './rig.ts';

const F_FLUSH = 9;
const F_TOPOLOGY = 10;
const F_CONFIG_WCE = 11;
const F_MQ = 12;
const WRITEBACK = MMIO.Config + 32;
const DATA = 0x4000;
const T_OUT = 1;

function make(queues: number, features: readonly number[]): { rig: Rig; driver: Driver; disk: MemoryDisk } {
  const disk = new MemoryDisk(64 * 1024);
  const rig = new Rig([{ type: 'block', backend: disk, serial: 's', options: { queues } }]);
  const driver = rig.driver(0);
  driver.start(
    features,
    Array.from({ length: queues }, () => 16),
  );
  return { rig, driver, disk };
}

/** Offers a request of one sector; header and status lie by its number. */
function offer(rig: Rig, driver: Driver, queue: number, id: number, type: number, sector: number): void {
  const header = 0x1000 + id * 32;
  const view = new DataView(rig.ram.bytes.buffer, header, 16);
  view.setUint32(0, type, true);
  view.setBigUint64(8, BigInt(sector), true);
  driver.offer(driver.queues[queue]!, [
    { at: header, length: 16 },
    { at: DATA + id * 512, length: 512, writable: type !== T_OUT },
    { at: header + 16, length: 1, writable: true },
  ]);
  driver.notify(driver.queues[queue]!);
}

describe('the write cache', () => {
  const flushesOfAWrite = async (features: readonly number[], writeback?: number): Promise<number> => {
    const { rig, driver, disk } = make(1, features);
    if (writeback !== undefined) rig.board.store(0x1000_1000 + WRITEBACK, 1, writeback);
    offer(rig, driver, 0, 0, T_OUT, 0);
    await rig.settle();
    expect(driver.used(driver.queues[0]!)).toHaveLength(1);
    return disk.flushes;
  };

  it('is on, and a driver may switch it off and on again', async () => {
    const { driver, rig } = make(1, [F_FLUSH, F_CONFIG_WCE]);
    expect(driver.config(32, 1)).toBe(1);
    rig.board.store(0x1000_1000 + WRITEBACK, 1, 0);
    expect(driver.config(32, 1)).toBe(0);
    // The driver's choice ends with its reset.
    driver.set(MMIO.Status, 0);
    expect(driver.config(32, 1)).toBe(1);
    expect(await flushesOfAWrite([F_FLUSH, F_CONFIG_WCE])).toBe(0);
    expect(await flushesOfAWrite([F_FLUSH, F_CONFIG_WCE], 0)).toBe(1);
    expect(await flushesOfAWrite([F_FLUSH, F_CONFIG_WCE], 1)).toBe(0);
  });

  it('is none for a driver that knows no flush, whatever it writes', async () => {
    expect(await flushesOfAWrite([])).toBe(1);
    expect(await flushesOfAWrite([F_CONFIG_WCE], 1)).toBe(1);
  });

  it('is the only config field that can be written', () => {
    const { rig, driver } = make(1, [F_FLUSH, F_CONFIG_WCE]);
    rig.board.store(0x1000_1000 + MMIO.Config, 4, 0xffff_ffff);
    rig.board.store(0x1000_1000 + WRITEBACK, 4, 0xffff_ffff);
    expect([driver.config(0, 4), driver.config(32, 1), driver.config(34, 2)]).toEqual([128, 1, 1]);
  });
});

describe('queues of a block device', () => {
  it('are as many as it was given, and each gets its own requests back', async () => {
    const { rig, driver } = make(3, [F_MQ]);
    expect([driver.offered(F_MQ), driver.config(34, 2)]).toEqual([true, 3]);
    for (const queue of [0, 1, 2]) offer(rig, driver, queue, queue, 0, queue);
    await rig.settle();
    expect(driver.queues.map((queue) => driver.used(queue).length)).toEqual([1, 1, 1]);
    expect(make(1, []).driver.offered(F_MQ)).toBe(false);
  });

  it('finish requests in the order in which the backend does', async () => {
    const { rig, driver, disk } = make(1, []);
    const release: (() => void)[] = [];
    disk.read = () => new Promise<void>((resolve) => release.push(resolve));
    offer(rig, driver, 0, 0, 0, 0);
    offer(rig, driver, 0, 1, 0, 1);
    await rig.settle();
    expect(release).toHaveLength(2);
    release[1]!();
    await rig.settle();
    expect(driver.used(driver.queues[0]!).map(({ head }) => head)).toEqual([3]);
    release[0]!();
    await rig.settle();
    expect(driver.used(driver.queues[0]!).map(({ head }) => head)).toEqual([0]);
  });

  it('take a request through an indirect table with more buffers than the queue has entries', async () => {
    const { rig, driver, disk } = make(1, [F_INDIRECT_DESC]);
    disk.bytes.forEach((_, at) => {
      disk.bytes[at] = at >>> 9;
    });
    const parts = Array.from({ length: 40 }, (_, i) => ({ at: 0x8000 + (39 - i) * 1024, length: 512, writable: true }));
    driver.offerIndirect(driver.queues[0]!, 0x2_0000, [
      { at: 0x1000, length: 16 },
      ...parts,
      { at: 0x1010, length: 1, writable: true },
    ]);
    driver.notify(driver.queues[0]!);
    await rig.settle();
    expect(driver.used(driver.queues[0]!)).toEqual([{ head: 0, length: 40 * 512 + 1 }]);
    expect(parts.map(({ at }) => rig.ram.bytes[at])).toEqual(parts.map((_, i) => i));
  });

  it('restore from a state that has fewer of them', async () => {
    const before = make(1, []);
    const state = saveMachine(before.rig.board, before.rig.devices.devices, [], before.rig.ram.size, 'sbi').devices[0]!;
    const after = make(4, []);
    after.rig.ram.bytes.set(before.rig.ram.bytes);
    after.rig.devices.devices[0]!.restore(JSON.parse(JSON.stringify(state)));
    after.rig.devices.resume();
    after.driver.queues.splice(0, 4, before.driver.queues[0]!);
    offer(after.rig, after.driver, 0, 0, 0, 0);
    await after.rig.settle();
    expect(after.driver.used(after.driver.queues[0]!)).toHaveLength(1);
  });
});

it('tells its topology: 4 KiB physical blocks, 64 KiB at best', () => {
  const { driver } = make(1, []);
  expect(driver.offered(F_TOPOLOGY)).toBe(true);
  expect([driver.config(24, 1), driver.config(26, 2), driver.config(28, 4)]).toEqual([3, 8, 128]);
});
