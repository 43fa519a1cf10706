// What a machine starts: a kernel on our SBI in S-mode, or M-mode software. Writes RAM and says where each hart begins.

import { CumuletError } from '#base';
import { boardDevicetree } from '../board/devicetree.ts';
import type { GuestMemory } from '../board/guest-memory.ts';
import {
  type Entry,
  loadFirmware,
  loadKernel,
  loadPayload,
  placeBelowTop,
  placeDevicetree,
  placeDynamicInfo,
} from '../board/loader.ts';
import { RAM_BASE } from '../hart/contract.ts';
import { CACHE_BLOCK } from '../isa/cache.ts';

export interface BootFiles {
  readonly kernel?: Uint8Array;
  readonly initrd?: Uint8Array;
  readonly append?: string;
  /**
   * M-mode firmware. With a kernel beside it, or any flat program such as U-Boot, that lies where OpenSBI's fw_jump expects
   * it, and a2 tells fw_dynamic.
   */
  readonly bios?: Uint8Array;
}

/** What our harts execute: single letters first, then the named extensions. */
const EXTENSIONS = (
  'i m a f d c zicbom zicboz zicntr zicond zicsr zifencei zihintpause zawrs zba zbb zbs ' +
  'sstc svadu svinval svnapot svpbmt'
).split(' ');
const MMU_TYPE = 'riscv,sv48';

const MAX_COMMAND_LINE = 2048;

export function boot(
  ram: GuestMemory,
  files: BootFiles,
  harts: number,
  virtioSlots: number,
  rngSeed: Uint8Array,
): Entry {
  if (files.kernel === undefined && files.bios === undefined)
    throw new CumuletError('invalid', 'a guest needs a kernel or a bios to start');
  if ((files.append?.length ?? 0) >= MAX_COMMAND_LINE)
    throw new CumuletError('invalid', `a kernel command line has at most ${MAX_COMMAND_LINE - 1} characters`);
  const firmware = files.bios === undefined ? undefined : loadFirmware(ram, files.bios);
  const kernel =
    files.kernel === undefined
      ? undefined
      : files.bios === undefined
        ? loadKernel(ram, files.kernel)
        : loadPayload(ram, files.kernel);
  const end = Math.max(firmware?.end ?? 0, kernel?.end ?? 0);
  if (firmware !== undefined && kernel !== undefined && kernel.entry < firmware.end) {
    throw new CumuletError('invalid', 'the firmware and the kernel overlap in memory');
  }
  const placement = placeBelowTop(ram, end, files.initrd?.length ?? 0);
  if (files.initrd !== undefined && placement.initrd !== undefined)
    ram.bytes.set(files.initrd, placement.initrd[0] - RAM_BASE);
  const { initrd } = placement;
  const tree = boardDevicetree({
    harts,
    extensions: EXTENSIONS,
    mmuType: MMU_TYPE,
    cacheBlock: CACHE_BLOCK,
    memoryBytes: ram.size,
    virtioSlots,
    bootargs: files.append ?? '',
    initrd,
    rngSeed,
  });
  placeDevicetree(ram, placement.dtb, tree);
  const dynamicInfo =
    firmware !== undefined && kernel !== undefined ? placeDynamicInfo(ram, placement.dtb, kernel.entry) : 0;
  return {
    pc: (firmware ?? kernel)!.entry,
    privilege: firmware === undefined ? 1 : 3,
    dtb: placement.dtb,
    dynamicInfo,
  };
}
