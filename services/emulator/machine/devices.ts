// The virtio devices of a machine and what serves them on the I/O thread.

import type { BlockBackend, ConsoleBackend, EntropyBackend, FrameBackend, SocketBackend } from '../backends.ts';
import type { Board } from '../board/board.ts';
import type { GuestMemory } from '../board/guest-memory.ts';
import { BOARD_SIGNAL, type PowerRequest } from '../board/signals.ts';
import type { Framebuffer } from '../display/framebuffer.ts';
import { balloonSlot, VirtioBalloon } from '../virtio/balloon.ts';
import { type BlockOptions, blockSlot, VirtioBlock } from '../virtio/block.ts';
import { type ConsoleOptions, consoleSlot, VirtioConsole } from '../virtio/console.ts';
import type { DeviceHost, VirtioDevice } from '../virtio/device.ts';
import { gpuSlot, VirtioGpu } from '../virtio/gpu.ts';
import {
  keyboardSlot,
  powerButtonSlot,
  tabletSlot,
  VirtioKeyboard,
  VirtioPowerButton,
  VirtioTablet,
} from '../virtio/input.ts';
import { type NetOptions, netSlot, VirtioNet } from '../virtio/net.ts';
import type { VirtioSlot } from '../virtio/registers.ts';
import { rngSlot, VirtioRng } from '../virtio/rng.ts';
import { VirtioVsock, vsockSlot } from '../virtio/vsock.ts';

export type DeviceSpec =
  | { readonly type: 'block'; readonly backend: BlockBackend; readonly serial: string; readonly options?: BlockOptions }
  | { readonly type: 'net'; readonly backend: FrameBackend; readonly options: NetOptions }
  | ({ readonly type: 'console' } & ConsoleOptions)
  | { readonly type: 'rng'; readonly backend: EntropyBackend }
  | { readonly type: 'gpu'; readonly screen: Framebuffer }
  | { readonly type: 'keyboard' }
  | { readonly type: 'tablet' }
  | { readonly type: 'balloon' }
  | { readonly type: 'vsock'; readonly backend: SocketBackend; readonly cid: number }
  | { readonly type: 'power-button' };

export function slotOf(spec: DeviceSpec): VirtioSlot {
  switch (spec.type) {
    case 'block':
      return blockSlot(spec.backend, spec.options);
    case 'net':
      return netSlot(spec.options);
    case 'console':
      return consoleSlot(spec);
    case 'rng':
      return rngSlot;
    case 'gpu':
      return gpuSlot;
    case 'keyboard':
      return keyboardSlot;
    case 'tablet':
      return tabletSlot;
    case 'balloon':
      return balloonSlot;
    case 'vsock':
      return vsockSlot(spec.cid);
    case 'power-button':
      return powerButtonSlot;
  }
}

function deviceOf(spec: DeviceSpec, host: DeviceHost): VirtioDevice {
  switch (spec.type) {
    case 'block':
      return new VirtioBlock(host, spec.backend, spec.serial);
    case 'net':
      return new VirtioNet(host, spec.backend, spec.options);
    case 'console':
      return new VirtioConsole(host, spec);
    case 'rng':
      return new VirtioRng(host, spec.backend);
    case 'gpu':
      return new VirtioGpu(host, spec.screen);
    case 'keyboard':
      return new VirtioKeyboard(host);
    case 'tablet':
      return new VirtioTablet(host);
    case 'balloon':
      return new VirtioBalloon(host);
    case 'vsock':
      return new VirtioVsock(host, spec.backend, spec.cid);
    case 'power-button':
      return new VirtioPowerButton(host);
  }
}

export interface DeviceEvents {
  /** The guest asks for power-off or reset, or reports a failure. */
  power(request: PowerRequest): void;
  /** The RTC's alarm may have moved: call pollAlarm() after so many milliseconds (undefined: none is armed). */
  alarm(milliseconds: number | undefined): void;
}

export class DeviceSet {
  readonly devices: readonly VirtioDevice[];
  readonly #board: Board;
  readonly #serial: ConsoleBackend;
  readonly #events: DeviceEvents;
  readonly #resetting = new Set<number>();

  constructor(
    board: Board,
    ram: GuestMemory,
    specs: readonly DeviceSpec[],
    serial: ConsoleBackend,
    events: DeviceEvents,
  ) {
    this.#board = board;
    this.#serial = serial;
    this.#events = events;
    const { plic, signals, files } = board;
    this.devices = specs.map((spec, index) => deviceOf(spec, { index, file: files[index]!, ram, plic, signals }));
    serial.onInput((bytes) => board.uart.receive(bytes));
  }

  /** Does what harts have posted since the last call. */
  service(): void {
    const { signals } = this.#board;
    const board = signals.takeBoard();
    if ((board & BOARD_SIGNAL.SERIAL) !== 0) this.flushSerial();
    if ((board & BOARD_SIGNAL.ALARM) !== 0) this.pollAlarm();
    for (let slot = 0; slot < this.devices.length; slot++) {
      if (signals.resetWanted(slot)) this.#reset(slot);
      const bits = signals.takeSlot(slot);
      if (bits !== 0) this.devices[slot]!.service(bits);
    }
    if ((board & BOARD_SIGNAL.POWER) !== 0) {
      const request = signals.powerRequest();
      // What the guest said last comes out first.
      this.flushSerial();
      if (request !== undefined) this.#events.power(request);
    }
  }

  flushSerial(): void {
    const bytes = this.#board.uart.drain();
    if (bytes.length > 0) this.#serial.write(bytes);
  }

  pollAlarm(): void {
    this.#events.alarm(this.#board.rtc.poll());
  }

  /** For a machine on one thread: the driver's reset is carried out at once. */
  resetNow(slot: number): void {
    this.#board.signals.takeSlot(slot);
    this.devices[slot]?.reset();
  }

  /** Takes no more requests and resolves when those under way are done. */
  async quiesce(): Promise<void> {
    for (const device of this.devices) device.pause();
    for (const device of this.devices) await device.idle();
  }

  resume(): void {
    for (const device of this.devices) device.resume();
    this.pollAlarm();
  }

  /** Everything that drivers have set up is forgotten: power-on. */
  async reset(): Promise<void> {
    for (const device of this.devices) await device.reset();
  }

  /** A reset that waits for requests under way is announced to the waiting hart when they are done. */
  #reset(slot: number): void {
    if (this.#resetting.has(slot)) return;
    const { signals } = this.#board;
    signals.takeSlot(slot);
    const under = this.devices[slot]!.reset();
    if (under === undefined) {
      signals.resetDone(slot);
      return;
    }
    this.#resetting.add(slot);
    void under.then(() => {
      this.#resetting.delete(slot);
      signals.resetDone(slot);
    });
  }
}
