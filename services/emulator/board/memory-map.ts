// Where things are: the memory map of `qemu-system-riscv64 -M virt`, so that QEMU is the oracle. Slots 0 to 7 of
// virtio-mmio lie where QEMU has them; a machine with more devices gets further slots after them, described in the
// devicetree like the rest.

export { RAM_BASE, TIMEBASE_HZ } from '../hart/contract.ts';

export const TEST_BASE = 0x10_0000;
export const TEST_SIZE = 0x1000;
export const RTC_BASE = 0x10_1000;
export const RTC_SIZE = 0x1000;
export const CLINT_BASE = 0x200_0000;
export const CLINT_SIZE = 0x1_0000;
export const PLIC_BASE = 0xc00_0000;
export const PLIC_SIZE = 0x60_0000;
export const UART_BASE = 0x1000_0000;
export const UART_SIZE = 0x100;
export const VIRTIO_BASE = 0x1000_1000;
export const VIRTIO_SIZE = 0x1000;

export const UART_SOURCE = 10;
export const RTC_SOURCE = 11;

/** Sources of the PLIC, source 0 (none) included. */
export const PLIC_SOURCES = 96;
/** Slots that QEMU's board has; empty ones are described too. */
export const QEMU_VIRTIO_SLOTS = 8;
export const MAX_VIRTIO_SLOTS = 32;

export const virtioBase = (slot: number): number => VIRTIO_BASE + slot * VIRTIO_SIZE;

/** Slots 0 to 7 use sources 1 to 8, as on QEMU; later ones 64 and up. */
export const virtioSource = (slot: number): number =>
  slot < QEMU_VIRTIO_SLOTS ? 1 + slot : 64 + slot - QEMU_VIRTIO_SLOTS;
