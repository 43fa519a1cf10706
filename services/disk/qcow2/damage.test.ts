// Damaged images: whatever bytes change, opening and using them works or fails with a CumuletError, in bounded time and
// memory. Images are small, so that thousands of variants are tried.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CumuletError } from '#base';
import { FlatDisk, playRandomly, seeded } from '#test/support/disk-model.ts';
import { openDisk } from '../open.ts';
import { createQcow2File } from './create.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-damage-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SIZE = 256 << 10;

async function tryAll(path: string): Promise<void> {
  for (const readOnly of [true, false]) {
    try {
      const disk = await openDisk(path, { format: 'qcow2', readOnly });
      try {
        const bytes = new Uint8Array(Math.min(disk.size, SIZE));
        await disk.read(0, [bytes]);
        if (!readOnly && disk.size >= 4096) {
          await disk.write(512, [bytes.subarray(0, Math.min(2048, bytes.length))]);
          await disk.discard(0, Math.min(disk.size, 32_768));
          await disk.writeZeroes(0, Math.min(disk.size, 8192), true);
          await disk.flush();
        }
      } finally {
        await disk.close();
      }
    } catch (error) {
      expect(error, String((error as Error).stack)).toBeInstanceOf(CumuletError);
    }
  }
}

it('an image with changed bytes is used or refused, and harms nobody', { timeout: 60_000 }, async () => {
  const good = join(folder, 'good.qcow2');
  await createQcow2File(good, { sizeBytes: SIZE, clusterSize: 512 });
  const disk = await openDisk(good, { format: 'qcow2' });
  await playRandomly(disk, new FlatDisk(SIZE), { seed: 4, steps: 60, maxLength: 16_384 });
  await disk.close();
  const bytes = await readFile(good);
  const random = seeded(5);
  const path = join(folder, 'damaged.qcow2');
  const interesting = [0, 1, 2, 0x40, 0x7f, 0x80, 0xc0, 0xff];
  for (let round = 0; round < 200; round += 1) {
    const damaged = Buffer.from(bytes);
    // The header, the refcount table and its blocks, the L1 table and L2 tables lie at the start.
    const reach = round % 3 === 0 ? 112 : Math.min(bytes.length, 16_384);
    for (let n = 0; n < 1 + random() * 4; n += 1) {
      const value =
        random() < 0.5 ? interesting[Math.floor(random() * interesting.length)]! : Math.floor(random() * 256);
      damaged[4 + Math.floor(random() * (reach - 4))] = value;
    }
    await writeFile(path, random() < 0.1 ? damaged.subarray(0, Math.floor(random() * bytes.length)) : damaged);
    await tryAll(path);
  }
});
