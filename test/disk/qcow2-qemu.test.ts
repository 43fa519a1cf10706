// Our qcow2 and QEMU's, both ways: what we write passes `qemu-img check` and reads the same there, what QEMU writes reads
// the same here, and a kill at any moment leaves no corruption.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOverlay, createQcow2, growDisk, openDisk } from '#disk';
import { compareAll, FlatDisk, playRandomly, seeded } from '#test/support/disk-model.ts';
import { qemuCheck, qemuImg } from '#test/support/qemu-img.ts';

let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-qcow2-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What qemu-img reads out of an image. */
async function contentByQemu(path: string): Promise<Uint8Array> {
  const raw = `${path}.out`;
  await qemuImg('convert', '-f', 'qcow2', '-O', 'raw', path, raw);
  const bytes = await readFile(raw);
  await rm(raw);
  return bytes;
}

function randomBytes(length: number, seed: number): Buffer {
  const random = seeded(seed);
  const bytes = Buffer.alloc(length);
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE((random() * 2 ** 32) >>> 0, i);
  return bytes;
}

const MIB = 1 << 20;

describe('images that QEMU made', () => {
  for (const options of [
    'cluster_size=65536',
    'compat=0.10,cluster_size=4096',
    'cluster_size=512',
    'cluster_size=512,refcount_bits=64',
    'cluster_size=2M',
    'cluster_size=4096,refcount_bits=1',
    'cluster_size=4096,refcount_bits=4',
    'cluster_size=4096,refcount_bits=8',
    'cluster_size=4096,refcount_bits=32',
    'lazy_refcounts=on',
    'preallocation=metadata',
  ]) {
    it(`take random requests and stay clean: ${options}`, async () => {
      const path = file(`made-${options.replaceAll(/[^a-z0-9]/gi, '-')}.qcow2`);
      await qemuImg('create', '-q', '-f', 'qcow2', '-o', options, path, '24M');
      const disk = await openDisk(path, { format: 'qcow2' });
      const model = new FlatDisk(disk.size);
      await playRandomly(disk, model, { seed: options.length, steps: 200, maxLength: MIB });
      await disk.close();
      expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
      model.agree(0, await contentByQemu(path));
      const again = await openDisk(path, { format: 'qcow2', readOnly: true });
      await compareAll(again, model);
      await again.close();
    });
  }

  for (const compression of ['zlib', 'zstd']) {
    it(`are read and overwritten where they are compressed: ${compression}`, async () => {
      const content = Buffer.alloc(8 * MIB);
      for (let at = 0; at < content.length; at += 65_536) {
        if ((at / 65_536) % 3 === 0) continue;
        content.fill(`cluster ${at} `, at, at + 65_536 - ((at / 65_536) % 512));
        randomBytes((at / 64) % 40_000, at).copy(content, at);
      }
      const raw = file(`${compression}.raw`);
      const path = file(`${compression}.qcow2`);
      await writeFile(raw, content);
      await qemuImg('convert', '-c', '-O', 'qcow2', '-o', `compression_type=${compression}`, raw, path);
      const disk = await openDisk(path, { format: 'qcow2' });
      const model = new FlatDisk(disk.size);
      model.write(0, content);
      await compareAll(disk, model);
      await playRandomly(disk, model, { seed: 7, steps: 200, maxLength: MIB });
      await disk.close();
      expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
      model.agree(0, await contentByQemu(path));
    });
  }

  it('keep their internal snapshots as they were', async () => {
    const path = file('snapshot.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', path, '8M');
    const first = await openDisk(path, { format: 'qcow2' });
    const model = new FlatDisk(first.size);
    await playRandomly(first, model, { seed: 1, steps: 50, maxLength: MIB });
    await first.close();
    const before = await contentByQemu(path);
    await qemuImg('snapshot', '-c', 'one', path);
    const second = await openDisk(path, { format: 'qcow2' });
    await playRandomly(second, model, { seed: 2, steps: 150, maxLength: MIB });
    await second.close();
    expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
    model.agree(0, await contentByQemu(path));
    await qemuImg('snapshot', '-a', 'one', path);
    expect(Buffer.compare(await contentByQemu(path), before)).toBe(0);
  });
});

describe('images that we made', () => {
  it('are as QEMU expects them', async () => {
    const path = file('ours.qcow2');
    await createQcow2(path, 3 * 1024 * MIB);
    expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
    const about = JSON.parse(await qemuImg('info', '--output=json', path)) as Record<string, unknown>;
    expect(about).toMatchObject({ 'virtual-size': 3 * 1024 * MIB, 'cluster-size': 65_536, format: 'qcow2' });
  });

  for (const format of ['raw', 'qcow2'] as const) {
    it(`lie over a ${format} base and leave it alone`, async () => {
      const content = randomBytes(5 * MIB + 512, 3);
      const raw = file(`base-${format}.raw`);
      await writeFile(raw, content);
      const base = format === 'raw' ? raw : file('base.qcow2');
      if (format === 'qcow2') await qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', raw, base);
      const sum = await readFile(base);
      const path = file(`overlay-${format}.qcow2`);
      await createOverlay(path, { backing: base, backingFormat: format, sizeBytes: 12 * MIB });
      const disk = await openDisk(path, { format: 'qcow2', backingAllowed: (p) => p.startsWith(folder) });
      const model = new FlatDisk(disk.size);
      model.write(0, content);
      await compareAll(disk, model);
      await playRandomly(disk, model, { seed: 11, steps: 300, maxLength: MIB });
      await disk.close();
      expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
      model.agree(0, await contentByQemu(path));
      expect(Buffer.compare(await readFile(base), sum)).toBe(0);
      const about = JSON.parse(await qemuImg('info', '--output=json', path)) as Record<string, unknown>;
      expect(about['full-backing-filename']).toBe(base);
    });
  }

  it('grow, also beyond what their L1 and refcount tables held', async () => {
    const path = file('grow.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512', path, '1M');
    const model = new FlatDisk(40 * MIB);
    const small = await openDisk(path, { format: 'qcow2' });
    const content = randomBytes(MIB, 5);
    await small.write(0, [content]);
    model.write(0, content);
    await small.close();
    await growDisk(path, { format: 'qcow2', sizeBytes: 40 * MIB });
    expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
    const large = await openDisk(path, { format: 'qcow2' });
    expect(large.size).toBe(40 * MIB);
    await playRandomly(large, model, { seed: 13, steps: 150, maxLength: 8 * MIB });
    await large.close();
    expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
    model.agree(0, await contentByQemu(path));
  });

  it('do not let a larger base shine through where they grew', async () => {
    const raw = file('large-base.raw');
    await writeFile(raw, randomBytes(4 * MIB, 17));
    const path = file('small-overlay.qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', raw, '-F', 'raw', path, '1M');
    const backingAllowed = () => true;
    await growDisk(path, { format: 'qcow2', sizeBytes: 8 * MIB, backingAllowed });
    const disk = await openDisk(path, { format: 'qcow2', readOnly: true, backingAllowed });
    const bytes = new Uint8Array(7 * MIB);
    await disk.read(MIB, [bytes]);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    await disk.close();
    expect(await qemuCheck(path)).toEqual({ leaks: 0, corruptions: 0 });
  });
});
