// Reads into shared memory, which a guest's RAM is, take another way than those into memory of our own.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDisk } from './mod.ts';

const SIZE = 3 * 1024 * 1024 + 700;
let folder: string;
let path: string;
const content = Buffer.from(Uint8Array.from({ length: SIZE }, (_, i) => (i * 13) ^ (i >>> 9)));

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-cached-'));
  path = join(folder, 'disk.raw');
  await writeFile(path, content);
});
afterEach(() => rm(folder, { recursive: true }));

it.each([
  ['a sector', 512, [512]],
  ['pieces of all sizes', 1024, [1, 4095, 4096, 10_000, 3, 812 - 3]],
  ['one piece of a megabyte', 4096, [1 << 20]],
  ['more than a megabyte', 0, [1 << 20, 512]],
  ['more pieces than one call takes', 512, new Array<number>(600).fill(512)],
])('reads %s into shared memory', async (_, offset, lengths) => {
  const memory = new Uint8Array(new SharedArrayBuffer(8 << 20)).fill(0xee);
  let at = 77;
  const places = lengths.map((length) => {
    const place = at;
    at += length + 1000;
    return { place, length };
  });
  const disk = await openDisk(path, { format: 'raw' });
  await disk.read(
    offset,
    places.map(({ place, length }) => memory.subarray(place, place + length)),
  );
  await disk.close();
  const got = Buffer.concat(places.map(({ place, length }) => Buffer.from(memory.slice(place, place + length))));
  expect(got.equals(content.subarray(offset, offset + got.length))).toBe(true);
  // Nothing beside them.
  for (const { place, length } of places) expect([memory[place - 1], memory[place + length]]).toEqual([0xee, 0xee]);
});

it('reads zeroes behind the end of the file', async () => {
  const memory = new Uint8Array(new SharedArrayBuffer(4096)).fill(0xee);
  const disk = await openDisk(path, { format: 'raw' });
  const last = disk.size - 512;
  await disk.read(last, [memory.subarray(0, 512)]);
  await disk.close();
  const there = SIZE - last;
  expect(Buffer.from(memory.slice(0, there)).equals(content.subarray(last))).toBe(true);
  expect(memory.subarray(there, 512).every((byte) => byte === 0)).toBe(true);
  expect(memory[512]).toBe(0xee);
});
