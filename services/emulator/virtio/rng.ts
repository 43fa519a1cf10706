// virtio-rng (virtio 1.2, 5.4): the entropy device.

import type { EntropyBackend } from '../backends.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Virtqueue } from './queue.ts';
import { DEVICE_ID, type VirtioSlot } from './registers.ts';
import { copyIn } from './segments.ts';

/** A buffer gets this much at most at a time, so that one request cannot hold up the I/O thread. */
const MAX_BYTES = 64 * 1024;

export const rngSlot: VirtioSlot = { deviceId: DEVICE_ID.ENTROPY, features: [], queues: [64], config: [] };

export class VirtioRng extends VirtioDevice {
  readonly kind = 'virtio-rng';
  readonly #backend: EntropyBackend;

  constructor(host: DeviceHost, backend: EntropyBackend) {
    super(host);
    this.#backend = backend;
  }

  protected serve(queue: Virtqueue): boolean {
    const chain = queue.pop();
    if (chain === undefined) return false;
    // Not in place: sources of randomness do not fill shared memory.
    const bytes = new Uint8Array(Math.min(MAX_BYTES, chain.writableBytes));
    this.#backend.fill(bytes);
    this.finish(queue, chain, copyIn(chain.writable, 0, bytes));
    return true;
  }
}
