// Why a hart left guest code, counted: registers of devices that it touched, SBI functions that it called, waits. What it
// handled without leaving (traps into the guest's own handlers) the hart counts itself.

import {
  CLINT_BASE,
  PLIC_BASE,
  RTC_BASE,
  TEST_BASE,
  UART_BASE,
  UART_SIZE,
  VIRTIO_BASE,
  VIRTIO_SIZE,
} from '../board/memory-map.ts';
import type { HartBus } from '../hart/contract.ts';
import type { VirtioSlot } from '../virtio/registers.ts';

export interface ExitCount {
  readonly reason: 'mmio' | 'sbi' | 'wfi' | 'exception' | 'interrupt';
  /** The device, the function, the cause. */
  readonly detail: string;
  readonly count: number;
}

/** Virtio device ids (virtio 1.2, chapter 5). */
const VIRTIO_NAMES: Readonly<Record<number, string>> = {
  1: 'net',
  2: 'block',
  3: 'console',
  4: 'rng',
  5: 'balloon',
  9: '9p',
  16: 'gpu',
  18: 'input',
  19: 'vsock',
  26: 'fs',
};

export const virtioName = (deviceId: number): string => VIRTIO_NAMES[deviceId] ?? `device-${deviceId}`;

/** Extensions are numbered by the letters of their names. */
const eid = (letters: string): number => [...letters].reduce((number, c) => number * 256 + c.charCodeAt(0), 0);

/** SBI 2.0, by EID: the extension and its functions in the order of their FIDs. */
const SBI: Readonly<Record<number, readonly [string, ...string[]]>> = {
  0: ['legacy', 'set_timer'],
  1: ['legacy', 'console_putchar'],
  2: ['legacy', 'console_getchar'],
  3: ['legacy', 'clear_ipi'],
  8: ['legacy', 'shutdown'],
  16: [
    'base',
    'get_spec_version',
    'get_impl_id',
    'get_impl_version',
    'probe_extension',
    'get_mvendorid',
    'get_marchid',
    'get_mimpid',
  ],
  [eid('TIME')]: ['time', 'set_timer'],
  [eid('sPI')]: ['ipi', 'send_ipi'],
  [eid('RFNC')]: ['rfence', 'remote_fence_i', 'remote_sfence_vma', 'remote_sfence_vma_asid'],
  [eid('HSM')]: ['hsm', 'hart_start', 'hart_stop', 'hart_get_status', 'hart_suspend'],
  [eid('SRST')]: ['srst', 'system_reset'],
  [eid('DBCN')]: ['dbcn', 'console_write', 'console_read', 'console_write_byte'],
};

export function sbiName(extension: number, fid: number): string {
  const known = SBI[extension];
  if (known === undefined) return `extension 0x${extension.toString(16)} function ${fid}`;
  return `${known[0]}.${known[known[0] === 'legacy' ? 1 : fid + 1] ?? fid}`;
}

/** Counts the accesses that go through it to a board. */
export class ExitCounts implements HartBus {
  readonly #bus: HartBus;
  readonly #slots: readonly VirtioSlot[];
  readonly #devices = new Map<string, number>();
  readonly #sbi = new Map<string, number>();
  #waits = 0;

  constructor(bus: HartBus, slots: readonly VirtioSlot[]) {
    this.#bus = bus;
    this.#slots = slots;
  }

  load(gpa: number, size: 1 | 2 | 4 | 8): bigint | number | undefined {
    this.#add(this.#devices, this.#device(gpa));
    return this.#bus.load(gpa, size);
  }

  store(gpa: number, size: 1 | 2 | 4 | 8, value: bigint | number): boolean {
    this.#add(this.#devices, this.#device(gpa));
    return this.#bus.store(gpa, size, value);
  }

  time(): number {
    return this.#bus.time();
  }

  called(extension: number, fid: number): void {
    this.#add(this.#sbi, sbiName(extension, fid));
  }

  waited(): void {
    this.#waits++;
  }

  counts(): ExitCount[] {
    const list = (reason: ExitCount['reason'], map: ReadonlyMap<string, number>): ExitCount[] =>
      [...map].map(([detail, count]) => ({ reason, detail, count }));
    const waits: ExitCount[] = this.#waits === 0 ? [] : [{ reason: 'wfi', detail: 'wait', count: this.#waits }];
    return [...list('mmio', this.#devices), ...list('sbi', this.#sbi), ...waits];
  }

  #add(map: Map<string, number>, name: string): void {
    // A guest chooses EID and FID: it may not fill the host's memory with names.
    if (map.size < MAX_NAMES || map.has(name)) map.set(name, (map.get(name) ?? 0) + 1);
  }

  #device(gpa: number): string {
    if (gpa >= VIRTIO_BASE) {
      const number = Math.floor((gpa - VIRTIO_BASE) / VIRTIO_SIZE);
      const slot = this.#slots[number];
      return slot === undefined ? 'nothing' : `virtio-${virtioName(slot.deviceId)}@${number}`;
    }
    if (gpa >= UART_BASE) return gpa < UART_BASE + UART_SIZE ? 'uart' : 'nothing';
    if (gpa >= PLIC_BASE) return 'plic';
    if (gpa >= CLINT_BASE) return 'clint';
    if (gpa >= RTC_BASE) return 'rtc';
    return gpa >= TEST_BASE ? 'test' : 'nothing';
  }
}

const MAX_NAMES = 256;
