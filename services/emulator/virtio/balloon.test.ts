import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../board/memory-map.ts';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { VirtioBalloon } from './balloon.ts';
import type { Driver } from './driver.ts';
import { INTERRUPT, MMIO } from './registers.ts';
import { Rig } from './rig.ts';

const [INFLATE, DEFLATE, STATS, REPORT, REPORT_BY_SPECIFICATION] = [0, 1, 2, 3, 4];
const FEATURES = [1, 2, 5];
const NUMBERS = 0x1000;
const PAGE = 4096;

interface Made {
  readonly rig: Rig;
  readonly driver: Driver;
  readonly device: VirtioBalloon;
  readonly discarded: [number, number][];
}

function make(): Made {
  const rig = new Rig([{ type: 'balloon' }]);
  const discarded: [number, number][] = [];
  rig.ram.onDiscarded = (offset, length) => discarded.push([offset, length]);
  const driver = rig.driver(0);
  driver.start(FEATURES, [8, 8, 8, 8, 8]);
  rig.devices.service();
  return { rig, driver, device: rig.devices.devices[0] as VirtioBalloon, discarded };
}

/** Gives page numbers (of RAM) to a queue. */
function pages({ rig, driver }: Made, queue: number, numbers: readonly number[]): void {
  numbers.forEach((number, i) => {
    rig.ram.words32[NUMBERS / 4 + i] = RAM_BASE / PAGE + number;
  });
  driver.offer(driver.queues[queue]!, [{ at: NUMBERS, length: numbers.length * 4 }]);
  driver.notify(driver.queues[queue]!);
  rig.devices.service();
}

function stats({ rig, driver }: Made, ...values: readonly (readonly [number, number])[]): void {
  const view = new DataView(rig.ram.bytes.buffer, 0x3000);
  for (const [i, [tag, value]] of values.entries()) {
    view.setUint16(i * 10, tag, true);
    view.setBigUint64(i * 10 + 2, BigInt(value), true);
  }
  driver.offer(driver.queues[STATS]!, [{ at: 0x3000, length: values.length * 10 }]);
  driver.notify(driver.queues[STATS]!);
  rig.devices.service();
}

describe('virtio-balloon', () => {
  it('gives back what goes into it, neighbours in one piece, in whatever order they come', () => {
    const made = make();
    pages(made, INFLATE, [12, 10, 11, 40, 10]);
    expect(made.discarded).toEqual([
      [10 * PAGE, 3 * PAGE],
      [40 * PAGE, PAGE],
    ]);
    expect(made.driver.used(made.driver.queues[INFLATE]!)).toEqual([{ head: 0, length: 0 }]);
    pages(made, DEFLATE, [12, 10]);
    expect(made.device.counters).toMatchObject({ inflatedPages: 5, deflatedPages: 2 });
    expect(made.discarded).toHaveLength(2);
  });

  it.each([
    ['before RAM', -1],
    ['behind RAM', 1024],
    ['as far as numbers go', 0xffff_ffff - RAM_BASE / PAGE],
  ])('needs a reset when a page lies %s, and has given back nothing', (_, number) => {
    const made = make();
    pages(made, INFLATE, [5, number]);
    expect([made.driver.needsReset, made.discarded]).toEqual([true, []]);
  });

  it('needs a reset when page numbers are cut off', () => {
    const { rig, driver } = make();
    driver.offer(driver.queues[INFLATE]!, [{ at: NUMBERS, length: 6 }]);
    driver.notify(driver.queues[INFLATE]!);
    rig.devices.service();
    expect(driver.needsReset).toBe(true);
  });

  it.each([REPORT, REPORT_BY_SPECIFICATION])(
    'gives back free pages that are reported at queue %i, whole ones',
    (queue) => {
      const { rig, driver, discarded, device } = make();
      driver.offer(driver.queues[queue]!, [
        { at: 0x10_0000, length: 16 * PAGE, writable: true },
        { at: 0x20_0100, length: 2 * PAGE, writable: true },
        { at: 0x30_0100, length: 100, writable: true },
      ]);
      driver.notify(driver.queues[queue]!);
      rig.devices.service();
      expect(discarded).toEqual([
        [0x10_0000, 16 * PAGE],
        [0x20_1000, PAGE],
      ]);
      expect(device.counters.reportedBytes).toBe(17 * PAGE);
      expect(driver.used(driver.queues[queue]!)).toEqual([{ head: 0, length: 0 }]);
    },
  );

  it('asks for pages by its config space, and reads from there how many it has', () => {
    const { driver, device, rig } = make();
    device.setTarget(300);
    expect([driver.config(0, 4), driver.tookInterrupt(INTERRUPT.CONFIG_CHANGE)]).toEqual([300, true]);
    rig.board.store(0x1000_1000 + MMIO.Config + 4, 4, 200);
    rig.board.store(0x1000_1000 + MMIO.Config, 4, 7);
    expect([device.targetPages, device.actualPages]).toEqual([300, 200]);
    driver.set(MMIO.Status, 0);
    expect([device.targetPages, device.actualPages]).toEqual([300, 0]);
  });

  it('keeps the buffer of statistics until it wants new ones', () => {
    const made = make();
    const queue = made.driver.queues[STATS]!;
    expect(made.device.refreshStats()).toBe(false);
    stats(made, [4, 5000], [5, 1e12], [99, 1]);
    expect(made.device.stats).toEqual({ freeBytes: 5000, totalBytes: 1e12 });
    expect(made.driver.used(queue)).toEqual([]);
    expect([made.device.refreshStats(), made.device.refreshStats()]).toEqual([true, false]);
    expect(made.driver.used(queue)).toHaveLength(1);
    stats(made, [4, 6000]);
    expect(made.device.stats).toEqual({ freeBytes: 6000 });
  });

  it('keeps target, statistics and the buffer that it holds over a snapshot', () => {
    const made = make();
    made.device.setTarget(77);
    stats(made, [4, 5000]);
    const save = ({ rig }: Made): unknown =>
      JSON.parse(JSON.stringify(saveMachine(rig.board, rig.devices.devices, [], rig.ram.size, 'sbi').devices[0]));
    const state = save(made);
    expect(state).toMatchObject({ own: { kind: 'virtio-balloon', version: 1, holdsStatsBuffer: true } });
    const other = make();
    other.rig.ram.bytes.set(made.rig.ram.bytes);
    other.device.restore(state as never);
    expect(save(other)).toEqual(state);
    other.rig.devices.resume();
    expect([other.device.targetPages, other.device.stats]).toEqual([77, { freeBytes: 5000 }]);
    expect(other.device.refreshStats()).toBe(true);
    expect(other.driver.used(other.driver.queues[STATS]!)).toHaveLength(1);
  });
});
