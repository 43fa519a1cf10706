// A disk as a flat array of bytes, and random sequences of requests that are played on a real backend and on the array.

import { expect } from 'vitest';
import type { BlockBackend } from '#emulator';

/** Small, fast, seeded (mulberry32): a failing sequence is found again by its seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class FlatDisk {
  bytes: Uint8Array;
  /** Discarded and not written since: may read as zero or as before. */
  readonly #loose: Uint8Array;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#loose = new Uint8Array(Math.ceil(size / 512));
  }

  write(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
    this.#loose.fill(0, offset / 512, (offset + bytes.length) / 512);
  }

  discard(offset: number, length: number): void {
    this.#loose.fill(1, offset / 512, (offset + length) / 512);
  }

  /** Throws when `read` is not what this disk holds; what was discarded takes the value that was read. */
  agree(offset: number, read: Uint8Array): void {
    for (let at = 0; at < read.length; at += 512) {
      const sector = read.subarray(at, at + 512);
      const own = this.bytes.subarray(offset + at, offset + at + 512);
      if (Buffer.compare(sector, own) === 0) continue;
      const zero = sector.every((byte) => byte === 0);
      if (this.#loose[(offset + at) / 512] === 1 && zero) {
        own.fill(0);
        continue;
      }
      expect.fail(`sector ${(offset + at) / 512} differs: ${sector.slice(0, 8)} instead of ${own.slice(0, 8)}`);
    }
  }
}

/** Plays `steps` random requests, some side by side, and compares every read and, at the end, everything. */
export async function playRandomly(
  disk: BlockBackend,
  model: FlatDisk,
  options: { seed: number; steps: number; maxLength: number },
): Promise<void> {
  const random = seeded(options.seed);
  const sectors = disk.size / 512;
  for (let step = 0; step < options.steps; step += 1) {
    const first = Math.floor(random() ** 2 * sectors);
    const count = 1 + Math.floor(random() ** 3 * Math.min(sectors - first, options.maxLength / 512) * 0.999);
    const offset = first * 512;
    const length = count * 512;
    const kind = random();
    if (kind < 0.5) {
      const bytes = Buffer.alloc(length);
      for (let i = 0; i < length; i += 4) bytes.writeUInt32LE((random() * 2 ** 32) >>> 0, i);
      const cut = Math.floor(random() * length);
      await disk.write(offset, [bytes.subarray(0, cut), bytes.subarray(cut)]);
      model.write(offset, bytes);
    } else if (kind < 0.75) {
      const bytes = new Uint8Array(length);
      await disk.read(offset, [bytes.subarray(0, length >> 1), bytes.subarray(length >> 1)]);
      model.agree(offset, bytes);
    } else if (kind < 0.85) {
      await disk.writeZeroes(offset, length, random() < 0.5);
      model.write(offset, new Uint8Array(length));
    } else if (kind < 0.95) {
      await disk.discard(offset, length);
      model.discard(offset, length);
    } else {
      await disk.flush();
    }
  }
  await compareAll(disk, model);
}

export async function compareAll(disk: BlockBackend, model: FlatDisk): Promise<void> {
  const step = 1 << 20;
  for (let at = 0; at < disk.size; at += step) {
    const bytes = new Uint8Array(Math.min(step, disk.size - at));
    await disk.read(at, [bytes]);
    model.agree(at, bytes);
  }
}
