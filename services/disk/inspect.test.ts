// Inspection goes by content, and survives whatever it is given.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CumuletError } from '#base';
import { seeded } from '#test/support/disk-model.ts';
import { inspectBytes, inspectImage } from './inspect.ts';
import { encodeHeader } from './qcow2/header.ts';

const MIB = 1 << 20;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-inspect-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Bytes with `text` (Latin-1) at a place. */
const withText = (length: number, at: number, text: string): Buffer => {
  const bytes = Buffer.alloc(length);
  bytes.write(text, at, 'latin1');
  return bytes;
};

function qcow2(change?: (view: DataView) => void, backingFile?: string): Uint8Array {
  const bytes = encodeHeader({
    clusterBits: 16,
    size: 10 * MIB,
    l1Size: 1,
    l1Offset: 3 << 16,
    refcountTableOffset: 1 << 16,
    refcountTableClusters: 1,
    backingFile,
    backingFormat: backingFile === undefined ? undefined : 'raw',
  });
  change?.(new DataView(bytes.buffer));
  return bytes;
}

describe('inspection', () => {
  it.each([
    ['vmdk', withText(512, 0, 'KDMV')],
    ['vmdk', withText(512, 0, '# Disk DescriptorFile')],
    ['vhdx', withText(512, 0, 'vhdxfile')],
    ['vhd', withText(512, 0, 'conectix')],
    ['iso', withText(0x9000, 0x8001, 'CD001')],
    ['gzip', withText(32, 0, '\x1f\x8b\x08')],
    ['xz', withText(32, 0, '\xfd7zXZ\0')],
    ['zstd', withText(32, 0, '\x28\xb5\x2f\xfd')],
    ['bzip2', withText(32, 0, 'BZh9')],
    ['cpio', withText(128, 0, '070701')],
    ['raw', withText(512, 0, 'hello')],
    ['raw', new Uint8Array(0)],
  ])('knows %s by its content', (format, bytes) => {
    expect(inspectBytes(bytes).format).toBe(format);
  });

  it('names the machine of kernels and ELF files', () => {
    const kernel = withText(64, 0x30, 'RISCV\0\0\0RSC\x05');
    expect(inspectBytes(kernel)).toEqual({ format: 'linux', architecture: 'riscv64' });
    const elf = withText(64, 0, '\x7fELF\x02\x01');
    elf.writeUInt16LE(243, 18);
    expect(inspectBytes(elf)).toEqual({ format: 'elf', architecture: 'riscv64' });
  });

  it('knows a fixed VHD by its last sector', async () => {
    const path = join(folder, 'fixed');
    const bytes = withText(8192, 7680, 'conectix');
    bytes.writeBigUInt64BE(7680n, 7680 + 48);
    await writeFile(path, bytes);
    expect(await inspectImage(path)).toEqual({ format: 'vhd', virtualSize: 7680 });
  });

  it('says of a qcow2 what somebody must know before it is used', () => {
    expect(inspectBytes(qcow2(undefined, '/etc/passwd'), MIB)).toMatchObject({
      format: 'qcow2',
      virtualSize: 10 * MIB,
      qcow2: { version: 3, clusterSize: 65_536, backingFile: '/etc/passwd', backingFormat: 'raw', encryption: 'none' },
    });
    const strange = qcow2((view) => {
      view.setUint32(32, 2);
      view.setBigUint64(72, 4n | (1n << 40n));
    });
    expect(inspectBytes(strange, MIB).qcow2).toMatchObject({
      encryption: 'luks',
      dataFile: '(not named)',
      unknownFeatures: 1n << 40n,
    });
  });

  it.each<[string, (view: DataView) => void, RegExp]>([
    ['a huge L1 table', (view) => view.setUint32(36, 0xffffffff), /L1 table .* too large/],
    ['a size without tables for it', (view) => view.setBigUint64(24, 1n << 50n), /too small for its size/],
    ['a size beyond all numbers', (view) => view.setBigUint64(24, 1n << 63n), /absurd/],
    ['an L1 table beyond the file', (view) => view.setBigUint64(40, 1n << 45n), /beyond the end/],
    ['an L1 offset inside a cluster', (view) => view.setBigUint64(40, 513n), /not at a cluster/],
    ['tiny clusters', (view) => view.setUint32(20, 3), /cluster size/],
    ['huge clusters', (view) => view.setUint32(20, 60), /cluster size/],
    ['no refcounts', (view) => view.setUint32(56, 0), /no refcount table/],
    ['a huge refcount table', (view) => view.setUint32(56, 0x7fffffff), /refcount table is too large/],
    ['wide refcounts', (view) => view.setUint32(96, 9), /refcount width/],
    ['a header longer than a cluster', (view) => view.setUint32(100, 1 << 20), /header length/],
    ['a version of the future', (view) => view.setUint32(4, 9), /version 9/],
    [
      'a backing name elsewhere',
      (view) => {
        view.setBigUint64(8, 1n << 40n);
        view.setUint32(16, 9);
      },
      /backing file name/,
    ],
  ])('refuses a qcow2 with %s', (_name, change, message) => {
    expect(() => inspectBytes(qcow2(change), MIB)).toThrow(message);
  });

  it('answers or refuses any bytes', () => {
    const random = seeded(99);
    const samples = [qcow2(), qcow2(undefined, 'base.raw'), withText(512, 0, 'KDMV'), withText(512, 0, '\x7fELF')];
    for (let round = 0; round < 4000; round += 1) {
      const bytes = Uint8Array.from(samples[round % samples.length]!.subarray(0, 512));
      for (let n = 0; n < 1 + random() * 6; n += 1) bytes[4 + Math.floor(random() * 200)] = Math.floor(random() * 256);
      const cut = random() < 0.2 ? bytes.subarray(0, Math.floor(random() * 512)) : bytes;
      try {
        inspectBytes(cut, MIB);
      } catch (error) {
        expect(error).toBeInstanceOf(CumuletError);
      }
    }
  });
});
