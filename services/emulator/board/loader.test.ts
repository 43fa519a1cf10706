import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from './guest-memory.ts';
import { gunzip, loadFirmware, loadKernel, loadPayload, placeBelowTop } from './loader.ts';
import { RAM_BASE } from './memory-map.ts';

const MIB = 1 << 20;
const ram = (mib = 16): GuestMemory => new GuestMemory(new SharedArrayBuffer(mib * MIB));

function image(options: { textOffset?: number; imageSize?: number; bytes?: number } = {}): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(options.bytes ?? 4096).fill(0x5a, 64);
  const view = new DataView(file.buffer);
  view.setBigUint64(8, BigInt(options.textOffset ?? 0x20_0000), true);
  view.setBigUint64(16, BigInt(options.imageSize ?? 8192), true);
  view.setUint32(56, 0x05435352, true);
  return file;
}

interface Segment {
  readonly address: bigint;
  readonly physical: number;
  readonly bytes: Uint8Array;
  readonly memory: number;
}

function elf(segments: readonly Segment[], entry: bigint, machine = 243): Uint8Array {
  const headers = 64;
  let at = headers + segments.length * 56;
  const file = new Uint8Array(at + segments.reduce((sum, { bytes }) => sum + bytes.length, 0));
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(18, machine, true);
  view.setBigUint64(24, entry, true);
  view.setBigUint64(32, BigInt(headers), true);
  view.setUint16(54, 56, true);
  view.setUint16(56, segments.length, true);
  for (const [index, { address, physical, bytes, memory }] of segments.entries()) {
    const header = headers + index * 56;
    view.setUint32(header, 1, true);
    for (const [offset, value] of [
      [8, BigInt(at)],
      [16, address],
      [24, BigInt(physical)],
      [32, BigInt(bytes.length)],
      [40, BigInt(memory)],
    ] as const) {
      view.setBigUint64(header + offset, value, true);
    }
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

describe('a kernel Image', () => {
  it('is put at its text offset, and keeps the room that its header asks for', () => {
    const memory = ram();
    expect(loadKernel(memory, image())).toEqual({ entry: RAM_BASE + 0x20_0000, end: RAM_BASE + 0x20_0000 + 8192 });
    expect([memory.bytes[0x20_0000 + 63], memory.bytes[0x20_0000 + 64]]).toEqual([0, 0x5a]);
  });

  it('is refused when the guest has too little memory, with both figures', () => {
    expect(() => loadKernel(ram(4), image({ imageSize: 5 * MIB }))).toThrow(
      'the kernel needs 7 MiB and the guest has 4 MiB of memory',
    );
    expect(() => loadKernel(ram(4), image({ textOffset: 2 ** 52 }))).toThrow(/needs/);
  });

  it('is unpacked from gzip, and not beyond what fits', async () => {
    expect(await gunzip(new Uint8Array(gzipSync(image())), MIB)).toEqual(image());
    await expect(gunzip(new Uint8Array(gzipSync(new Uint8Array(2 * MIB))), MIB)).rejects.toThrow(/does not fit/);
    await expect(gunzip(new Uint8Array(gzipSync(image())).subarray(0, 40), MIB)).rejects.toThrow(/damaged/);
    expect(await gunzip(image(), MIB)).toEqual(image());
  });
});

describe('an ELF file', () => {
  it('of a kernel starts at its physical entry, with .bss cleared', () => {
    const memory = ram();
    memory.bytes.fill(0xff);
    const file = elf(
      [{ address: 0xffffffff80000000n, physical: RAM_BASE + 0x20_0000, bytes: Uint8Array.of(1, 2, 3), memory: 6 }],
      0xffffffff80000002n,
    );
    expect(loadKernel(memory, file)).toEqual({ entry: RAM_BASE + 0x20_0002, end: RAM_BASE + 0x20_0006 });
    expect([...memory.bytes.subarray(0x20_0000, 0x20_0007)]).toEqual([1, 2, 3, 0, 0, 0, 0xff]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['for another machine', elf([], 0n, 62), /ELF machine 62, not for riscv/],
    [
      'with a segment outside memory',
      elf([{ address: 0n, physical: 0x1000, bytes: Uint8Array.of(1), memory: 1 }], 0n),
      /1000, outside/,
    ],
    [
      'with an entry outside memory',
      elf([{ address: 0n, physical: RAM_BASE, bytes: Uint8Array.of(1), memory: 1 }], 0x5000n),
      /entry point 5000/,
    ],
    ['with nothing to load', elf([], 0n), /nothing to load/],
  ])('%s is refused', (_, file, reason) => {
    expect(() => loadFirmware(ram(), file)).toThrow(reason);
  });
});

describe('what is loaded beside the kernel', () => {
  it('lies below the end of memory, page aligned, above the kernel', () => {
    const { initrd, dtb } = placeBelowTop(ram(16), RAM_BASE + 4 * MIB, 5000);
    expect(dtb).toBe(RAM_BASE + 14 * MIB);
    expect(initrd).toEqual([RAM_BASE + 14 * MIB - 8192, RAM_BASE + 14 * MIB - 8192 + 5000]);
  });

  it('is refused where it would overlap the kernel', () => {
    expect(() => placeBelowTop(ram(16), RAM_BASE + 10 * MIB, 8 * MIB)).toThrow(/need \d+ MiB and the guest has 16 MiB/);
  });
});

describe('what firmware starts', () => {
  it('may be a kernel, or any flat program, which lies where OpenSBI jumps to', () => {
    expect(loadPayload(ram(), image())).toEqual(loadKernel(ram(), image()));
    const memory = ram();
    const program = new Uint8Array(1000).fill(0x13);
    const entry = RAM_BASE + 0x20_0000;
    expect(loadPayload(memory, program)).toEqual({ entry, end: entry + 1000 });
    expect(memory.bytes[0x20_0000 + 999]).toBe(0x13);
    expect(() => loadPayload(ram(2), program)).toThrow(/does not fit/);
    expect(() => loadPayload(ram(), new Uint8Array(0))).toThrow(/empty/);
    // A kernel that was packed is no program.
    expect(() => loadPayload(ram(), Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, ...new Array(100).fill(0)))).toThrow(/zstd/);
  });
});
