// The virtio devices of a machine as people look at them: how far driver and device have come with each other, and where
// each virtqueue stands. Read from the registers and from the rings in RAM while the machine runs; nothing is changed.

import type { Board } from '../board/board.ts';
import type { GuestMemory } from '../board/guest-memory.ts';
import { Q, W } from '../virtio/register-file.ts';
import { STATUS } from '../virtio/registers.ts';
import { virtioName } from './exits.ts';

export interface QueueLook {
  readonly queue: number;
  readonly size: number;
  readonly ready: boolean;
  /** Free-running 16-bit indexes of the available and the used ring; null: the ring is not in RAM. */
  readonly available: number | null;
  readonly used: number | null;
  /** Buffers that the device has and has not given back. */
  readonly pending: number | null;
}

export interface DeviceLook {
  readonly slot: number;
  readonly device: string;
  /** Names of the bits of the device status (virtio 1.2, 2.1). */
  readonly status: readonly string[];
  /** What the driver accepted, as hex text. */
  readonly features: string;
  readonly interruptPending: boolean;
  readonly queues: readonly QueueLook[];
}

export function lookAtDevices(board: Board, ram: GuestMemory): DeviceLook[] {
  return board.files
    .map((file, slot) => ({ file, slot }))
    .filter(({ file }) => file.slot.deviceId !== 0)
    .map(({ file, slot }) => {
      const word = (index: number): number => file.words[index]! >>> 0;
      const status = word(W.STATUS);
      return {
        slot,
        device: `virtio-${virtioName(file.slot.deviceId)}`,
        status: Object.entries(STATUS)
          .filter(([, bit]) => (status & bit) !== 0)
          .map(([name]) => name),
        features: `0x${((BigInt(word(W.DRIVER_FEATURES_HIGH)) << 32n) | BigInt(word(W.DRIVER_FEATURES_LOW))).toString(16)}`,
        interruptPending: word(W.INTERRUPT_STATUS) !== 0,
        queues: file.slot.queues.map((_, queue) => {
          const of = (name: number): number => word(file.queueWord(queue, name));
          const ready = of(Q.READY) !== 0;
          const available = ready ? indexAt(ram, of(Q.DRIVER_LOW), of(Q.DRIVER_HIGH)) : null;
          const used = ready ? indexAt(ram, of(Q.DEVICE_LOW), of(Q.DEVICE_HIGH)) : null;
          const pending = available === null || used === null ? null : (available - used) & 0xffff;
          return { queue, size: of(Q.NUM), ready, available, used, pending };
        }),
      };
    });
}

/** The index of a ring lies behind 16 bits of flags (2.7.6, 2.7.8). */
function indexAt(ram: GuestMemory, low: number, high: number): number | null {
  const at = high * 2 ** 32 + low + 2;
  const offset = Number.isSafeInteger(at) && at % 2 === 0 ? ram.offset(at, 2) : -1;
  return offset < 0 ? null : ram.words16[offset >>> 1]!;
}
