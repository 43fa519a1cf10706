// A crash at any moment: every write to the host file is recorded, and after each the file is rebuilt as a power cut could
// leave it: what was written before the last fsync is there, of what came after it any part is. The image must never be
// corrupt, and must hold what the guest had flushed.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seeded } from '#test/support/disk-model.ts';
import { checkQcow2 } from '#test/support/qcow2-check.ts';
import { HostFile } from '../host-file.ts';
import { createQcow2File } from './create.ts';
import { Qcow2Disk } from './disk.ts';
import { readHeader } from './read-header.ts';

type Event = { readonly at: number; readonly bytes: Buffer } | 'sync';

/** A host file that keeps a journal of what is done to it. */
class RecordingFile {
  readonly events: Event[] = [];
  readonly #file: HostFile;

  constructor(file: HostFile) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  get size(): number {
    return this.#file.size;
  }

  read(position: number, into: readonly Uint8Array[]): Promise<void> {
    return this.#file.read(position, into);
  }

  async write(position: number, from: readonly Uint8Array[]): Promise<void> {
    this.events.push({ at: position, bytes: Buffer.concat(from) });
    await this.#file.write(position, from);
  }

  async sync(): Promise<void> {
    await this.#file.sync();
    this.events.push('sync');
  }

  async zero(position: number, length: number): Promise<void> {
    await this.write(position, [new Uint8Array(length)]);
  }

  /** A host that punches no holes, the worse case: freed clusters keep what was in them. */
  async release(): Promise<void> {}

  async truncate(size: number): Promise<void> {
    await this.#file.truncate(size);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-crash-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SECTOR = 512;
const SIZE = 192 << 10;

/** Applies events to a copy of the image; beyond the last sync each write survives by chance, whole or its first part. */
function crashed(start: Buffer, events: readonly Event[], random: () => number): Buffer {
  const image = Buffer.alloc(1 << 20);
  start.copy(image);
  const settled = events.lastIndexOf('sync');
  for (const [i, event] of events.entries()) {
    if (event === 'sync') continue;
    if (i > settled && random() < 0.4) continue;
    const partly = i > settled && random() < 0.3;
    event.bytes.copy(image, event.at, 0, partly ? Math.floor((random() * event.bytes.length) / 8) * 8 : undefined);
  }
  return image;
}

it.each([11, 12, 13, 14])('leaves no corruption, and what was flushed (seed %i)', async (seed) => {
  const random = seeded(seed);
  const path = join(folder, `crash-${seed}.qcow2`);
  // The smallest clusters: tables and refcount blocks are made and moved all the time.
  await createQcow2File(path, { sizeBytes: SIZE, clusterSize: 512 });
  const start = await readFile(path);
  const plain = await HostFile.open(path, 'r+');
  const file = new RecordingFile(plain);
  const host = file as unknown as HostFile;
  const disk = await Qcow2Disk.open(host, await readHeader(host, true), { readOnly: false });

  // For each flushed state: how many events it took, and which sectors may have changed since.
  const flushed: { events: number; content: Buffer }[] = [{ events: 0, content: Buffer.alloc(SIZE) }];
  const touched: { events: number; first: number; count: number }[] = [];
  const content = Buffer.alloc(SIZE);
  for (let step = 0; step < 60; step += 1) {
    const first = Math.floor(random() * (SIZE / SECTOR - 24));
    const count = 1 + Math.floor(random() ** 2 * 23);
    const kind = random();
    const [offset, length] = [first * SECTOR, count * SECTOR];
    if (kind < 0.55) {
      const bytes = Buffer.alloc(length, `${step} `);
      touched.push({ events: file.events.length, first, count });
      await disk.write(offset, [bytes]);
      bytes.copy(content, offset);
    } else if (kind < 0.75) {
      touched.push({ events: file.events.length, first, count });
      await (kind < 0.65 ? disk.discard(offset, length) : disk.writeZeroes(offset, length, true));
      content.fill(0, offset, offset + length);
    } else {
      await disk.flush();
      flushed.push({ events: file.events.length, content: Buffer.from(content) });
    }
  }
  await disk.close();
  expect(checkQcow2(await readFile(path))).toEqual({ leaks: 0, corruptions: [] });

  for (let end = 0; end <= file.events.length; end += 1) {
    const events = file.events.slice(0, end);
    const image = crashed(start, events, random);
    const { corruptions } = checkQcow2(image);
    expect(corruptions, `after ${end} of ${file.events.length} events`).toEqual([]);
    const last = flushed.findLast((state) => state.events <= end)!;
    const loose = new Set<number>();
    for (const change of touched) {
      if (change.events < last.events) continue;
      for (let i = 0; i < change.count; i += 1) loose.add(change.first + i);
    }
    const seen = contentOf(image);
    for (let sector = 0; sector < SIZE / SECTOR; sector += 1) {
      if (loose.has(sector)) continue;
      const at = sector * SECTOR;
      const same = seen.compare(last.content, at, at + SECTOR, at, at + SECTOR) === 0;
      expect(same, `sector ${sector} after ${end} of ${file.events.length} events`).toBe(true);
    }
  }
});

/** The guest's view of an image without backing file and compression, read by the tables alone. */
function contentOf(image: Buffer): Buffer {
  const content = Buffer.alloc(SIZE);
  const l1 = Number(image.readBigUInt64BE(40));
  for (let cluster = 0; cluster < SIZE / 512; cluster += 1) {
    const l2 = Number(image.readBigUInt64BE(l1 + Math.floor(cluster / 64) * 8) & 0x00fffffffffffe00n);
    if (l2 === 0) continue;
    const entry = image.readBigUInt64BE(l2 + (cluster % 64) * 8);
    if ((entry & 1n) !== 0n) continue;
    const host = Number(entry & 0x00fffffffffffe00n);
    if (host !== 0) image.copy(content, cluster * 512, host, host + 512);
  }
  return content;
}
