// A virtio driver in TypeScript, for tests: sets up a device through its registers and rings as a kernel would, and can
// break every rule on the way.

import type { Board } from '../board/board.ts';
import type { GuestMemory } from '../board/guest-memory.ts';
import { RAM_BASE, virtioBase } from '../board/memory-map.ts';
import { F_VERSION_1, INTERRUPT, MMIO, STATUS } from './registers.ts';

export interface Buffer {
  /** Offset in RAM. */
  readonly at: number;
  readonly length: number;
  readonly writable?: boolean;
}

export interface DriverQueue {
  readonly index: number;
  readonly size: number;
  readonly desc: number;
  readonly avail: number;
  readonly used: number;
  nextDesc: number;
  usedSeen: number;
}

const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;

export class Driver {
  readonly board: Board;
  readonly ram: GuestMemory;
  readonly slot: number;
  readonly queues: DriverQueue[] = [];
  readonly #base: number;
  readonly #view: DataView;
  readonly #ringsAt: number;
  #nextRing: number;

  /** Rings are laid from `ringsAt` (offset in RAM) on. */
  constructor(board: Board, ram: GuestMemory, slot: number, ringsAt = 0x10_0000) {
    this.board = board;
    this.ram = ram;
    this.slot = slot;
    this.#base = virtioBase(slot);
    this.#ringsAt = ringsAt;
    this.#nextRing = ringsAt;
    this.#view = new DataView(ram.bytes.buffer);
  }

  get(register: number): number {
    return Number(this.board.load(this.#base + register, 4));
  }

  set(register: number, value: number): void {
    this.board.store(this.#base + register, 4, value);
  }

  config(offset: number, size: 1 | 2 | 4): number {
    return Number(this.board.load(this.#base + MMIO.Config + offset, size));
  }

  offered(bit: number): boolean {
    this.set(MMIO.DeviceFeaturesSel, bit >> 5);
    return (this.get(MMIO.DeviceFeatures) & (1 << (bit & 31))) !== 0;
  }

  /** The initialization sequence (virtio 1.2, 3.1.1) with these features beside VERSION_1. */
  start(features: readonly number[], queueSizes: readonly number[]): void {
    this.set(MMIO.Status, 0);
    this.set(MMIO.Status, STATUS.ACKNOWLEDGE);
    this.set(MMIO.Status, STATUS.ACKNOWLEDGE | STATUS.DRIVER);
    this.negotiate([...features, F_VERSION_1]);
    this.queues.length = 0;
    this.#nextRing = this.#ringsAt;
    queueSizes.forEach((size, index) => {
      this.addQueue(index, size);
    });
    this.set(MMIO.Status, this.get(MMIO.Status) | STATUS.DRIVER_OK);
  }

  negotiate(features: readonly number[]): void {
    for (const half of [0, 1]) {
      const mask = features.filter((bit) => bit >> 5 === half).reduce((bits, bit) => bits | (1 << (bit & 31)), 0);
      this.set(MMIO.DriverFeaturesSel, half);
      this.set(MMIO.DriverFeatures, mask >>> 0);
    }
    this.set(MMIO.Status, this.get(MMIO.Status) | STATUS.FEATURES_OK);
  }

  addQueue(index: number, size: number): DriverQueue {
    const desc = this.#take(size * 16);
    const avail = this.#take(6 + size * 2);
    const used = this.#take(6 + size * 8);
    this.ram.bytes.fill(0, desc, used + 6 + size * 8);
    const queue = { index, size, desc, avail, used, nextDesc: 0, usedSeen: 0 };
    this.set(MMIO.QueueSel, index);
    this.set(MMIO.QueueNum, size);
    this.address(MMIO.QueueDescLow, RAM_BASE + desc);
    this.address(MMIO.QueueDriverLow, RAM_BASE + avail);
    this.address(MMIO.QueueDeviceLow, RAM_BASE + used);
    this.set(MMIO.QueueReady, 1);
    this.queues[index] = queue;
    return queue;
  }

  address(register: number, value: number): void {
    this.set(register, value % 0x1_0000_0000);
    this.set(register + 4, Math.floor(value / 0x1_0000_0000));
  }

  /** Makes a chain available without a notify; returns its head. */
  offer(queue: DriverQueue, buffers: readonly Buffer[]): number {
    const heads = buffers.map(() => queue.nextDesc++ % queue.size);
    for (const [i, buffer] of buffers.entries()) {
      const flags = (buffer.writable === true ? DESC_F_WRITE : 0) | (i + 1 < buffers.length ? DESC_F_NEXT : 0);
      this.descriptor(queue.desc + heads[i]! * 16, RAM_BASE + buffer.at, buffer.length, flags, heads[i + 1] ?? 0);
    }
    this.publish(queue, heads[0]!);
    return heads[0]!;
  }

  /** The same through an indirect table at `table` (offset in RAM). */
  offerIndirect(queue: DriverQueue, table: number, buffers: readonly Buffer[]): number {
    for (const [i, buffer] of buffers.entries()) {
      const flags = (buffer.writable === true ? DESC_F_WRITE : 0) | (i + 1 < buffers.length ? DESC_F_NEXT : 0);
      this.descriptor(table + i * 16, RAM_BASE + buffer.at, buffer.length, flags, i + 1);
    }
    const head = queue.nextDesc++ % queue.size;
    this.descriptor(queue.desc + head * 16, RAM_BASE + table, buffers.length * 16, DESC_F_INDIRECT, 0);
    this.publish(queue, head);
    return head;
  }

  descriptor(at: number, gpa: number, length: number, flags: number, next: number): void {
    this.#view.setBigUint64(at, BigInt(gpa), true);
    this.#view.setUint32(at + 8, length, true);
    this.#view.setUint16(at + 12, flags, true);
    this.#view.setUint16(at + 14, next, true);
  }

  publish(queue: DriverQueue, head: number): void {
    const index = this.#view.getUint16(queue.avail + 2, true);
    this.#view.setUint16(queue.avail + 4 + (index % queue.size) * 2, head, true);
    this.#view.setUint16(queue.avail + 2, index + 1, true);
  }

  notify(queue: DriverQueue): void {
    this.set(MMIO.QueueNotify, queue.index);
  }

  /** Buffers that the device has returned since the last call. */
  used(queue: DriverQueue): { head: number; length: number }[] {
    const returned: { head: number; length: number }[] = [];
    while (queue.usedSeen !== this.#view.getUint16(queue.used + 2, true)) {
      const at = queue.used + 4 + (queue.usedSeen % queue.size) * 8;
      returned.push({ head: this.#view.getUint32(at, true), length: this.#view.getUint32(at + 4, true) });
      queue.usedSeen = (queue.usedSeen + 1) & 0xffff;
    }
    return returned;
  }

  /** Whether an interrupt of that kind is up; acknowledges it. */
  tookInterrupt(kind: number = INTERRUPT.USED_BUFFER): boolean {
    const up = (this.get(MMIO.InterruptStatus) & kind) !== 0;
    if (up) this.set(MMIO.InterruptACK, kind);
    return up;
  }

  get needsReset(): boolean {
    return (this.get(MMIO.Status) & STATUS.DEVICE_NEEDS_RESET) !== 0;
  }

  #take(bytes: number): number {
    const at = this.#nextRing;
    this.#nextRing = Math.ceil((at + bytes) / 4096) * 4096;
    return at;
  }
}
