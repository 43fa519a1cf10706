// The board's devicetree, node for node what QEMU's `virt` hands to its firmware where we have the same device. The
// model says "OpenStack", which is how guests without DMI tables learn what they run on.

import { TEST_PASS, TEST_RESET } from '../devices/syscon.ts';
import { cells64, type FdtNode, type PropertyValue, writeFdt } from '../fdt/writer.ts';
import {
  CLINT_BASE,
  CLINT_SIZE,
  PLIC_BASE,
  PLIC_SIZE,
  PLIC_SOURCES,
  QEMU_VIRTIO_SLOTS,
  RAM_BASE,
  RTC_BASE,
  RTC_SIZE,
  RTC_SOURCE,
  TEST_BASE,
  TEST_SIZE,
  TIMEBASE_HZ,
  UART_BASE,
  UART_SIZE,
  UART_SOURCE,
  VIRTIO_SIZE,
  virtioBase,
  virtioSource,
} from './memory-map.ts';

export interface DevicetreeOptions {
  readonly harts: number;
  /** Extensions in canonical order: single letters first, as `i`, `m`, ..., then `zicsr` and so on. */
  readonly extensions: readonly string[];
  /** Largest page table mode, as `riscv,sv39`. */
  readonly mmuType: string;
  /** Bytes that cbo.zero and its like work on. */
  readonly cacheBlock: number;
  readonly memoryBytes: number;
  readonly virtioSlots: number;
  readonly bootargs?: string;
  /** Where the initrd lies: [start, end). */
  readonly initrd?: readonly [number, number];
  /** Randomness for the kernel's pool. */
  readonly rngSeed?: Uint8Array;
}

// Interrupt numbers of a hart's own controller: bits of mip.
const M_SOFT = 3;
const M_TIMER = 7;
const M_EXTERNAL = 11;
const S_EXTERNAL = 9;

const PLIC_PHANDLE = 1;
const TEST_PHANDLE = 2;
const cpuPhandle = (hart: number): number => 16 + hart * 2;
const intcPhandle = (hart: number): number => 17 + hart * 2;

export function boardDevicetree(options: DevicetreeOptions): Uint8Array<ArrayBuffer> {
  return writeFdt({
    name: '',
    properties: {
      '#address-cells': one(2),
      '#size-cells': one(2),
      compatible: ['cumulet,openstack-virt', 'riscv-virtio'],
      model: 'OpenStack Cumulet (riscv-virtio)',
    },
    children: [
      chosen(options),
      {
        name: `memory@${RAM_BASE.toString(16)}`,
        properties: { device_type: 'memory', reg: { cells: [...cells64(RAM_BASE), ...cells64(options.memoryBytes)] } },
      },
      cpus(options),
      soc(options),
      {
        name: 'poweroff',
        properties: { compatible: 'syscon-poweroff', regmap: one(TEST_PHANDLE), offset: one(0), value: one(TEST_PASS) },
      },
      {
        name: 'reboot',
        properties: { compatible: 'syscon-reboot', regmap: one(TEST_PHANDLE), offset: one(0), value: one(TEST_RESET) },
      },
    ],
  });
}

const one = (cell: number): PropertyValue => ({ cells: [cell] });
const reg = (base: number, size: number): PropertyValue => ({ cells: [...cells64(base), ...cells64(size)] });

function chosen(options: DevicetreeOptions): FdtNode {
  const properties: Record<string, PropertyValue> = { 'stdout-path': `/soc/serial@${UART_BASE.toString(16)}` };
  if (options.bootargs !== undefined) properties.bootargs = options.bootargs;
  if (options.initrd !== undefined) {
    properties['linux,initrd-start'] = { cells: cells64(options.initrd[0]) };
    properties['linux,initrd-end'] = { cells: cells64(options.initrd[1]) };
  }
  if (options.rngSeed !== undefined) properties['rng-seed'] = options.rngSeed;
  return { name: 'chosen', properties };
}

function cpus(options: DevicetreeOptions): FdtNode {
  const harts = Array.from({ length: options.harts }, (_, hart) => hart);
  const letters = options.extensions.filter((name) => name.length === 1);
  const words = options.extensions.filter((name) => name.length > 1);
  const isa = ['rv64', letters.join(''), ...words.map((name) => `_${name}`)].join('');
  const cpu = (hart: number): FdtNode => ({
    name: `cpu@${hart.toString(16)}`,
    properties: {
      device_type: 'cpu',
      reg: one(hart),
      status: 'okay',
      compatible: 'riscv',
      'riscv,isa': isa,
      'riscv,isa-base': 'rv64i',
      'riscv,isa-extensions': options.extensions,
      'mmu-type': options.mmuType,
      'riscv,cbom-block-size': one(options.cacheBlock),
      'riscv,cboz-block-size': one(options.cacheBlock),
      phandle: one(cpuPhandle(hart)),
    },
    children: [
      {
        name: 'interrupt-controller',
        properties: {
          '#interrupt-cells': one(1),
          'interrupt-controller': true,
          compatible: 'riscv,cpu-intc',
          phandle: one(intcPhandle(hart)),
        },
      },
    ],
  });
  return {
    name: 'cpus',
    properties: { '#address-cells': one(1), '#size-cells': one(0), 'timebase-frequency': one(TIMEBASE_HZ) },
    children: [
      ...harts.map(cpu),
      {
        name: 'cpu-map',
        properties: {},
        children: [
          {
            name: 'cluster0',
            properties: {},
            children: harts.map((hart) => ({ name: `core${hart}`, properties: { cpu: one(cpuPhandle(hart)) } })),
          },
        ],
      },
    ],
  };
}

function soc(options: DevicetreeOptions): FdtNode {
  const harts = Array.from({ length: options.harts }, (_, hart) => hart);
  const wired = (...interrupts: number[]): PropertyValue => ({
    cells: harts.flatMap((hart) => interrupts.flatMap((interrupt) => [intcPhandle(hart), interrupt])),
  });
  const from = (source: number): Record<string, PropertyValue> => ({
    'interrupt-parent': one(PLIC_PHANDLE),
    interrupts: one(source),
  });
  const slots = Math.max(QEMU_VIRTIO_SLOTS, options.virtioSlots);
  return {
    name: 'soc',
    properties: { '#address-cells': one(2), '#size-cells': one(2), compatible: 'simple-bus', ranges: true },
    children: [
      {
        name: `test@${TEST_BASE.toString(16)}`,
        properties: {
          compatible: ['sifive,test1', 'sifive,test0', 'syscon'],
          reg: reg(TEST_BASE, TEST_SIZE),
          phandle: one(TEST_PHANDLE),
        },
      },
      {
        name: `rtc@${RTC_BASE.toString(16)}`,
        properties: { compatible: 'google,goldfish-rtc', reg: reg(RTC_BASE, RTC_SIZE), ...from(RTC_SOURCE) },
      },
      {
        name: `clint@${CLINT_BASE.toString(16)}`,
        properties: {
          compatible: ['sifive,clint0', 'riscv,clint0'],
          reg: reg(CLINT_BASE, CLINT_SIZE),
          'interrupts-extended': wired(M_SOFT, M_TIMER),
        },
      },
      {
        name: `plic@${PLIC_BASE.toString(16)}`,
        properties: {
          compatible: ['sifive,plic-1.0.0', 'riscv,plic0'],
          reg: reg(PLIC_BASE, PLIC_SIZE),
          'interrupts-extended': wired(M_EXTERNAL, S_EXTERNAL),
          'riscv,ndev': one(PLIC_SOURCES - 1),
          'interrupt-controller': true,
          '#interrupt-cells': one(1),
          '#address-cells': one(0),
          phandle: one(PLIC_PHANDLE),
        },
      },
      {
        name: `serial@${UART_BASE.toString(16)}`,
        properties: {
          compatible: 'ns16550a',
          reg: reg(UART_BASE, UART_SIZE),
          'clock-frequency': one(3_686_400),
          ...from(UART_SOURCE),
        },
      },
      ...Array.from({ length: slots }, (_, slot) => ({
        name: `virtio_mmio@${virtioBase(slot).toString(16)}`,
        properties: { compatible: 'virtio,mmio', reg: reg(virtioBase(slot), VIRTIO_SIZE), ...from(virtioSource(slot)) },
      })),
    ],
  };
}
