// A hostile guest: random registers, rings and requests against each device. Whatever it does, a device either serves it
// or asks for a reset; nothing is thrown, nothing outside RAM is touched, and a driver that behaves is served afterwards.

import { expect, it } from 'vitest';
import { RAM_BASE } from '../board/memory-map.ts';
import { Framebuffer } from '../display/framebuffer.ts';
import type { DeviceSpec } from '../machine/devices.ts';
import type { Driver, DriverQueue } from './driver.ts';
import { MMIO, STATUS } from './registers.ts';
import { MemoryDisk, Rig } from './rig.ts';

/** xorshift32: the same guest each time. */
function randomness(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

/** Brings a frame now and then: some with work left to be done, some too short to be one. */
const sink = {
  receive: (_frame: Uint8Array): boolean => false,
  send: () => true,
  onFrame(receive: (frame: Uint8Array) => boolean) {
    this.receive = receive;
  },
  complete: (frame: Uint8Array) => [frame.slice()],
};
const port = {
  ...{ write: () => undefined, onInput: () => undefined, onDrain: () => undefined },
  onOpen: () => undefined,
  onGuestOpen: () => undefined,
};
const screen = { write: () => undefined, onInput: () => undefined };
/** `features`: what a hostile driver may switch on beside those of every device. */
const SPECS: Record<string, { spec: DeviceSpec; queues: number; features?: readonly number[] }> = {
  block: {
    spec: { type: 'block', backend: new MemoryDisk(1 << 20), serial: 's', options: { queues: 2 } },
    queues: 2,
    features: [9, 11, 12, 13, 14],
  },
  net: {
    spec: { type: 'net', backend: sink, options: { mac: new Uint8Array(6), offloads: true, queuePairs: 2 } },
    queues: 5,
    features: [0, 1, 2, 7, 8, 11, 15, 17, 18, 20, 21, 22, 23],
  },
  console: { spec: { type: 'console', console: screen }, queues: 2 },
  ports: {
    spec: {
      type: 'console',
      console: screen,
      ports: [
        { name: 'a', backend: port },
        { name: 'b', backend: port },
      ],
    },
    queues: 8,
    features: [0, 1],
  },
  balloon: { spec: { type: 'balloon' }, queues: 5, features: [1, 2, 5] },
  vsock: {
    spec: {
      type: 'vsock',
      cid: 0,
      // Takes every connection, and says something on each.
      backend: {
        open: (_port, taken) =>
          taken({
            join: (guest) => void guest.write(new Uint8Array(100)),
            onOpen: () => undefined,
            onData: () => undefined,
            onEnd: () => undefined,
            onDrain: () => undefined,
            onClose: () => undefined,
          }),
        onConnect: () => undefined,
      },
    },
    queues: 3,
  },
  rng: { spec: { type: 'rng', backend: { fill: (into) => into.fill(1) } }, queues: 1 },
  input: { spec: { type: 'power-button' }, queues: 2 },
  keyboard: { spec: { type: 'keyboard' }, queues: 2 },
  tablet: { spec: { type: 'tablet' }, queues: 2 },
  gpu: { spec: { type: 'gpu', screen: new Framebuffer(64, 48) }, queues: 2 },
};

const RAM = 1 << 20;
const ROUNDS = 400;

function mischief(driver: Driver, queue: DriverQueue, random: (limit: number) => number): void {
  const address = (): number => {
    switch (random(6)) {
      case 0:
        return random(0x1_0000_0000);
      case 1:
        return RAM_BASE + RAM - random(64);
      case 2:
        return 2 ** 52 + random(1000);
      default:
        return RAM_BASE + random(RAM);
    }
  };
  for (let entry = 0; entry < queue.size; entry++) {
    const length = random(4) === 0 ? random(0x1_0000_0000) : random(4096);
    const flags = random(8) === 0 ? random(0x10000) : random(8) & ~(random(3) === 0 ? 0 : 4);
    driver.descriptor(queue.desc + entry * 16, address(), length, flags, random(queue.size + 2));
  }
  // Headers of requests, here and there.
  for (let i = 0; i < 8; i++) driver.ram.words32[random(RAM >> 2)] = random(16);
  const count = random(queue.size) + 1;
  for (let i = 0; i < count; i++) driver.publish(queue, random(16) === 0 ? random(0x10000) : random(queue.size));
  if (random(20) === 0) driver.ram.words16[(queue.avail + 2) >> 1] = random(0x10000);
}

it.each(Object.keys(SPECS))('%s survives a hostile driver', async (name) => {
  const { spec, queues, features: own = [] } = SPECS[name]!;
  const rig = new Rig([spec], 1, RAM);
  const driver = rig.driver(0, RAM - 0x2_0000);
  let resets = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const random = randomness(round * 7919 + 13);
    const features = [28, 29, ...own].filter(() => random(2) === 0);
    driver.start(
      features,
      Array.from({ length: queues }, () => 1 << (1 + random(4))),
    );
    for (let turn = 0; turn < 4; turn++) {
      const queue = driver.queues[random(queues)]!;
      mischief(driver, queue, random);
      for (let i = 0; i < 4; i++) driver.set(random(0x50) * 4, random(4) === 0 ? random(0x1_0000_0000) : random(256));
      driver.notify(queue);
      const frame = new Uint8Array(random(4000));
      frame[0] = random(2);
      frame[1] = random(3) === 0 ? random(256) : 0;
      if (name === 'net') sink.receive(frame);
      if (random(3) === 0) await rig.settle();
      else rig.devices.service();
    }
    await rig.settle();
    await rig.devices.quiesce();
    rig.devices.resume();
    if (driver.needsReset) resets++;
    expect(rig.ram.bytes.length).toBe(RAM);
  }
  expect(resets).toBeGreaterThan(ROUNDS / 10);
  // And now one that behaves.
  rig.ram.bytes.fill(0);
  driver.start(
    [],
    Array.from({ length: queues }, () => 8),
  );
  await rig.settle();
  expect(driver.get(MMIO.Status) & (STATUS.DEVICE_NEEDS_RESET | STATUS.DRIVER_OK)).toBe(STATUS.DRIVER_OK);
  if (name === 'rng' || name === 'block') {
    const queue = driver.queues[0]!;
    const buffers =
      name === 'rng'
        ? [{ at: 0x1000, length: 4, writable: true }]
        : [
            { at: 0x1000, length: 16 },
            { at: 0x2000, length: 513, writable: true },
          ];
    driver.offer(queue, buffers);
    driver.notify(queue);
    await rig.settle();
    expect(driver.used(queue).length).toBe(1);
  }
});
