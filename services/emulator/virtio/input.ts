// virtio-input (virtio 1.2, 5.8): the power button, a keyboard and an absolute pointer (a tablet: the guest's pointer is
// where the viewer's is). Events carry the codes of Linux's input layer.
//
// Events go out in reports that end with SYN_REPORT. A report that finds no buffers waits for some, so that no key hangs
// because its release was lost; beyond a limit whole reports are dropped.

import { VirtioDevice } from './device.ts';
import type { Virtqueue } from './queue.ts';
import { DEVICE_ID, type VirtioSlot } from './registers.ts';
import { copyIn } from './segments.ts';

// Config selectors, 5.8.2.
const CFG_ID_NAME = 1;
const CFG_ID_SERIAL = 2;
const CFG_ID_DEVIDS = 3;
const CFG_EV_BITS = 0x11;
const CFG_ABS_INFO = 0x12;

// Linux input event codes.
const EV_SYN = 0;
const EV_KEY = 1;
const EV_REL = 2;
const EV_ABS = 3;
const EV_REP = 0x14;
const KEY_POWER = 116;
/** Keys of keyboards; above are buttons. */
const MAX_KEY = 248;
const BTN_LEFT = 0x110;
const BTN_RIGHT = 0x111;
const BTN_MIDDLE = 0x112;
const REL_HWHEEL = 6;
const REL_WHEEL = 8;
const ABS_X = 0;
const ABS_Y = 1;
const BUS_VIRTUAL = 6;
const EVENT_BYTES = 8;
const EVENTS = 0;
const QUEUE_SIZE = 64;
/** Events that wait for a guest which gives no buffers. */
const MAX_WAITING = 256;

/** The range of both axes of the tablet. */
export const TABLET_RANGE = 0x7fff;

/** type, code, value. */
export type InputEvent = readonly [type: number, code: number, value: number];

const text = (value: string): number[] => [...new TextEncoder().encode(value)];

function bits(codes: readonly number[]): number[] {
  const bytes = Array.from({ length: (Math.max(...codes) >> 3) + 1 }, () => 0);
  for (const code of codes) bytes[code >> 3]! |= 1 << (code & 7);
  return bytes;
}

/** struct virtio_input_absinfo: min, max, fuzz, flat, res. */
const axis = (): number[] => [...new Uint8Array(new Uint32Array([0, TABLET_RANGE, 0, 0, 0]).buffer)];

const inputSlot = (
  name: string,
  serial: string,
  product: number,
  config: Readonly<Record<string, readonly number[]>>,
): VirtioSlot => ({
  deviceId: DEVICE_ID.INPUT,
  features: [],
  queues: [QUEUE_SIZE, QUEUE_SIZE],
  config: [],
  inputConfig: {
    [`${CFG_ID_NAME}.0`]: text(name),
    [`${CFG_ID_SERIAL}.0`]: text(serial),
    [`${CFG_ID_DEVIDS}.0`]: [BUS_VIRTUAL, 0, 0, 0, product, 0, 1, 0],
    ...config,
  },
});

export const powerButtonSlot = inputSlot('Power Button', 'power0', 1, {
  [`${CFG_EV_BITS}.${EV_KEY}`]: bits([KEY_POWER]),
});

export const keyboardSlot = inputSlot('Keyboard', 'keyboard0', 2, {
  [`${CFG_EV_BITS}.${EV_KEY}`]: bits(Array.from({ length: MAX_KEY }, (_, key) => key + 1)),
  // The guest repeats a key that is held down.
  [`${CFG_EV_BITS}.${EV_REP}`]: [0],
});

export const tabletSlot = inputSlot('Tablet', 'tablet0', 3, {
  [`${CFG_EV_BITS}.${EV_KEY}`]: bits([BTN_LEFT, BTN_RIGHT, BTN_MIDDLE]),
  [`${CFG_EV_BITS}.${EV_REL}`]: bits([REL_WHEEL, REL_HWHEEL]),
  [`${CFG_EV_BITS}.${EV_ABS}`]: bits([ABS_X, ABS_Y]),
  [`${CFG_ABS_INFO}.${ABS_X}`]: axis(),
  [`${CFG_ABS_INFO}.${ABS_Y}`]: axis(),
});

export abstract class VirtioInput extends VirtioDevice {
  #waiting: InputEvent[] = [];

  /** Sends the events as one report. False: no driver listens, or too many wait already. */
  protected report(events: readonly InputEvent[]): boolean {
    if (!this.live || this.#waiting.length + events.length >= MAX_WAITING) return false;
    this.#waiting.push(...events, [EV_SYN, 0, 0]);
    this.#offer();
    return true;
  }

  /** No event waits for a buffer. */
  protected get allSent(): boolean {
    return this.#waiting.length === 0;
  }

  /** Forgets what waits. */
  protected drop(): void {
    this.#waiting = [];
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index === EVENTS) return this.#give(queue);
    // The status queue sets LEDs; these devices have none (5.8.6.2).
    const chain = queue.pop();
    if (chain === undefined) return false;
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    return index !== EVENTS || this.#waiting.length > 0;
  }

  protected override onLive(): void {
    this.#offer();
  }

  protected override onReset(): undefined {
    this.#waiting = [];
  }

  protected override saveOwn(): unknown {
    return { waiting: this.#waiting };
  }

  protected override restoreOwn(own: unknown): void {
    this.#waiting = [...((own as { waiting?: InputEvent[] } | undefined)?.waiting ?? [])];
  }

  #offer(): void {
    this.guarded(() => {
      const queue = this.queue(EVENTS);
      if (queue === undefined) return;
      while (this.#give(queue));
      queue.wantNotify();
    });
  }

  #give(queue: Virtqueue): boolean {
    const [next] = this.#waiting;
    if (next === undefined) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    this.#waiting.shift();
    const event = new Uint8Array(EVENT_BYTES);
    const view = new DataView(event.buffer);
    view.setUint16(0, next[0], true);
    view.setUint16(2, next[1], true);
    view.setUint32(4, next[2], true);
    this.finish(queue, chain, copyIn(chain.writable, 0, event));
    return true;
  }
}

/** acpid and systemd-logind watch for KEY_POWER. */
export class VirtioPowerButton extends VirtioInput {
  readonly kind = 'virtio-input';

  /** Presses and lets go. False: no driver listens, or it gave no buffers. */
  press(): boolean {
    const pressed = this.report([[EV_KEY, KEY_POWER, 1]]) && this.report([[EV_KEY, KEY_POWER, 0]]) && this.allSent;
    // A press that nobody took is over: it must not shut the guest down when a driver comes.
    if (!pressed) this.drop();
    return pressed && this.live;
  }
}

export class VirtioKeyboard extends VirtioInput {
  readonly kind = 'virtio-input-keyboard';

  key(code: number, down: boolean): boolean {
    return this.report([[EV_KEY, code, down ? 1 : 0]]);
  }
}

/** What the pointer is and does: x and y of TABLET_RANGE, buttons that are down, notches of the wheels. */
export interface PointerReport {
  readonly x: number;
  readonly y: number;
  readonly left: boolean;
  readonly middle: boolean;
  readonly right: boolean;
  /** Up, and right, are positive. */
  readonly wheel: number;
  readonly sideWheel: number;
}

export class VirtioTablet extends VirtioInput {
  readonly kind = 'virtio-input-tablet';

  pointer(report: PointerReport): boolean {
    const events: InputEvent[] = [
      [EV_ABS, ABS_X, report.x],
      [EV_ABS, ABS_Y, report.y],
      [EV_KEY, BTN_LEFT, report.left ? 1 : 0],
      [EV_KEY, BTN_MIDDLE, report.middle ? 1 : 0],
      [EV_KEY, BTN_RIGHT, report.right ? 1 : 0],
    ];
    if (report.wheel !== 0) events.push([EV_REL, REL_WHEEL, report.wheel]);
    if (report.sideWheel !== 0) events.push([EV_REL, REL_HWHEEL, report.sideWheel]);
    return this.report(events);
  }
}
