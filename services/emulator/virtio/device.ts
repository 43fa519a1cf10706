// The device's side of a slot, on the I/O thread: what block, net, console, rng and input have in common.
//
//   reset ──DRIVER_OK──► live ──fault──► needs reset ──Status=0──► reset
//
// A fault of the guest (VirtioFault) sets DEVICE_NEEDS_RESET (virtio 1.2, 2.1.2) and stops the device until its driver
// resets it; a fault of ours (any other exception) ends the machine.

import type { GuestMemory } from '../board/guest-memory.ts';
import { virtioSource } from '../board/memory-map.ts';
import type { Signals } from '../board/signals.ts';
import type { Plic } from '../devices/plic.ts';
import { type Chain, Virtqueue, type VirtqueueStateV1 } from './queue.ts';
import { Q, type RegisterFile, type RegisterFileStateV1, W } from './register-file.ts';
import { F_EVENT_IDX, INTERRUPT, MAX_QUEUES, STATUS, VirtioFault } from './registers.ts';

export interface DeviceHost {
  readonly index: number;
  readonly file: RegisterFile;
  readonly ram: GuestMemory;
  readonly plic: Plic;
  readonly signals: Signals;
}

export interface VirtioDeviceStateV1 {
  readonly kind: string;
  readonly version: 1;
  readonly registers: RegisterFileStateV1;
  /** By queue number; undefined where the driver has set none up. */
  readonly queues: readonly (VirtqueueStateV1 | null)[];
  /** What one kind of device keeps beside. */
  readonly own?: unknown;
}

/** So many buffers of one queue are served before other work gets its turn. */
const TURN = 256;
const ALL_QUEUES = (1 << MAX_QUEUES) - 1;

export abstract class VirtioDevice {
  abstract readonly kind: string;
  protected readonly host: DeviceHost;
  readonly #queues: (Virtqueue | undefined)[] = [];
  #live = false;
  #paused = false;
  readonly #level = (): boolean => Atomics.load(this.host.file.words, W.INTERRUPT_STATUS) !== 0;

  constructor(host: DeviceHost) {
    this.host = host;
    host.file.config.set(host.file.slot.config);
  }

  /** Takes one available buffer and serves it, or begins to; false when it took none. */
  protected abstract serve(queue: Virtqueue, index: number): boolean;

  /** The driver is ready, or the machine goes on after a pause. */
  protected onLive(): void {}

  /** Forget all that belongs to the driver's buffers. Resolves when none is in use any more. */
  protected onReset(): Promise<void> | undefined {
    return undefined;
  }

  /** Resolves when no request is under way. */
  idle(): Promise<void> | undefined {
    return undefined;
  }

  protected saveOwn(): unknown {
    return undefined;
  }

  protected restoreOwn(_own: unknown): void {}

  get live(): boolean {
    return this.#live && !this.#paused;
  }

  /** Bits of queues (and SLOT_DRIVER_OK) that harts have posted. */
  service(bits: number): void {
    if (this.#paused) return; // resume() looks at all queues again
    this.guarded(() => {
      // A notify that came before DRIVER_OK was not heard, though Linux's balloon sends one: all queues are looked at then.
      const starts = !this.#live;
      if (starts && !this.#start()) return;
      const wanted = starts ? ALL_QUEUES : bits;
      for (let index = 0; index < this.host.file.slot.queues.length; index++) {
        if ((wanted & (1 << index)) !== 0) this.#serveQueue(index);
      }
    });
  }

  /** Runs `work`; a fault of the guest stops the device. */
  protected guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof VirtioFault)) throw error;
      this.fail();
    }
  }

  /** DEVICE_NEEDS_RESET, and the config interrupt that tells the driver. */
  protected fail(): void {
    this.#live = false;
    Atomics.or(this.host.file.words, W.STATUS, STATUS.DEVICE_NEEDS_RESET);
    this.#interrupt(INTERRUPT.CONFIG_CHANGE);
  }

  /** The driver wrote 0 to Status. Returns a promise when requests are still under way. */
  reset(): Promise<void> | undefined {
    this.#live = false;
    this.#queues.length = 0;
    const done = this.onReset();
    if (done !== undefined) return done.then(() => this.#clear());
    this.#clear();
    return undefined;
  }

  /** Takes no more buffers until resume(). */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#live) this.guarded(() => this.onLive());
    this.service(ALL_QUEUES);
  }

  protected queue(index: number): Virtqueue | undefined {
    return this.#queues[index];
  }

  protected negotiated(bit: number): boolean {
    return this.host.file.negotiated(bit);
  }

  /** Returns a buffer; interrupts the driver if it wants that. */
  protected finish(queue: Virtqueue, chain: Chain, written: number): void {
    queue.push(chain, written);
    this.signal(queue);
  }

  /** Interrupts the driver if it wants to hear of what was returned. */
  protected signal(queue: Virtqueue): void {
    if (queue.needsInterrupt()) this.#interrupt(INTERRUPT.USED_BUFFER);
  }

  /** The config space has changed: a new generation, and the interrupt (2.5.1). */
  protected changeConfig(change: (config: Uint8Array) => void): void {
    Atomics.add(this.host.file.words, W.CONFIG_GENERATION, 1);
    change(this.host.file.config);
    Atomics.add(this.host.file.words, W.CONFIG_GENERATION, 1);
    if (this.#live) this.#interrupt(INTERRUPT.CONFIG_CHANGE);
  }

  save(): VirtioDeviceStateV1 {
    const queues = this.host.file.slot.queues.map((_, index) => this.#queues[index]?.save() ?? null);
    return { kind: this.kind, version: 1, registers: this.host.file.save(), queues, own: this.saveOwn() };
  }

  /** The machine is paused; RAM and the PLIC have been restored. */
  restore(state: VirtioDeviceStateV1): void {
    this.host.file.restore(state.registers);
    this.#queues.length = 0;
    this.#live = false;
    this.restoreOwn(state.own);
    const status = this.host.file.words[W.STATUS]!;
    if ((status & STATUS.DRIVER_OK) === 0 || (status & STATUS.DEVICE_NEEDS_RESET) !== 0) return;
    this.guarded(() => {
      this.#live = true;
      state.queues.forEach((saved, index) => {
        if (saved === null) return;
        const queue = this.#setUp(index);
        queue?.restore(saved);
      });
    });
  }

  #start(): boolean {
    const status = Atomics.load(this.host.file.words, W.STATUS);
    if ((status & STATUS.DRIVER_OK) === 0 || (status & (STATUS.DEVICE_NEEDS_RESET | STATUS.FAILED)) !== 0) return false;
    this.#live = true;
    for (let index = 0; index < this.host.file.slot.queues.length; index++) this.#setUp(index);
    this.onLive();
    return true;
  }

  #setUp(index: number): Virtqueue | undefined {
    const { file, ram } = this.host;
    const word = (name: number): number => file.words[file.queueWord(index, name)]! >>> 0;
    if (word(Q.READY) !== 1) return undefined;
    const address = (low: number): number => word(low + 1) * 0x1_0000_0000 + word(low);
    const addresses = {
      size: word(Q.NUM),
      maxSize: file.slot.queues[index]!,
      desc: address(Q.DESC_LOW),
      driver: address(Q.DRIVER_LOW),
      device: address(Q.DEVICE_LOW),
    };
    const queue = new Virtqueue(ram, addresses, file.negotiated(F_EVENT_IDX));
    this.#queues[index] = queue;
    return queue;
  }

  #serveQueue(index: number): void {
    // A queue made ready after DRIVER_OK is set up by its first notify.
    const queue = this.#queues[index] ?? this.#setUp(index);
    if (queue === undefined) return;
    queue.suppressNotify();
    for (let served = 0; served < TURN; served++) {
      const took = this.serve(queue, index);
      if (!this.#live) return;
      if (took) continue;
      queue.wantNotify();
      if (queue.available() === 0 || !this.wantsMore(index)) return;
    }
    // Others get their turn; the rest is posted to ourselves.
    this.host.signals.notifyQueue(this.host.index, index);
  }

  /** False while the device leaves available buffers in a queue on purpose (those for input to come). */
  protected wantsMore(_index: number): boolean {
    return true;
  }

  #clear(): void {
    this.host.file.reset();
    this.#drive();
  }

  #interrupt(bit: number): void {
    Atomics.or(this.host.file.words, W.INTERRUPT_STATUS, bit);
    this.#drive();
  }

  #drive(): void {
    this.host.plic.drive(virtioSource(this.host.index), this.#level);
  }
}
