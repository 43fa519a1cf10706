// What a guest process keeps in files: the console log and snapshots.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newRamMemory } from '#emulator';
import { ConsoleHub } from './console-hub.ts';
import { ConsoleLog } from './console-log.ts';
import { readSnapshot, writeSnapshot } from './snapshot-folder.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cumulet-vmm-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the console log', () => {
  const lines = (from: number, to: number): Buffer =>
    Buffer.from(Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join(''));

  it('keeps its tail, from the start of a line, when it grows too long', () => {
    const path = join(folder, 'log');
    const log = new ConsoleLog(path, 1000);
    for (let i = 0; i < 100; i++) log.append(lines(i * 10, i * 10 + 10));
    log.close();
    const text = readFileSync(path, 'utf8');
    expect(text).toMatch(/^line \d+\n/);
    expect(text.endsWith('line 999\n')).toBe(true);
    expect(text.length).toBeLessThan(2100);
    expect(text.length).toBeGreaterThan(900);
    expect(readdirSync(folder)).toEqual(['log']);
  });

  it('is continued by the next process', () => {
    const path = join(folder, 'log');
    for (const part of [lines(0, 2), lines(2, 4)]) {
      const log = new ConsoleLog(path);
      log.append(part);
      log.close();
    }
    expect(readFileSync(path, 'utf8')).toBe('line 0\nline 1\nline 2\nline 3\n');
  });
});

describe('a snapshot', () => {
  const PAGE = 4096;
  const state = { machine: { kind: 'machine', n: 1 }, console: new ConsoleHub().save() };
  const ramOf = (...pages: number[]): Uint8Array<SharedArrayBuffer> => {
    const ram = new Uint8Array(new SharedArrayBuffer(256 * PAGE));
    for (const page of pages) ram[page * PAGE + 17] = (page & 0x7f) + 1;
    return ram;
  };

  it('reads back as it was written, and takes no room for zero pages', async () => {
    const ram = ramOf(0, 3, 4, 200, 255);
    expect(await writeSnapshot(folder, state, { bytes: ram })).toBe(5 * PAGE);
    const name = readdirSync(folder).find((entry) => entry.startsWith('ram-'))!;
    expect(statSync(join(folder, name)).size).toBe(256 * PAGE);
    expect(statSync(join(folder, name)).blocks * 512).toBeLessThan(64 * PAGE);
    const copy = ramOf();
    expect((await readSnapshot(folder, copy)).state).toEqual(state);
    expect(Buffer.compare(copy, ram)).toBe(0);
  });

  it('holds what changed since the one before above it, pages that became zero too', async () => {
    const ram = ramOf(0, 3, 200);
    await writeSnapshot(folder, state, { bytes: ram });
    ram[3 * PAGE + 17] = 0;
    ram[5 * PAGE] = 55;
    ram[200 * PAGE] = 66;
    const changed = [
      [3 * PAGE, PAGE],
      [5 * PAGE, PAGE],
      [200 * PAGE, PAGE],
    ] as const;
    const used = changed.slice(1);
    expect(await writeSnapshot(folder, { ...state, machine: 2 }, { bytes: ram, used, changed })).toBe(2 * PAGE);
    expect(readdirSync(folder).length).toBe(3);
    for (const copy of [ramOf(), new Uint8Array(newRamMemory(256 * PAGE).buffer)]) {
      const read = await readSnapshot(folder, copy);
      expect(read.state).toMatchObject({ machine: 2 });
      expect(Buffer.compare(copy, ram)).toBe(0);
    }
    expect(await writeSnapshot(folder, state, { bytes: ram })).toBe(3 * PAGE);
    expect(readdirSync(folder).length).toBe(2);
  });

  it('reads what version 1 wrote', async () => {
    const ram = ramOf(1, 9);
    await writeSnapshot(folder, state, { bytes: ram });
    const path = join(folder, 'machine.json');
    const { ram: saved, ...manifest } = JSON.parse(readFileSync(path, 'utf8'));
    const [layer] = saved.layers;
    writeFileSync(path, JSON.stringify({ ...manifest, version: 1, ram: { bytes: saved.bytes, ...layer } }));
    const copy = ramOf();
    expect((await readSnapshot(folder, copy)).state).toEqual(state);
    expect(Buffer.compare(copy, ram)).toBe(0);
  });

  it('replaces the one before, and leaves no file of it', async () => {
    await writeSnapshot(folder, state, { bytes: ramOf(1) });
    await writeSnapshot(folder, { ...state, machine: 2 }, { bytes: ramOf(2) });
    expect(readdirSync(folder).length).toBe(2);
    const copy = ramOf();
    expect((await readSnapshot(folder, copy)).state).toMatchObject({ machine: 2 });
    expect(copy[2 * PAGE + 17]).toBe(3);
  });

  it('keeps the one before when a new one could not be finished', async () => {
    await writeSnapshot(folder, state, { bytes: ramOf(1) });
    // What a crash leaves: a RAM file that no manifest names, and half a manifest beside the whole one.
    writeFileSync(join(folder, 'ram-00000000-0000-0000-0000-000000000000'), 'half');
    writeFileSync(join(folder, 'machine.json.next'), '{"kind":');
    expect((await readSnapshot(folder, ramOf())).state).toEqual(state);
  });

  it.each<
    [
      string,
      (manifest: { ram: { layers: { file: string; runs: unknown[] }[]; bytes: number }; version: number }) => void,
      RegExp,
    ]
  >([
    ['that names a file elsewhere', (manifest) => (manifest.ram.layers[0]!.file = '../../etc/passwd'), /damaged/],
    ['with pages outside of memory', (manifest) => manifest.ram.layers[0]!.runs.push([300 * PAGE, PAGE]), /damaged/],
    ['of another size', (manifest) => (manifest.ram.bytes = 5), /5 bytes of memory/],
    ['of another version', (manifest) => (manifest.version = 9), /another version/],
    ['without its RAM', (manifest) => (manifest.ram.layers[0]!.file = 'ram-0'), /missing/],
  ])('%s is refused', async (_, damage, reason) => {
    await writeSnapshot(folder, state, { bytes: ramOf(1) });
    const path = join(folder, 'machine.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    damage(manifest);
    writeFileSync(path, JSON.stringify(manifest));
    await expect(readSnapshot(folder, ramOf())).rejects.toThrow(reason);
  });
});
