import { describe, expect, it } from 'vitest';
import type { DeviceSpec } from '../machine/devices.ts';
import type { Driver } from './driver.ts';
import type { VirtioInput, VirtioKeyboard, VirtioTablet } from './input.ts';
import { Rig } from './rig.ts';

const EVENT_AT = 0x2000;

function made<D extends VirtioInput>(spec: DeviceSpec, buffers = 32): { rig: Rig; driver: Driver; device: D } {
  const rig = new Rig([spec]);
  const driver = rig.driver(0);
  driver.start([], [64, 16]);
  give(driver, 0, buffers);
  rig.devices.service();
  return { rig, driver, device: rig.devices.devices[0] as VirtioInput as D };
}

/** Empty buffers `from` to `to`, one event each. */
function give(driver: Driver, from: number, to: number): void {
  for (let n = from; n < to; n++)
    driver.offer(driver.queues[0]!, [{ at: EVENT_AT + n * 8, length: 8, writable: true }]);
  driver.notify(driver.queues[0]!);
}

function events(rig: Rig, driver: Driver): number[][] {
  const view = new DataView(rig.ram.bytes.buffer);
  return driver.used(driver.queues[0]!).map(({ head }) => {
    const at = EVENT_AT + head * 8;
    return [view.getUint16(at, true), view.getUint16(at + 2, true), view.getInt32(at + 4, true)];
  });
}

describe('the keyboard', () => {
  it('says which keys it has', () => {
    const { driver } = made({ type: 'keyboard' });
    driver.board.store(0x1000_1100, 1, 0x11);
    driver.board.store(0x1000_1101, 1, 1);
    expect(driver.config(2, 1)).toBe(32);
    // Bit 30 of the keys: KEY_A.
    expect(driver.config(8 + 3, 1) & (1 << 6)).not.toBe(0);
  });

  it('sends each key as a report of its own', () => {
    const { rig, driver, device } = made<VirtioKeyboard>({ type: 'keyboard' });
    expect(device.key(30, true)).toBe(true);
    expect(device.key(30, false)).toBe(true);
    expect(events(rig, driver)).toEqual([
      [1, 30, 1],
      [0, 0, 0],
      [1, 30, 0],
      [0, 0, 0],
    ]);
  });

  it('keeps the release of a key until there is a buffer for it, also over a save', () => {
    const { rig, driver, device } = made<VirtioKeyboard>({ type: 'keyboard' }, 2);
    device.key(30, true);
    device.key(30, false);
    expect(events(rig, driver)).toHaveLength(2);
    const state = JSON.parse(JSON.stringify(device.save()));
    const other = made<VirtioKeyboard>({ type: 'keyboard' }, 2);
    other.rig.ram.bytes.set(rig.ram.bytes);
    other.device.restore(state);
    expect(other.device.save()).toEqual(state);
    give(driver, 2, 4);
    rig.devices.service();
    expect(events(rig, driver)).toEqual([
      [1, 30, 0],
      [0, 0, 0],
    ]);
  });

  it('drops whole reports when a guest never reads', () => {
    const { device } = made<VirtioKeyboard>({ type: 'keyboard' }, 0);
    let taken = 0;
    while (device.key(30, taken % 2 === 0)) taken++;
    expect(taken).toBe(128);
  });

  it('types nothing for a driver that is not there', () => {
    const rig = new Rig([{ type: 'keyboard' }]);
    expect((rig.devices.devices[0] as VirtioKeyboard).key(30, true)).toBe(false);
  });
});

describe('the tablet', () => {
  it('tells the range of its axes', () => {
    const { driver } = made({ type: 'tablet' });
    driver.board.store(0x1000_1100, 1, 0x12);
    driver.board.store(0x1000_1101, 1, 1);
    expect([driver.config(2, 1), driver.config(8, 4), driver.config(12, 4)]).toEqual([20, 0, 0x7fff]);
  });

  it('sends where the pointer is, its buttons and its wheel', () => {
    const { rig, driver, device } = made<VirtioTablet>({ type: 'tablet' });
    device.pointer({ x: 100, y: 200, left: true, middle: false, right: false, wheel: -1, sideWheel: 0 });
    expect(events(rig, driver)).toEqual([
      [3, 0, 100],
      [3, 1, 200],
      [1, 0x110, 1],
      [1, 0x112, 0],
      [1, 0x111, 0],
      [2, 8, -1],
      [0, 0, 0],
    ]);
  });
});
