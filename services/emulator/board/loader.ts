// Puts a kernel, an initrd and the devicetree into RAM, and says where execution begins.
//
//   SBI:   RAM_BASE + text_offset  Image          ... initrd, devicetree below the end of RAM
//   bios:  ELF segments where they belong, or a flat file at RAM_BASE; then the same

import { CumuletError } from '#base';
import { RAM_BASE } from '../hart/contract.ts';
import type { GuestMemory } from './guest-memory.ts';

export interface Entry {
  readonly pc: number;
  readonly privilege: 1 | 3;
  /** a1: where the devicetree lies. */
  readonly dtb: number;
  /** a2: where OpenSBI's fw_dynamic finds what comes next; 0 without a next stage. */
  readonly dynamicInfo: number;
}

interface Placed {
  readonly entry: number;
  /** First address after what was loaded, .bss included. */
  readonly end: number;
}

// Documentation/riscv/boot-image-header of Linux.
const IMAGE_MAGIC2 = 0x05435352; // "RSC\x05" at 56
const IMAGE_TEXT_OFFSET = 8;
const IMAGE_SIZE = 16;
const IMAGE_FLAGS = 24;
const IMAGE_HEADER_BYTES = 64;
const FLAG_BIG_ENDIAN = 1;
const KERNEL_ALIGN = 0x20_0000;
const DTB_ROOM = 0x1_0000;
const DYNAMIC_INFO_BYTES = 64;
const PAGE = 4096;

/** Where OpenSBI's fw_jump goes, from the start of RAM. */
const FW_JUMP_OFFSET = 0x20_0000;

/** What notAKernel says of a file of no kind that it knows. */
const NO_HEADER = 'it has no riscv64 kernel header ("RSC\\x05" at offset 56)';

const ELF_MAGIC = 0x464c457f;
const EM_RISCV = 243;
const PT_LOAD = 1;

/** What some file is that is no riscv64 Linux Image, in words for people; undefined when it may be one. */
export function notAKernel(file: Uint8Array): string | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u32 = (at: number): number => (at + 4 <= file.length ? view.getUint32(at, true) : 0);
  if (file.length < IMAGE_HEADER_BYTES) return `it is only ${file.length} bytes long`;
  if (u32(56) === IMAGE_MAGIC2)
    return (u32(IMAGE_FLAGS) & FLAG_BIG_ENDIAN) !== 0 ? 'it is a big-endian riscv64 kernel' : undefined;
  if (u32(0x202) === 0x53726448) return 'it is a bzImage for x86 ("HdrS" at offset 0x202)';
  if (u32(56) === 0x644d5241) return 'it is an Image for arm64';
  if (u32(0) === 0x56190527) return 'it is a U-Boot image; give the Image inside it';
  if (u32(4) === 0x676d697a) return 'it is a compressed EFI image (zboot); give the Image inside it';
  if ((u32(0) & 0xffffff) === 0x685a42) return 'it is compressed with bzip2; decompress it first';
  if (u32(0) === 0x587a37fd) return 'it is compressed with xz; decompress it first';
  if (u32(0) === 0xfd2fb528) return 'it is compressed with zstd; decompress it first';
  if (u32(0) === 0x184d2204 || u32(0) === 0x184c2102) return 'it is compressed with LZ4; decompress it first';
  if (u32(0) === 0x5d && file[4] === 0) return 'it is compressed with LZMA; decompress it first';
  if ((u32(0) & 0xffff) === 0x5a4d) return 'it is an EFI program without a riscv64 kernel header';
  return NO_HEADER;
}

/** Undoes gzip, which riscv64 kernels often come in (Image.gz, Debian's vmlinuz); other files are returned as they are. */
export async function gunzip(file: Uint8Array<ArrayBuffer>, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  if (file[0] !== 0x1f || file[1] !== 0x8b) return file;
  const stream = new Blob([file]).stream().pipeThrough(new DecompressionStream('gzip'));
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of stream) {
      parts.push(part);
      length += part.length;
      if (length > limit)
        throw new CumuletError(
          'invalid',
          `the kernel does not fit the guest's memory: it unpacks to more than ${limit} bytes`,
        );
    }
  } catch (error) {
    if (error instanceof CumuletError) throw error;
    throw new CumuletError('invalid', 'the kernel is compressed with gzip and the file is damaged', { cause: error });
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const isElf = (file: Uint8Array): boolean =>
  file.length >= IMAGE_HEADER_BYTES && new DataView(file.buffer, file.byteOffset).getUint32(0, true) === ELF_MAGIC;

/** Loads a kernel for our SBI: an Image, or an ELF (vmlinux) by its physical addresses. */
export function loadKernel(ram: GuestMemory, file: Uint8Array): Placed {
  if (isElf(file)) return loadElf(ram, file, 'kernel');
  const wrong = notAKernel(file);
  if (wrong !== undefined) throw new CumuletError('invalid', `this kernel cannot be started on riscv64: ${wrong}`);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const textOffset = Number(view.getBigUint64(IMAGE_TEXT_OFFSET, true));
  const size = Math.max(Number(view.getBigUint64(IMAGE_SIZE, true)), file.length);
  if (textOffset > ram.size || textOffset + size > ram.size) {
    throw new CumuletError(
      'invalid',
      `the kernel needs ${mib(textOffset + size)} MiB and the guest has ${mib(ram.size)} MiB of memory`,
    );
  }
  ram.bytes.set(file, textOffset);
  return { entry: RAM_BASE + textOffset, end: RAM_BASE + textOffset + size };
}

/** Loads what firmware starts: a kernel, or a flat program where OpenSBI's fw_jump goes, as QEMU's `-kernel` does. */
export function loadPayload(ram: GuestMemory, file: Uint8Array): Placed {
  if (file.length === 0) throw new CumuletError('invalid', 'the program for the firmware to start is empty');
  if (isElf(file) || notAKernel(file) !== NO_HEADER) return loadKernel(ram, file);
  if (FW_JUMP_OFFSET + file.length > ram.size)
    throw new CumuletError('invalid', `the program of ${file.length} bytes does not fit the guest's memory`);
  ram.bytes.set(file, FW_JUMP_OFFSET);
  return { entry: RAM_BASE + FW_JUMP_OFFSET, end: RAM_BASE + FW_JUMP_OFFSET + file.length };
}

/** Loads M-mode software: an ELF, or a flat file (OpenSBI's fw_jump.bin) at RAM_BASE. */
export function loadFirmware(ram: GuestMemory, file: Uint8Array): Placed {
  if (isElf(file)) return loadElf(ram, file, 'firmware');
  if (file.length > ram.size)
    throw new CumuletError('invalid', `the firmware of ${file.length} bytes does not fit the guest's memory`);
  if (file.length === 0) throw new CumuletError('invalid', 'the firmware file is empty');
  ram.bytes.set(file, 0);
  return { entry: RAM_BASE, end: RAM_BASE + file.length };
}

function loadElf(ram: GuestMemory, file: Uint8Array, what: string): Placed {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const refuse = (why: string): never => {
    throw new CumuletError('invalid', `this ${what} is an ELF file that cannot be started: ${why}`);
  };
  if (file[4] !== 2 || file[5] !== 1) refuse('it is not 64-bit little-endian');
  const machine = view.getUint16(18, true);
  if (machine !== EM_RISCV) refuse(`it is for ELF machine ${machine}, not for riscv (${EM_RISCV})`);
  const headers = Number(view.getBigUint64(32, true));
  const headerBytes = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  if (headerBytes < 56 || headers + count * headerBytes > file.length)
    refuse('its program headers lie outside the file');
  const virtualEntry = view.getBigUint64(24, true);
  let end = 0;
  let entry = Number(virtualEntry);
  for (let index = 0; index < count; index++) {
    const at = headers + index * headerBytes;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const field = (offset: number): bigint => view.getBigUint64(at + offset, true);
    const [fileOffset, address, physical] = [Number(field(8)), field(16), Number(field(24))];
    const [fileSize, memorySize] = [Number(field(32)), Number(field(40))];
    if (memorySize === 0) continue;
    const offset = ram.offset(physical, memorySize);
    if (offset < 0) refuse(`a segment lies at ${physical.toString(16)}, outside the guest's memory`);
    if (fileSize > memorySize || fileOffset + fileSize > file.length) refuse('a segment is longer than the file');
    ram.bytes.set(file.subarray(fileOffset, fileOffset + fileSize), offset);
    ram.bytes.fill(0, offset + fileSize, offset + memorySize);
    end = Math.max(end, physical + memorySize);
    // A kernel is linked at virtual addresses; it begins with the MMU off, at the physical one.
    if (virtualEntry >= address && virtualEntry < address + BigInt(memorySize))
      entry = physical + Number(virtualEntry - address);
  }
  if (end === 0) refuse('it has nothing to load');
  if (ram.offset(entry, 4) < 0) refuse(`its entry point ${entry.toString(16)} lies outside the guest's memory`);
  return { entry, end };
}

export interface Placement {
  readonly initrd: readonly [number, number] | undefined;
  readonly dtb: number;
}

/** Where the initrd and the devicetree go: below the end of RAM, above the kernel. */
export function placeBelowTop(ram: GuestMemory, kernelEnd: number, initrdBytes: number): Placement {
  const top = RAM_BASE + ram.size;
  const dtb = Math.floor((top - DTB_ROOM) / KERNEL_ALIGN) * KERNEL_ALIGN;
  const at = dtb >= kernelEnd ? dtb : Math.floor((top - DTB_ROOM) / PAGE) * PAGE;
  const start = Math.floor((at - initrdBytes) / PAGE) * PAGE;
  if (at < kernelEnd || start < kernelEnd) {
    const needed = mib(kernelEnd - RAM_BASE + initrdBytes + DTB_ROOM + KERNEL_ALIGN);
    throw new CumuletError(
      'invalid',
      `kernel and initrd need ${needed} MiB and the guest has ${mib(ram.size)} MiB of memory`,
    );
  }
  return { initrd: initrdBytes > 0 ? [start, start + initrdBytes] : undefined, dtb: at };
}

export function placeDevicetree(ram: GuestMemory, dtb: number, blob: Uint8Array): void {
  if (blob.length > DTB_ROOM - DYNAMIC_INFO_BYTES)
    throw new CumuletError(
      'invalid',
      `the devicetree of ${blob.length} bytes is too large: shorten the kernel command line`,
    );
  ram.bytes.set(blob, dtb - RAM_BASE);
}

/** struct fw_dynamic_info of OpenSBI (docs/firmware/fw_dynamic.md), as QEMU passes it; lies behind the devicetree. */
export function placeDynamicInfo(ram: GuestMemory, dtb: number, nextAddress: number): number {
  const at = dtb + DTB_ROOM - DYNAMIC_INFO_BYTES;
  const view = new DataView(ram.bytes.buffer, at - RAM_BASE, DYNAMIC_INFO_BYTES);
  const words = [0x4942534f /* magic "OSBI" */, 2 /* version */, nextAddress, 1 /* S-mode */, 0, 0 /* boot hart */];
  for (const [index, word] of words.entries()) view.setBigUint64(index * 8, BigInt(word), true);
  return at;
}

const mib = (bytes: number): number => Math.ceil(bytes / 1_048_576);
