import { describe, expect, it } from 'vitest';
import { RAM_BASE, virtioBase } from '../board/memory-map.ts';
import type { Driver } from './driver.ts';
import { F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, INTERRUPT, MMIO, STATUS } from './registers.ts';
import { Rig } from './rig.ts';

const rng = { type: 'rng', backend: { fill: (into: Uint8Array) => into.fill(0xab) } } as const;
const ready = (features: readonly number[] = [], size = 8): { rig: Rig; driver: Driver } => {
  const rig = new Rig([rng]);
  const driver = rig.driver(0);
  driver.start(features, [size]);
  rig.devices.service();
  return { rig, driver };
};

describe('registers of virtio-mmio', () => {
  it('identify the device, and an empty slot as device 0', () => {
    const { rig, driver } = ready();
    expect([driver.get(MMIO.MagicValue), driver.get(MMIO.Version), driver.get(MMIO.DeviceID)]).toEqual([
      0x74726976, 2, 4,
    ]);
    expect(rig.board.load(virtioBase(7), 4)).toBe(0x74726976);
    expect(rig.board.load(virtioBase(7) + MMIO.DeviceID, 4)).toBe(0);
    expect(rig.board.load(virtioBase(8), 4)).toBeUndefined();
  });

  it('refuse FEATURES_OK when a feature was not offered, or VERSION_1 is missing', () => {
    const rig = new Rig([rng]);
    const driver = rig.driver(0);
    driver.set(MMIO.Status, STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    driver.negotiate([F_VERSION_1, 3]);
    expect(driver.get(MMIO.Status) & STATUS.FEATURES_OK).toBe(0);
    driver.negotiate([F_INDIRECT_DESC]);
    expect(driver.get(MMIO.Status) & STATUS.FEATURES_OK).toBe(0);
    driver.negotiate([F_VERSION_1]);
    expect(driver.get(MMIO.Status) & STATUS.FEATURES_OK).toBe(STATUS.FEATURES_OK);
  });

  it('are all zero after a reset', () => {
    const { driver } = ready();
    driver.set(MMIO.Status, 0);
    driver.set(MMIO.QueueSel, 0);
    expect([driver.get(MMIO.Status), driver.get(MMIO.QueueReady), driver.get(MMIO.InterruptStatus)]).toEqual([0, 0, 0]);
  });

  it('have no queue beyond those of the device', () => {
    const { driver } = ready();
    driver.set(MMIO.QueueSel, 1);
    expect(driver.get(MMIO.QueueNumMax)).toBe(0);
    driver.set(MMIO.QueueSel, 0xffff_ffff);
    expect(driver.get(MMIO.QueueNumMax)).toBe(0);
    driver.set(MMIO.QueueReady, 1);
    driver.set(MMIO.QueueNotify, 77);
  });
});

describe('a split virtqueue', () => {
  it('returns buffers in the used ring and interrupts', () => {
    const { rig, driver } = ready();
    const [queue] = driver.queues;
    driver.offer(queue!, [
      { at: 0x1000, length: 3, writable: true },
      { at: 0x2000, length: 5, writable: true },
    ]);
    driver.notify(queue!);
    rig.devices.service();
    expect(driver.used(queue!)).toEqual([{ head: 0, length: 8 }]);
    expect([...rig.ram.bytes.subarray(0x1000, 0x1004), ...rig.ram.bytes.subarray(0x2000, 0x2006)]).toEqual([
      0xab, 0xab, 0xab, 0, 0xab, 0xab, 0xab, 0xab, 0xab, 0,
    ]);
    expect(driver.tookInterrupt()).toBe(true);
    expect(driver.tookInterrupt()).toBe(false);
  });

  it('goes round many times, also through indirect tables', () => {
    const { rig, driver } = ready([F_INDIRECT_DESC]);
    const [queue] = driver.queues;
    for (let i = 0; i < 70_000; i++) {
      const buffer = { at: 0x1000, length: 1, writable: true };
      if (i % 2 === 0) driver.offer(queue!, [buffer]);
      else driver.offerIndirect(queue!, 0x3000, [buffer]);
      driver.notify(queue!);
      rig.devices.service();
      if (driver.used(queue!).length !== 1) throw new Error(`buffer ${i} did not come back`);
    }
  });

  it('may lie anywhere in RAM, above 2 GiB too', () => {
    const rig = new Rig([rng], 1, 3 * 1024 ** 3);
    const driver = rig.driver(0, 2.5 * 1024 ** 3);
    driver.start([F_EVENT_IDX], [8]);
    for (let i = 0; i < 20; i++) {
      driver.offer(driver.queues[0]!, [{ at: 2.75 * 1024 ** 3, length: 3, writable: true }]);
      driver.notify(driver.queues[0]!);
      rig.devices.service();
      expect(driver.used(driver.queues[0]!).length).toBe(1);
    }
    expect(rig.ram.bytes[2.75 * 1024 ** 3 + 2]).toBe(0xab);
  });

  it('tells what it wrote, for the dirty log', () => {
    const { rig, driver } = ready();
    const written: [number, number][] = [];
    rig.ram.onWritten = (offset, length) => written.push([offset, length]);
    driver.offer(driver.queues[0]!, [{ at: 0x1000, length: 16, writable: true }]);
    driver.notify(driver.queues[0]!);
    rig.devices.service();
    expect(written).toContainEqual([0x1000, 16]);
  });

  it('interrupts with event indexes only when the used index passes the one that the driver named', () => {
    const { rig, driver } = ready([F_EVENT_IDX]);
    const queue = driver.queues[0]!;
    const usedEvent = queue.avail + 4 + queue.size * 2;
    const give = (): boolean => {
      driver.offer(queue, [{ at: 0x1000, length: 1, writable: true }]);
      driver.notify(queue);
      rig.devices.service();
      return driver.tookInterrupt();
    };
    rig.ram.words16[usedEvent >> 1] = 2;
    expect([give(), give(), give(), give()]).toEqual([false, false, true, false]);
  });

  it('leaves the driver alone when it asked for no interrupts', () => {
    const { rig, driver } = ready();
    const queue = driver.queues[0]!;
    rig.ram.words16[queue.avail >> 1] = 1;
    driver.offer(queue, [{ at: 0x1000, length: 1, writable: true }]);
    driver.notify(queue);
    rig.devices.service();
    expect([driver.used(queue).length, driver.tookInterrupt()]).toEqual([1, false]);
  });

  it('is served when the notify came before DRIVER_OK', () => {
    const rig = new Rig([rng]);
    const driver = rig.driver(0);
    driver.set(MMIO.Status, STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    driver.negotiate([F_VERSION_1]);
    const queue = driver.addQueue(0, 8);
    driver.offer(queue, [{ at: 0x1000, length: 1, writable: true }]);
    driver.notify(queue);
    rig.devices.service();
    expect(driver.used(queue)).toEqual([]);
    driver.set(MMIO.Status, driver.get(MMIO.Status) | STATUS.DRIVER_OK);
    driver.notify(queue);
    rig.devices.service();
    expect(driver.used(queue).length).toBe(1);
  });
});

describe('a guest that breaks the rules gets DEVICE_NEEDS_RESET', () => {
  const broken: [string, (driver: Driver) => void][] = [
    [
      'a descriptor loop',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(queue.desc, RAM_BASE, 1, 1, 0);
        driver.publish(queue, 0);
      },
    ],
    ['a head outside the table', (driver) => driver.publish(driver.queues[0]!, 8)],
    [
      'a next outside the table',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(queue.desc, RAM_BASE, 1, 1, 9);
        driver.publish(queue, 0);
      },
    ],
    [
      'a buffer below RAM',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(queue.desc, 0x1000, 1, 2, 0);
        driver.publish(queue, 0);
      },
    ],
    [
      'a buffer across the end of RAM',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(queue.desc, RAM_BASE + driver.ram.size - 1, 2, 2, 0);
        driver.publish(queue, 0);
      },
    ],
    [
      'a buffer at 2^63',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(queue.desc, 2 ** 63, 1, 2, 0);
        driver.publish(queue, 0);
      },
    ],
    [
      'a readable buffer after a writable one',
      (driver) => {
        driver.offer(driver.queues[0]!, [
          { at: 0, length: 1, writable: true },
          { at: 0, length: 1 },
        ]);
      },
    ],
    [
      'an indirect table inside an indirect table',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(0x3000, RAM_BASE + 0x3000, 16, 4, 0);
        driver.descriptor(queue.desc, RAM_BASE + 0x3000, 16, 4, 0);
        driver.publish(queue, 0);
      },
    ],
    [
      'an indirect table of an odd length',
      (driver) => {
        const queue = driver.queues[0]!;
        driver.descriptor(queue.desc, RAM_BASE + 0x3000, 17, 4, 0);
        driver.publish(queue, 0);
      },
    ],
    [
      'an available index that jumps',
      (driver) => {
        driver.ram.words16[(driver.queues[0]!.avail + 2) >> 1] = 500;
      },
    ],
  ];

  it.each(broken)('for %s, works again after a reset, and tells by an interrupt', (_, breakRule) => {
    const { rig, driver } = ready();
    breakRule(driver);
    driver.notify(driver.queues[0]!);
    rig.devices.service();
    expect(driver.needsReset).toBe(true);
    expect(driver.tookInterrupt(INTERRUPT.CONFIG_CHANGE)).toBe(true);
    driver.start([], [8]);
    driver.offer(driver.queues[0]!, [{ at: 0x1000, length: 1, writable: true }]);
    driver.notify(driver.queues[0]!);
    rig.devices.service();
    expect([driver.needsReset, driver.used(driver.queues[0]!).length]).toEqual([false, 1]);
  });

  it.each([
    ['a queue size that is no power of two', MMIO.QueueNum, 7],
    ['a queue larger than the device takes', MMIO.QueueNum, 0x8000],
    ['a descriptor table outside RAM', MMIO.QueueDescHigh, 0xffff],
    ['a misaligned used ring', MMIO.QueueDeviceLow, 0x8010_0002],
  ])('for %s', (_, register, value) => {
    const rig = new Rig([rng]);
    const driver = rig.driver(0);
    driver.set(MMIO.Status, STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    driver.negotiate([F_VERSION_1]);
    const queue = driver.addQueue(0, 8);
    driver.set(register, value);
    driver.set(MMIO.Status, driver.get(MMIO.Status) | STATUS.DRIVER_OK);
    driver.notify(queue);
    rig.devices.service();
    expect(driver.needsReset).toBe(true);
  });
});
