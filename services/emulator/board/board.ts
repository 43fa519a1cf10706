// The board: all registers that a hart reaches by loads and stores outside RAM. Each hart's thread and the I/O thread
// build their own Board over the same Arena; the state they see is one.

import { CumuletError } from '#base';
import { Clint } from '../devices/clint.ts';
import { Plic } from '../devices/plic.ts';
import { Rtc, type WallTime } from '../devices/rtc.ts';
import { Syscon } from '../devices/syscon.ts';
import { Uart } from '../devices/uart.ts';
import type { HartBus } from '../hart/contract.ts';
import { HartStates } from '../sbi/hart-states.ts';
import { VirtioMmio } from '../virtio/mmio.ts';
import { RegisterFile } from '../virtio/register-file.ts';
import type { VirtioSlot } from '../virtio/registers.ts';
import { Arena } from './arena.ts';
import { GuestClock, type HostTime } from './clock.ts';
import type { HartLines } from './lines.ts';
import {
  CLINT_BASE,
  CLINT_SIZE,
  MAX_VIRTIO_SLOTS,
  PLIC_BASE,
  PLIC_SIZE,
  QEMU_VIRTIO_SLOTS,
  RTC_BASE,
  RTC_SIZE,
  TEST_BASE,
  TEST_SIZE,
  UART_BASE,
  UART_SIZE,
  VIRTIO_BASE,
  VIRTIO_SIZE,
} from './memory-map.ts';
import { Signals } from './signals.ts';

export interface BoardParts {
  readonly arena: SharedArrayBuffer;
  readonly lines: readonly HartLines[];
  readonly slots: readonly VirtioSlot[];
  readonly hostTime: HostTime;
  readonly wallTime: WallTime;
}

/** Slots without a device answer with DeviceID 0 (virtio 1.2, 4.2.2). */
const EMPTY_SLOT: VirtioSlot = { deviceId: 0, features: [], queues: [], config: [] };

export class Board implements HartBus {
  readonly lines: readonly HartLines[];
  readonly clock: GuestClock;
  readonly signals: Signals;
  readonly hartStates: HartStates;
  readonly plic: Plic;
  readonly clint: Clint;
  readonly uart: Uart;
  readonly rtc: Rtc;
  readonly syscon: Syscon;
  readonly files: readonly RegisterFile[];
  readonly #virtio: readonly VirtioMmio[];

  constructor(parts: BoardParts) {
    if (parts.slots.length > MAX_VIRTIO_SLOTS) {
      throw new CumuletError(
        'invalid',
        `a guest has room for ${MAX_VIRTIO_SLOTS} devices, and ${parts.slots.length} were asked for`,
      );
    }
    const arena = new Arena(parts.arena);
    this.lines = parts.lines;
    this.clock = new GuestClock(arena, parts.hostTime);
    this.signals = new Signals(arena);
    this.hartStates = new HartStates(arena, parts.lines);
    this.plic = new Plic(arena, parts.lines);
    this.clint = new Clint(arena, parts.lines, this.clock);
    this.uart = new Uart(arena, this.plic, this.signals);
    this.rtc = new Rtc(arena, this.plic, this.signals, parts.wallTime);
    this.syscon = new Syscon(this.signals);
    const empty = Math.max(0, QEMU_VIRTIO_SLOTS - parts.slots.length);
    const slots = [...parts.slots, ...Array.from({ length: empty }, () => EMPTY_SLOT)];
    this.files = slots.map((slot) => new RegisterFile(arena, slot));
    this.#virtio = this.files.map((file, index) => new VirtioMmio(index, file, this.plic, this.signals));
  }

  /** Registers as at power-on. Called by one thread while no hart runs. */
  reset(): void {
    this.plic.reset();
    this.clint.reset();
    this.uart.reset();
    this.rtc.reset();
    for (const file of this.files) file.reset();
    this.hartStates.reset();
    this.signals.clearPower();
  }

  time(): number {
    return this.clock.now();
  }

  load(gpa: number, size: 1 | 2 | 4 | 8): bigint | number | undefined {
    if (gpa >= VIRTIO_BASE) {
      const slot = this.#virtio[Math.floor((gpa - VIRTIO_BASE) / VIRTIO_SIZE)];
      if (slot === undefined) return undefined;
      const offset = (gpa - VIRTIO_BASE) % VIRTIO_SIZE;
      return size === 8 ? joined(slot.load(offset, 4), slot.load(offset + 4, 4)) : slot.load(offset, size);
    }
    if (gpa >= UART_BASE) {
      if (gpa >= UART_BASE + UART_SIZE) return undefined;
      const byte = this.uart.load(gpa - UART_BASE);
      return size === 8 ? BigInt(byte) : byte;
    }
    if (gpa >= PLIC_BASE) {
      if (gpa + size > PLIC_BASE + PLIC_SIZE) return undefined;
      const offset = gpa - PLIC_BASE;
      if (size === 8) return joined(this.plic.load(offset), this.plic.load(offset + 4));
      return size === 4 ? this.plic.load(offset) : undefined;
    }
    if (gpa >= CLINT_BASE) {
      if (gpa + size > CLINT_BASE + CLINT_SIZE) return undefined;
      // msip is an array of words; the rest are 64-bit registers, readable by halves.
      const offset = gpa - CLINT_BASE;
      const narrow = offset < 0x4000;
      const whole = this.clint.load(narrow ? offset & ~3 : offset & ~7);
      if (whole === undefined) return undefined;
      if (size === 8) return whole;
      return Number(BigInt.asUintN(size * 8, whole >> BigInt((offset & (narrow ? 3 : 7)) * 8)));
    }
    if (gpa >= RTC_BASE) {
      if (gpa + size > RTC_BASE + RTC_SIZE) return undefined;
      const offset = gpa - RTC_BASE;
      return size === 8 ? joined(this.rtc.load(offset), this.rtc.load(offset + 4)) : this.rtc.load(offset);
    }
    if (gpa >= TEST_BASE && gpa + size <= TEST_BASE + TEST_SIZE) return size === 8 ? 0n : this.syscon.load();
    return undefined;
  }

  store(gpa: number, size: 1 | 2 | 4 | 8, value: bigint | number): boolean {
    if (gpa >= VIRTIO_BASE) {
      const slot = this.#virtio[Math.floor((gpa - VIRTIO_BASE) / VIRTIO_SIZE)];
      if (slot === undefined) return false;
      const offset = (gpa - VIRTIO_BASE) % VIRTIO_SIZE;
      if (size === 8) {
        slot.store(offset, 4, low(value));
        slot.store(offset + 4, 4, high(value));
      } else {
        slot.store(offset, size, Number(value));
      }
      return true;
    }
    if (gpa >= UART_BASE) {
      if (gpa >= UART_BASE + UART_SIZE) return false;
      this.uart.store(gpa - UART_BASE, low(value));
      return true;
    }
    if (gpa >= PLIC_BASE) {
      if (gpa + size > PLIC_BASE + PLIC_SIZE || size < 4) return false;
      this.plic.store(gpa - PLIC_BASE, low(value));
      if (size === 8) this.plic.store(gpa - PLIC_BASE + 4, high(value));
      return true;
    }
    if (gpa >= CLINT_BASE) {
      if (gpa + size > CLINT_BASE + CLINT_SIZE) return false;
      this.#storeClint(gpa - CLINT_BASE, size, BigInt(value));
      return true;
    }
    if (gpa >= RTC_BASE) {
      if (gpa + size > RTC_BASE + RTC_SIZE) return false;
      this.rtc.store(gpa - RTC_BASE, low(value));
      if (size === 8) this.rtc.store(gpa - RTC_BASE + 4, high(value));
      return true;
    }
    if (gpa < TEST_BASE || gpa + size > TEST_BASE + TEST_SIZE) return false;
    this.syscon.store(gpa - TEST_BASE, low(value));
    return true;
  }

  /** A store narrower than the register leaves its other bytes (software on RV32 writes halves). */
  #storeClint(offset: number, size: number, value: bigint): void {
    if (offset < 0x4000) {
      this.clint.store(offset & ~3, BigInt.asUintN(32, value));
      if (size === 8) this.clint.store((offset & ~3) + 4, value >> 32n);
      return;
    }
    const at = offset & ~7;
    if (size === 8) {
      this.clint.store(at, value);
      return;
    }
    const shift = BigInt((offset & 7) * 8);
    const mask = ((1n << BigInt(size * 8)) - 1n) << shift;
    this.clint.store(at, BigInt.asUintN(64, ((this.clint.load(at) ?? 0n) & ~mask) | ((value << shift) & mask)));
  }
}

const joined = (lowWord: number, highWord: number): bigint => (BigInt(highWord >>> 0) << 32n) | BigInt(lowWord >>> 0);
const low = (value: bigint | number): number =>
  typeof value === 'bigint' ? Number(BigInt.asIntN(32, value)) : value | 0;
const high = (value: bigint | number): number =>
  typeof value === 'bigint' ? Number(BigInt.asIntN(32, value >> 32n)) : Math.floor(value / 0x1_0000_0000) | 0;
