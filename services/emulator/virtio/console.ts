// virtio-console (virtio 1.2, 5.3): one port, `hvc0`, with its size. Input that the guest has no room for waits here.

import type { ConsoleBackend } from '../backends.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Virtqueue } from './queue.ts';
import { CONFIG_BYTES, DEVICE_ID, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut } from './segments.ts';

const F_SIZE = 0;
const RECEIVE = 0;
const TRANSMIT = 1;
const QUEUE_SIZE = 64;
/** Input kept for a guest that does not read it; what comes on top is dropped. */
const MAX_INPUT = 64 * 1024;
const CHUNK = 64 * 1024;

export const consoleSlot = (columns = 80, rows = 25): VirtioSlot => {
  const config = new Uint8Array(CONFIG_BYTES);
  size(config, columns, rows);
  return {
    deviceId: DEVICE_ID.CONSOLE,
    features: [F_SIZE],
    queues: [QUEUE_SIZE, QUEUE_SIZE],
    config: [...config.subarray(0, 12)],
  };
};

function size(config: Uint8Array, columns: number, rows: number): void {
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength);
  view.setUint16(0, columns, true);
  view.setUint16(2, rows, true);
}

export class VirtioConsole extends VirtioDevice {
  readonly kind = 'virtio-console';
  readonly #backend: ConsoleBackend;
  #input: Uint8Array = new Uint8Array(0);

  constructor(host: DeviceHost, backend: ConsoleBackend) {
    super(host);
    this.#backend = backend;
    backend.onInput((bytes) => this.#take(bytes));
  }

  resize(columns: number, rows: number): void {
    this.changeConfig((config) => size(config, columns, rows));
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    if (index === RECEIVE) return this.#give(queue);
    if (index !== TRANSMIT) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    for (let at = 0; at < chain.readableBytes; at += CHUNK)
      this.#backend.write(copyOut(chain.readable, at, Math.min(CHUNK, chain.readableBytes - at)));
    this.finish(queue, chain, 0);
    return true;
  }

  protected override wantsMore(index: number): boolean {
    return index === TRANSMIT || this.#input.length > 0;
  }

  protected override onLive(): void {
    this.#offer();
  }

  protected override onReset(): undefined {
    this.#input = new Uint8Array(0);
  }

  protected override saveOwn(): unknown {
    return { input: [...this.#input] };
  }

  protected override restoreOwn(own: unknown): void {
    this.#input = Uint8Array.from((own as { input: number[] }).input);
  }

  #take(bytes: Uint8Array): void {
    const kept = bytes.subarray(0, MAX_INPUT - this.#input.length);
    const all = new Uint8Array(this.#input.length + kept.length);
    all.set(this.#input);
    all.set(kept, this.#input.length);
    this.#input = all;
    if (this.live) this.guarded(() => this.#offer());
  }

  #offer(): void {
    const queue = this.queue(RECEIVE);
    if (queue === undefined) return;
    while (this.#give(queue));
    queue.wantNotify();
  }

  #give(queue: Virtqueue): boolean {
    if (this.#input.length === 0) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    const count = copyIn(chain.writable, 0, this.#input);
    this.#input = this.#input.slice(count);
    this.finish(queue, chain, count);
    return true;
  }
}
