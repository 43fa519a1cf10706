// What the host says about guest RAM, and files in its place. Linux with koffi; elsewhere the answer is "do without".

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newRamMemory } from '#emulator';
import { mapFile, ownPages } from './host-memory.ts';

const PAGE = 4096;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cumulet-memory-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.runIf(process.platform === 'linux')('guest RAM on the host', () => {
  it('knows which pages were touched, and touching is not looking', () => {
    const ram = new Uint8Array(newRamMemory(1 << 20).buffer);
    expect(ownPages(ram)).toEqual([]);
    for (const page of [3, 4, 200]) ram[page * PAGE] = 1;
    expect(ownPages(ram)).toEqual([
      [3 * PAGE, 2 * PAGE],
      [200 * PAGE, PAGE],
    ]);
  });

  it('shows a file in its place; what is written stays out of the file, and is what counts as touched', () => {
    const path = join(folder, 'ram');
    writeFileSync(path, new Uint8Array(256 * PAGE).fill(7));
    const ram = new Uint8Array(newRamMemory(256 * PAGE).buffer);
    const fd = openSync(path, 'r');
    expect(mapFile(ram, fd, 0)).toBe(true);
    closeSync(fd);
    expect([ram[0], ram[256 * PAGE - 1]]).toEqual([7, 7]);
    expect(ownPages(ram)).toEqual([]);
    ram[9 * PAGE] = 8;
    expect(ownPages(ram)).toEqual([[9 * PAGE, PAGE]]);
    expect(readFileSync(path).every((byte) => byte === 7)).toBe(true);
  });

  it('leaves memory alone that does not lie on whole pages', () => {
    const ram = new Uint8Array(newRamMemory(1 << 20).buffer);
    expect(mapFile(ram.subarray(1, 1 + PAGE), 0, 0)).toBe(false);
    expect(ownPages(ram.subarray(0, 100))).toBeUndefined();
  });
});
