// virtio-console (virtio 1.2, 5.3): a console, `hvc0`, with its size, and beside it any number of named ports (byte streams
// to programs of the host; /dev/vport<n>p<m> in the guest). Input that the guest has no room for waits here.
//
//   port 0: queues 0 and 1      control: 2 and 3      port n: 2n + 2 and 2n + 3      (receive, transmit)
//
// What the driver has to be told of a port is kept as a set of things still to be said, not as a list of messages: however
// often a guest asks, no more than that waits.

import type { ConsoleBackend, PortBackend } from '../backends.ts';
import { CONTROL_BYTES, decodeControl, EVENT, encodeControl, encodeName, encodeSize } from './console-control.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Virtqueue } from './queue.ts';
import { CONFIG_BYTES, DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut } from './segments.ts';

const F_SIZE = 0;
const F_MULTIPORT = 1;
const CONTROL_RECEIVE = 2;
const CONTROL_TRANSMIT = 3;
const QUEUE_SIZE = 64;
/** The transport has room for their queues. */
export const MAX_CONSOLE_PORTS = 8;
/** Input kept for a guest that does not read it; at a console what comes on top is dropped, at a port its sender waits. */
const MAX_INPUT = 64 * 1024;
const CHUNK = 64 * 1024;

export interface ConsoleOptions {
  /** The console; without it port 0 is the first of the named ones. */
  readonly console?: ConsoleBackend;
  readonly ports?: readonly { readonly name: string; readonly backend: PortBackend }[];
}

const portCount = ({ console, ports = [] }: ConsoleOptions): number => (console === undefined ? 0 : 1) + ports.length;

export const consoleSlot = (options: ConsoleOptions, columns = 80, rows = 25): VirtioSlot => {
  const config = new Uint8Array(CONFIG_BYTES);
  const ports = portCount(options);
  size(config, columns, rows);
  new DataView(config.buffer).setUint32(4, ports, true); // max_nr_ports
  const named = (options.ports ?? []).length > 0;
  return {
    deviceId: DEVICE_ID.CONSOLE,
    features: named ? [F_SIZE, F_MULTIPORT] : [F_SIZE],
    queues: Array.from({ length: named ? 2 * ports + 2 : 2 }, () => QUEUE_SIZE),
    config: [...config.subarray(0, 12)],
  };
};

function size(config: Uint8Array, columns: number, rows: number): void {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  view.setUint16(0, columns, true);
  view.setUint16(2, rows, true);
}

/** In the order in which a driver wants to hear it. */
const SAYINGS = ['add', 'console', 'size', 'name', 'open'] as const;
type Saying = (typeof SAYINGS)[number];

interface Port {
  readonly name: string;
  readonly isConsole: boolean;
  readonly write: (bytes: Uint8Array) => void;
  readonly drained: () => void;
  readonly guestOpened: (open: boolean) => void;
  input: Uint8Array;
  /** Its sender waits. */
  stalled: boolean;
  /** The driver has it. */
  ready: boolean;
  guestOpen: boolean;
  hostOpen: boolean;
  readonly unsaid: Set<Saying>;
}

export interface ConsoleStateV1 {
  readonly kind: 'virtio-console';
  readonly version: 1;
  readonly ports: readonly {
    readonly input: readonly number[];
    readonly ready: boolean;
    readonly guestOpen: boolean;
  }[];
}

export class VirtioConsole extends VirtioDevice {
  readonly kind = 'virtio-console';
  readonly #ports: readonly Port[];
  readonly #hasConsole: boolean;

  constructor(host: DeviceHost, { console, ports = [] }: ConsoleOptions) {
    super(host);
    this.#hasConsole = console !== undefined;
    const all: Port[] = [];
    const state = (): Pick<Port, 'input' | 'stalled' | 'ready' | 'guestOpen' | 'unsaid'> => ({
      ...{ input: new Uint8Array(0), stalled: false, ready: false, guestOpen: false, unsaid: new Set() },
    });
    const nothing = (): void => undefined;
    if (console !== undefined) {
      const write = (bytes: Uint8Array): void => console.write(bytes);
      const port: Port = {
        ...state(),
        name: '',
        isConsole: true,
        write,
        drained: nothing,
        guestOpened: nothing,
        hostOpen: true,
      };
      all.push(port);
      console.onInput((bytes) => void this.#take(port, bytes.subarray(0, MAX_INPUT - port.input.length)));
    }
    for (const { name, backend } of ports) {
      const port: Port = {
        ...state(),
        ...{ name, isConsole: false, hostOpen: false },
        write: (bytes) => backend.write(bytes),
        drained: () => backend.onDrain(),
        guestOpened: (open) => backend.onGuestOpen(open),
      };
      all.push(port);
      backend.onInput((bytes) => this.#take(port, bytes));
      backend.onOpen((open) => {
        port.hostOpen = open;
        this.#say(port, 'open');
      });
    }
    this.#ports = all;
  }

  /** False: this device has no console. */
  resize(columns: number, rows: number): boolean {
    if (!this.#hasConsole) return false;
    this.changeConfig((config) => size(config, columns, rows));
    this.#say(this.#ports[0]!, 'size');
    return true;
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index === CONTROL_RECEIVE) return this.#tell(queue);
    if (index === CONTROL_TRANSMIT) return this.#hear(queue);
    const port = this.#portOf(index);
    if (port === undefined) return false;
    if ((index & 1) === 0) return this.#give(port, queue);
    const chain = queue.pop();
    if (chain === undefined) return false;
    for (let at = 0; at < chain.readableBytes; at += CHUNK)
      port.write(copyOut(chain.readable, at, Math.min(CHUNK, chain.readableBytes - at)));
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    if (index === CONTROL_RECEIVE) return this.#ports.some((port) => port.unsaid.size > 0);
    if ((index & 1) === 1) return index === CONTROL_TRANSMIT || this.#portOf(index) !== undefined;
    const port = this.#portOf(index);
    return port !== undefined && this.#hasInput(port);
  }

  protected override onLive(): void {
    this.#ports.forEach((port) => {
      if (port.ready) port.unsaid.add('open');
      this.#offer(port);
    });
    this.#tellAll();
  }

  protected override onReset(): undefined {
    for (const port of this.#ports) this.#forget(port);
  }

  protected override saveOwn(): ConsoleStateV1 {
    const ports = this.#ports.map(({ input, ready, guestOpen }) => ({ input: [...input], ready, guestOpen }));
    return { kind: 'virtio-console', version: 1, ports };
  }

  protected override restoreOwn(own: unknown): void {
    const { ports } = own as ConsoleStateV1;
    this.#ports.forEach((port, index) => {
      const saved = ports[index];
      this.#forget(port);
      if (saved === undefined) return;
      port.input = Uint8Array.from(saved.input);
      port.ready = saved.ready;
      port.guestOpen = saved.guestOpen;
      if (saved.guestOpen) port.guestOpened(true);
    });
  }

  /** Without MULTIPORT there is port 0 alone (5.3.2). */
  #portOf(index: number): Port | undefined {
    if (index < CONTROL_RECEIVE) return this.#ports[0];
    return this.negotiated(F_MULTIPORT) ? this.#ports[(index >> 1) - 1] : undefined;
  }

  #queueOf(port: Port): Virtqueue | undefined {
    const number = this.#ports.indexOf(port);
    return this.queue(number === 0 ? 0 : 2 * number + 2);
  }

  /** Input for the guest. False: no more until drained. */
  #take(port: Port, bytes: Uint8Array): boolean {
    const all = new Uint8Array(port.input.length + bytes.length);
    all.set(port.input);
    all.set(bytes, port.input.length);
    port.input = all;
    if (this.live) this.guarded(() => this.#offer(port));
    port.stalled = port.input.length >= MAX_INPUT;
    return !port.stalled;
  }

  /** A driver throws away what comes to a port that no program of the guest has open. */
  #hasInput(port: Port): boolean {
    if (port.input.length === 0) return false;
    return port.isConsole || port.guestOpen || !this.negotiated(F_MULTIPORT);
  }

  #offer(port: Port): void {
    const queue = this.#queueOf(port);
    if (queue === undefined) return;
    while (this.#give(port, queue));
    if (!this.#hasInput(port)) return;
    queue.wantNotify();
    // The driver may have been quicker than the question.
    while (this.#give(port, queue));
  }

  #give(port: Port, queue: Virtqueue): boolean {
    if (!this.#hasInput(port)) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    const count = copyIn(chain.writable, 0, port.input);
    port.input = port.input.slice(count);
    this.finish(queue, chain, count);
    if (port.stalled && port.input.length < MAX_INPUT / 2) {
      port.stalled = false;
      port.drained();
    }
    return true;
  }

  // Control

  /** A message of the driver (5.3.6.2). */
  #hear(queue: Virtqueue): boolean {
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.readableBytes < CONTROL_BYTES) throw new VirtioFault(`a control message of ${chain.readableBytes} bytes`);
    const { port: number, event, value } = decodeControl(copyOut(chain.readable, 0, CONTROL_BYTES));
    this.finish(queue, chain, 0);
    if (event === EVENT.DEVICE_READY) {
      if (value === 1) for (const port of this.#ports) port.unsaid.add('add');
      this.#tellAll();
      return true;
    }
    const port = this.#ports[number];
    // A port that there is none of, or an event that a driver does not send: nothing to do.
    if (port === undefined) return true;
    if (event === EVENT.PORT_READY) {
      port.ready = value === 1;
      if (port.ready) this.#introduce(port);
      else port.unsaid.clear();
      this.#tellAll();
    } else if (event === EVENT.PORT_OPEN && port.guestOpen !== (value === 1)) {
      port.guestOpen = value === 1;
      port.guestOpened(port.guestOpen);
      this.#offer(port);
    }
    return true;
  }

  #introduce(port: Port): void {
    if (port.isConsole) port.unsaid.add('console').add('size');
    if (port.name !== '') port.unsaid.add('name');
    port.unsaid.add('open');
  }

  #say(port: Port, saying: Saying): void {
    if (!port.ready) return;
    port.unsaid.add(saying);
    this.#tellAll();
  }

  #tellAll(): void {
    const queue = this.live && this.negotiated(F_MULTIPORT) ? this.queue(CONTROL_RECEIVE) : undefined;
    if (queue === undefined) return;
    this.guarded(() => {
      while (this.#tell(queue));
      queue.wantNotify();
      while (this.#tell(queue));
    });
  }

  /** One message to the driver. */
  #tell(queue: Virtqueue): boolean {
    const number = this.#ports.findIndex((port) => port.unsaid.size > 0);
    const port = this.#ports[number];
    if (port === undefined) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    const saying = SAYINGS.find((one) => port.unsaid.has(one))!;
    port.unsaid.delete(saying);
    this.finish(queue, chain, copyIn(chain.writable, 0, this.#message(number, port, saying)));
    return true;
  }

  #message(number: number, port: Port, saying: Saying): Uint8Array {
    switch (saying) {
      case 'add':
        return encodeControl(number, EVENT.PORT_ADD, 1);
      case 'console':
        return encodeControl(number, EVENT.CONSOLE_PORT, 1);
      case 'size': {
        const view = new DataView(this.host.file.config.buffer, this.host.file.config.byteOffset);
        return encodeSize(number, view.getUint16(0, true), view.getUint16(2, true));
      }
      case 'name':
        return encodeName(number, port.name);
      case 'open':
        return encodeControl(number, EVENT.PORT_OPEN, port.hostOpen ? 1 : 0);
    }
  }

  #forget(port: Port): void {
    const wasOpen = port.guestOpen;
    port.input = new Uint8Array(0);
    port.ready = false;
    port.guestOpen = false;
    port.unsaid.clear();
    if (wasOpen) port.guestOpened(false);
    if (port.stalled) port.drained();
    port.stalled = false;
  }
}
