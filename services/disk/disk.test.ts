// Random requests against a flat model, without other programs (test/disk compares with QEMU).

import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareAll, FlatDisk, playRandomly } from '#test/support/disk-model.ts';
import { createOverlay, createQcow2, createRaw, openDisk } from './open.ts';
import { createQcow2File } from './qcow2/create.ts';

const MIB = 1 << 20;
let folder: string;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-disk-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a disk', () => {
  for (const format of ['raw', 'qcow2'] as const) {
    it(`reads back what was written: ${format}`, async () => {
      const path = file(`random.${format}`);
      await (format === 'raw' ? createRaw : createQcow2)(path, 4 * MIB);
      const disk = await openDisk(path, { format });
      const model = new FlatDisk(disk.size);
      await playRandomly(disk, model, { seed: 21, steps: 120, maxLength: MIB / 2 });
      await disk.close();
      const again = await openDisk(path, { format, readOnly: true });
      await compareAll(again, model);
      await expect(again.write(0, [new Uint8Array(512)])).rejects.toMatchObject({ code: 'forbidden' });
      await again.close();
    });

    it(`refuses what lies beyond its end: ${format}`, async () => {
      const path = file(`end.${format}`);
      await (format === 'raw' ? createRaw : createQcow2)(path, MIB);
      const disk = await openDisk(path, { format });
      await expect(disk.read(MIB - 512, [new Uint8Array(1024)])).rejects.toMatchObject({ code: 'invalid' });
      await expect(disk.write(2 ** 60, [new Uint8Array(512)])).rejects.toMatchObject({ code: 'invalid' });
      await expect(disk.writeZeroes(-512, 512, true)).rejects.toMatchObject({ code: 'invalid' });
      await disk.close();
    });
  }

  it('has one writer', async () => {
    const path = file('one-writer.qcow2');
    await createQcow2(path, MIB);
    const first = await openDisk(path, { format: 'qcow2' });
    const reader = await openDisk(path, { format: 'qcow2', readOnly: true });
    const second = openDisk(path, { format: 'qcow2' });
    await expect(second).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/in use by another process/),
    });
    await first.close();
    await (await openDisk(path, { format: 'qcow2' })).close();
    await reader.close();
  });

  it('waits for a writer that is on its way out', async () => {
    const path = file('next-writer.raw');
    await createRaw(path, MIB);
    const first = await openDisk(path, { format: 'raw' });
    const second = openDisk(path, { format: 'raw' });
    await first.close();
    await (await second).close();
  });

  it('takes writes to one new cluster side by side', async () => {
    const path = file('parallel.qcow2');
    await createQcow2(path, 4 * MIB);
    const disk = await openDisk(path, { format: 'qcow2' });
    const model = new FlatDisk(disk.size);
    const writes = Array.from({ length: 512 }, (_, i) => {
      const bytes = Buffer.alloc(4096, `${i} `);
      model.write(i * 4096, bytes);
      return disk.write(i * 4096, [bytes]);
    });
    await Promise.all([...writes, disk.flush(), disk.discard(3 * MIB, MIB)]);
    await compareAll(disk, model);
    await disk.close();
  });

  it('is read through memory that threads share', async () => {
    const path = file('shared.qcow2');
    await createQcow2(path, MIB);
    const disk = await openDisk(path, { format: 'qcow2' });
    const shared = new Uint8Array(new SharedArrayBuffer(8192));
    shared.fill(7, 0, 4096);
    await disk.write(0, [shared.subarray(0, 4096)]);
    await disk.read(0, [shared.subarray(4096)]);
    expect(Buffer.compare(shared.slice(4096), shared.slice(0, 4096))).toBe(0);
    await disk.close();
  });
});

describe('a backing file', () => {
  it('is opened only where the caller allows it, links followed', async () => {
    const secret = file('secret');
    await writeFile(secret, Buffer.alloc(MIB, 'secret'));
    await symlink(secret, file('innocent'));
    const path = file('names-another.qcow2');
    await createQcow2File(path, { sizeBytes: MIB, backingFile: file('innocent'), backingFormat: 'raw' });
    await expect(openDisk(path, { format: 'qcow2' })).rejects.toMatchObject({ code: 'forbidden' });
    const onlyInnocent = (real: string) => real === file('innocent');
    await expect(openDisk(path, { format: 'qcow2', backingAllowed: onlyInnocent })).rejects.toMatchObject({
      code: 'forbidden',
    });
    const disk = await openDisk(path, { format: 'qcow2', backingAllowed: (real) => real === secret });
    await disk.close();
  });

  it('may not be the image itself', async () => {
    const path = file('circle.qcow2');
    await createQcow2File(path, { sizeBytes: MIB, backingFile: path, backingFormat: 'qcow2' });
    await expect(openDisk(path, { format: 'qcow2', backingAllowed: () => true })).rejects.toThrow(
      /too long, or a circle/,
    );
  });

  it('is never larger than the overlay', async () => {
    await createRaw(file('base.raw'), 2 * MIB);
    const overlay = { backing: file('base.raw'), backingFormat: 'raw', sizeBytes: MIB } as const;
    await expect(createOverlay(file('small.qcow2'), overlay)).rejects.toThrow(/smaller than its image/);
  });
});
