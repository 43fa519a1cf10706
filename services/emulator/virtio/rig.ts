// A board with devices and no harts, for tests of devices: the test is the guest.

import type { ConsoleBackend } from '../backends.ts';
import { ARENA_BYTES } from '../board/arena.ts';
import { Board } from '../board/board.ts';
import { GuestMemory } from '../board/guest-memory.ts';
import { SharedHartLines } from '../board/lines.ts';
import type { PowerRequest } from '../board/signals.ts';
import { DeviceSet, type DeviceSpec, slotOf } from '../machine/devices.ts';
import { Driver } from './driver.ts';

export class Rig {
  readonly board: Board;
  readonly ram: GuestMemory;
  readonly devices: DeviceSet;
  readonly lines: readonly SharedHartLines[];
  readonly power: PowerRequest[] = [];
  readonly alarms: (number | undefined)[] = [];
  readonly printed: number[] = [];
  hostMs = 0;
  wallMs = 1_700_000_000_000;
  type: (bytes: Uint8Array) => void = () => undefined;

  constructor(specs: readonly DeviceSpec[] = [], harts = 1, ramBytes = 4 * 1024 * 1024) {
    const words = new SharedArrayBuffer(harts * 64);
    this.lines = Array.from(
      { length: harts },
      (_, hart) => new SharedHartLines(words, { lines: hart * 64, requests: hart * 64 + 4, wake: hart * 64 + 8 }),
    );
    this.ram = new GuestMemory(new SharedArrayBuffer(ramBytes));
    this.board = new Board({
      arena: new SharedArrayBuffer(ARENA_BYTES),
      lines: this.lines,
      slots: specs.map(slotOf),
      hostTime: () => this.hostMs,
      wallTime: () => this.wallMs,
    });
    const serial: ConsoleBackend = {
      write: (bytes) => this.printed.push(...bytes),
      onInput: (receive) => {
        this.type = receive;
      },
    };
    this.devices = new DeviceSet(this.board, this.ram, specs, serial, {
      power: (request) => this.power.push(request),
      alarm: (milliseconds) => this.alarms.push(milliseconds),
    });
    this.board.signals.onLocalReset = (slot) => this.devices.resetNow(slot);
    this.board.reset();
    this.board.clock.set(0);
    this.board.clock.thaw();
  }

  driver(slot: number, ringsAt?: number): Driver {
    return new Driver(this.board, this.ram, slot, ringsAt);
  }

  /** Lets the devices do what was posted, and their backends finish. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) {
      this.devices.service();
      await Promise.resolve();
    }
  }
}

/** A disk in memory. */
export class MemoryDisk {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly readOnly: boolean;
  flushes = 0;
  /** Throws this at the next request. */
  failure: Error | undefined;

  constructor(size: number, readOnly = false) {
    this.size = size;
    this.readOnly = readOnly;
    this.bytes = new Uint8Array(size);
  }

  async read(offset: number, into: readonly Uint8Array[]): Promise<void> {
    this.#mayFail();
    let at = offset;
    for (const part of into) {
      part.set(this.bytes.subarray(at, at + part.length));
      at += part.length;
    }
  }

  async write(offset: number, from: readonly Uint8Array[]): Promise<void> {
    this.#mayFail();
    let at = offset;
    for (const part of from) {
      this.bytes.set(part, at);
      at += part.length;
    }
  }

  async flush(): Promise<void> {
    this.flushes++;
  }

  async discard(offset: number, length: number): Promise<void> {
    this.bytes.fill(0, offset, offset + length);
  }

  async writeZeroes(offset: number, length: number): Promise<void> {
    this.bytes.fill(0, offset, offset + length);
  }

  async close(): Promise<void> {}

  #mayFail(): void {
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}
