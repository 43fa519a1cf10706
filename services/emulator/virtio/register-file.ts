// The registers of one virtio-mmio slot as words in shared memory: written by the driver on a hart's thread, read by the
// device on the I/O thread, and the other way round for InterruptStatus, the config space and its generation.

import { CumuletError } from '#base';
import type { Arena } from '../board/arena.ts';
import { CONFIG_BYTES, F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1, MAX_QUEUES, type VirtioSlot } from './registers.ts';

export const W = {
  DEVICE_FEATURES_SEL: 0,
  DRIVER_FEATURES_SEL: 1,
  DRIVER_FEATURES_LOW: 2,
  DRIVER_FEATURES_HIGH: 3,
  QUEUE_SEL: 4,
  INTERRUPT_STATUS: 5,
  STATUS: 6,
  CONFIG_GENERATION: 7,
  QUEUES: 8,
} as const;

/** Words of one queue, from W.QUEUES on. */
export const Q = {
  NUM: 0,
  READY: 1,
  DESC_LOW: 2,
  DESC_HIGH: 3,
  DRIVER_LOW: 4,
  DRIVER_HIGH: 5,
  DEVICE_LOW: 6,
  DEVICE_HIGH: 7,
  WORDS: 8,
} as const;

export interface RegisterFileStateV1 {
  readonly kind: 'virtio-mmio';
  readonly version: 1;
  readonly words: readonly number[];
  readonly config: readonly number[];
}

export class RegisterFile {
  readonly slot: VirtioSlot;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly config: Uint8Array<SharedArrayBuffer>;
  readonly featuresLow: number;
  readonly featuresHigh: number;

  constructor(arena: Arena, slot: VirtioSlot) {
    if (slot.queues.length > MAX_QUEUES) {
      throw new CumuletError('internal', `a device has ${MAX_QUEUES} queues at most, not ${slot.queues.length}`);
    }
    this.slot = slot;
    this.words = arena.int32(W.QUEUES + slot.queues.length * Q.WORDS);
    this.config = arena.bytes(CONFIG_BYTES);
    const offered = [...slot.features, F_VERSION_1, F_INDIRECT_DESC, F_EVENT_IDX];
    const half = (from: number): number =>
      offered.filter((bit) => bit >= from && bit < from + 32).reduce((mask, bit) => mask | (1 << (bit - from)), 0) >>>
      0;
    this.featuresLow = half(0);
    this.featuresHigh = half(32);
  }

  queueWord(queue: number, word: number): number {
    return W.QUEUES + queue * Q.WORDS + word;
  }

  negotiated(bit: number): boolean {
    const word = this.words[bit < 32 ? W.DRIVER_FEATURES_LOW : W.DRIVER_FEATURES_HIGH]!;
    return (word & (1 << (bit & 31))) !== 0;
  }

  /** Everything as at power-on (4.2.3.1: queues not ready, InterruptStatus 0). Of the config space, what a driver wrote goes. */
  reset(): void {
    const generation = this.words[W.CONFIG_GENERATION]!;
    this.words.fill(0);
    this.words[W.CONFIG_GENERATION] = generation;
    for (const [at, length] of this.slot.writable ?? [])
      for (let i = at; i < at + length; i++) this.config[i] = this.slot.config[i] ?? 0;
  }

  save(): RegisterFileStateV1 {
    return { kind: 'virtio-mmio', version: 1, words: [...this.words], config: [...this.config] };
  }

  restore(state: RegisterFileStateV1): void {
    // A state of the same device with another number of queues: those that both have lie in the same places.
    this.words.set(state.words.slice(0, this.words.length));
    this.config.set(state.config);
  }
}
