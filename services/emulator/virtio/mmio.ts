// The driver's side of a slot: virtio over MMIO, version 2 (virtio 1.2, 4.2), on the hart's own thread. Nothing here
// touches a ring; a notify is posted, a reset is waited for.

import { virtioSource } from '../board/memory-map.ts';
import type { Signals } from '../board/signals.ts';
import type { Plic } from '../devices/plic.ts';
import { Q, type RegisterFile, W } from './register-file.ts';
import { CONFIG_BYTES, DEVICE_ID, MAGIC, MMIO, STATUS, VENDOR_ID, VERSION } from './registers.ts';

const QUEUE_ADDRESS: Readonly<Record<number, number>> = {
  [MMIO.QueueDescLow]: Q.DESC_LOW,
  [MMIO.QueueDescHigh]: Q.DESC_HIGH,
  [MMIO.QueueDriverLow]: Q.DRIVER_LOW,
  [MMIO.QueueDriverHigh]: Q.DRIVER_HIGH,
  [MMIO.QueueDeviceLow]: Q.DEVICE_LOW,
  [MMIO.QueueDeviceHigh]: Q.DEVICE_HIGH,
};

export class VirtioMmio {
  readonly #index: number;
  readonly #file: RegisterFile;
  readonly #plic: Plic;
  readonly #signals: Signals;
  readonly #level = (): boolean => Atomics.load(this.#file.words, W.INTERRUPT_STATUS) !== 0;

  constructor(index: number, file: RegisterFile, plic: Plic, signals: Signals) {
    this.#index = index;
    this.#file = file;
    this.#plic = plic;
    this.#signals = signals;
  }

  /** A read of 1, 2 or 4 bytes. Registers are 32 bits wide (4.2.2.2); only the config space takes other widths. */
  load(offset: number, size: number): number {
    const words = this.#file.words;
    if (offset >= MMIO.Config) return this.#loadConfig(offset - MMIO.Config, size);
    if (size !== 4 || (offset & 3) !== 0) return 0;
    switch (offset) {
      case MMIO.MagicValue:
        return MAGIC;
      case MMIO.Version:
        return VERSION;
      case MMIO.DeviceID:
        return this.#file.slot.deviceId;
      case MMIO.VendorID:
        return VENDOR_ID;
      case MMIO.DeviceFeatures: {
        const half = words[W.DEVICE_FEATURES_SEL]!;
        return half === 0 ? this.#file.featuresLow : half === 1 ? this.#file.featuresHigh : 0;
      }
      case MMIO.QueueNumMax:
        return this.#file.slot.queues[words[W.QUEUE_SEL]!] ?? 0;
      case MMIO.QueueReady:
        return this.#queue(Q.READY);
      case MMIO.InterruptStatus:
        return Atomics.load(words, W.INTERRUPT_STATUS);
      case MMIO.Status:
        return Atomics.load(words, W.STATUS);
      case MMIO.ConfigGeneration:
        return Atomics.load(words, W.CONFIG_GENERATION) >>> 0;
      default:
        // No shared memory regions: length and base read as all ones (4.2.2).
        return offset >= MMIO.SHMLenLow && offset <= MMIO.SHMBaseHigh ? 0xffff_ffff : 0;
    }
  }

  store(offset: number, size: number, value: number): void {
    const words = this.#file.words;
    if (offset >= MMIO.Config) {
      this.#storeConfig(offset - MMIO.Config, size, value);
      return;
    }
    if (size !== 4 || (offset & 3) !== 0) return;
    switch (offset) {
      case MMIO.DeviceFeaturesSel:
        words[W.DEVICE_FEATURES_SEL] = value;
        break;
      case MMIO.DriverFeaturesSel:
        words[W.DRIVER_FEATURES_SEL] = value;
        break;
      case MMIO.DriverFeatures: {
        // Final once FEATURES_OK is set (3.1.1).
        if ((words[W.STATUS]! & STATUS.FEATURES_OK) !== 0) break;
        const half = words[W.DRIVER_FEATURES_SEL]!;
        if (half === 0) words[W.DRIVER_FEATURES_LOW] = value;
        else if (half === 1) words[W.DRIVER_FEATURES_HIGH] = value;
        break;
      }
      case MMIO.QueueSel:
        words[W.QUEUE_SEL] = value;
        break;
      case MMIO.QueueNum:
        this.#setQueue(Q.NUM, value);
        break;
      case MMIO.QueueReady:
        this.#setQueue(Q.READY, value & 1);
        break;
      case MMIO.QueueNotify:
        if (value >= 0 && value < this.#file.slot.queues.length) this.#signals.notifyQueue(this.#index, value);
        break;
      case MMIO.InterruptACK:
        Atomics.and(words, W.INTERRUPT_STATUS, ~value);
        this.#plic.drive(virtioSource(this.#index), this.#level);
        break;
      case MMIO.Status:
        this.#storeStatus(value & 0xff);
        break;
      default: {
        const word = QUEUE_ADDRESS[offset];
        if (word !== undefined) this.#setQueue(word, value);
      }
    }
  }

  #storeStatus(value: number): void {
    const words = this.#file.words;
    if (value === 0) {
      this.#signals.resetSlot(this.#index);
      return;
    }
    const before = Atomics.load(words, W.STATUS);
    let next = value | (before & STATUS.DEVICE_NEEDS_RESET);
    if ((next & STATUS.FEATURES_OK) !== 0 && (before & STATUS.FEATURES_OK) === 0 && !this.#featuresAcceptable()) {
      // Not set: the driver reads it back and gives up (3.1.1, step 6).
      next &= ~STATUS.FEATURES_OK;
    }
    Atomics.store(words, W.STATUS, next);
    if ((next & STATUS.DRIVER_OK) !== 0 && (before & STATUS.DRIVER_OK) === 0) this.#signals.driverOk(this.#index);
  }

  /** A subset of what is offered, VERSION_1 among it: there is no legacy interface here. */
  #featuresAcceptable(): boolean {
    const low = this.#file.words[W.DRIVER_FEATURES_LOW]!;
    const high = this.#file.words[W.DRIVER_FEATURES_HIGH]!;
    return (low & ~this.#file.featuresLow) === 0 && (high & ~this.#file.featuresHigh) === 0 && (high & 1) !== 0;
  }

  #queue(word: number): number {
    const queue = this.#file.words[W.QUEUE_SEL]!;
    return queue >= 0 && queue < this.#file.slot.queues.length
      ? this.#file.words[this.#file.queueWord(queue, word)]!
      : 0;
  }

  #setQueue(word: number, value: number): void {
    const queue = this.#file.words[W.QUEUE_SEL]!;
    if (queue < 0 || queue >= this.#file.slot.queues.length) return;
    Atomics.store(this.#file.words, this.#file.queueWord(queue, word), value);
  }

  #loadConfig(offset: number, size: number): number {
    if (offset + size > CONFIG_BYTES) return 0;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#file.config[offset + i]!;
    return value;
  }

  /** Fields that a slot declares writable; an input device's are `select` and `subsel`, which change the rest (5.8.4). */
  #storeConfig(offset: number, size: number, value: number): void {
    const { slot, config } = this.#file;
    if (slot.writable?.some(([at, length]) => offset >= at && offset + size <= at + length) === true) {
      for (let i = 0; i < size; i++) config[offset + i] = value >>> (8 * i);
      return;
    }
    if (slot.deviceId !== DEVICE_ID.INPUT || offset > 1) return;
    config[offset] = value;
    const shown = slot.inputConfig?.[`${config[0]}.${config[1]}`] ?? [];
    config[2] = shown.length;
    config.fill(0, 8);
    config.set(shown, 8);
  }
}
