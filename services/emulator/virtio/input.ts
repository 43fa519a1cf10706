// virtio-input (virtio 1.2, 5.8) with a single key: the power button. acpid and systemd-logind watch for KEY_POWER.

import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Virtqueue } from './queue.ts';
import { DEVICE_ID, type VirtioSlot } from './registers.ts';
import { copyIn } from './segments.ts';

// Config selectors, 5.8.2.
const CFG_ID_NAME = 1;
const CFG_ID_SERIAL = 2;
const CFG_ID_DEVIDS = 3;
const CFG_EV_BITS = 0x11;

// Linux input event codes.
const EV_SYN = 0;
const EV_KEY = 1;
const KEY_POWER = 116;
const BUS_VIRTUAL = 6;
const EVENT_BYTES = 8;
const EVENTS = 0;

const text = (value: string): number[] => [...new TextEncoder().encode(value)];
const keyBits = (key: number): number[] =>
  Array.from({ length: (key >> 3) + 1 }, (_, byte) => (byte === key >> 3 ? 1 << (key & 7) : 0));

export const powerButtonSlot: VirtioSlot = {
  deviceId: DEVICE_ID.INPUT,
  features: [],
  queues: [64, 64],
  config: [],
  inputConfig: {
    [`${CFG_ID_NAME}.0`]: text('Power Button'),
    [`${CFG_ID_SERIAL}.0`]: text('power0'),
    [`${CFG_ID_DEVIDS}.0`]: [BUS_VIRTUAL, 0, 0, 0, 1, 0, 1, 0],
    [`${CFG_EV_BITS}.${EV_KEY}`]: keyBits(KEY_POWER),
  },
};

export class VirtioPowerButton extends VirtioDevice {
  readonly kind = 'virtio-input';

  constructor(host: DeviceHost) {
    super(host);
  }

  /** Presses and lets go. False: no driver listens, or it gave no buffers. */
  press(): boolean {
    const queue = this.live ? this.queue(EVENTS) : undefined;
    let sent = false;
    if (queue === undefined) return false;
    this.guarded(() => {
      sent = this.#event(queue, EV_KEY, KEY_POWER, 1) && this.#event(queue, EV_SYN, 0, 0);
      if (sent) sent = this.#event(queue, EV_KEY, KEY_POWER, 0) && this.#event(queue, EV_SYN, 0, 0);
    });
    return sent;
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index === EVENTS) return false;
    // The status queue sets LEDs; a power button has none (5.8.6.2).
    const chain = queue.pop();
    if (chain === undefined) return false;
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    return index !== EVENTS;
  }

  #event(queue: Virtqueue, type: number, code: number, value: number): boolean {
    const chain = queue.pop();
    if (chain === undefined) return false;
    const event = new Uint8Array(EVENT_BYTES);
    const view = new DataView(event.buffer);
    view.setUint16(0, type, true);
    view.setUint16(2, code, true);
    view.setUint32(4, value, true);
    this.finish(queue, chain, copyIn(chain.writable, 0, event));
    return true;
  }
}
