// The dirty log and the memory socket on real guests: what a live migration does, on one machine and by hand.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dirtyRuns } from '#emulator';
import { GuestProcess, guestConfig } from '#test/support/guest-control.ts';
import { header, MemoryClient } from '#test/support/guest-memory.ts';
import { tempFolder } from '#test/support/programs.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import type { GuestConfig } from '#vmm';

const MIB = 1024 * 1024;

let folder: ReturnType<typeof tempFolder>;
const running: GuestProcess[] = [];
const clients: MemoryClient[] = [];

async function start(name: string, part: Partial<GuestConfig>): Promise<[GuestProcess, MemoryClient]> {
  const own = join(folder.path, name);
  mkdirSync(own);
  const guest = new GuestProcess(own, guestConfig(own, part));
  running.push(guest);
  await guest.connect();
  await guest.call('memory', { socket: join(own, 'm') });
  const memory = await MemoryClient.connect(join(own, 'm'));
  clients.push(memory);
  return [guest, memory];
}

beforeEach(() => {
  folder = tempFolder('dirty');
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.end();
  await Promise.all(running.splice(0).map((guest) => guest.end()));
  folder.remove();
});

/** Writes all over its memory, from as many processes as it has harts, and says in the end what came of it. */
const WORK = (jobs: number): string =>
  `for j in $(seq ${jobs}); do (i=0; while [ $i -lt ${60 / jobs} ]; do i=$((i+1)); seq $j $((i*${40 * jobs})) >/w$j; sha256sum </w$j >>/s$j; done) & done; ` +
  'wait; cat /s* | sha256sum; echo fin""ished\n';

describe('pages copied by the log', () => {
  it.each([1, 4])('equal RAM when the guest stands, and make the same machine elsewhere: %i harts', async (harts) => {
    const { kernel, initrd } = tinyImage();
    const shape = { memoryMiB: 64, harts, append: 'console=ttyS0 quiet' };
    const [source, from] = await start('s', { ...shape, kernel, initrd });
    const [target, to] = await start('t', { ...shape, incoming: true });
    await source.sees(/~ # /);
    source.type(WORK(harts));
    await source.call('dirtyLog', { action: 'start' });
    const copy = Buffer.from(await from.read(0, 64 * MIB));
    const round = async (): Promise<number> => {
      const { pages } = await source.call('dirtyLog', { action: 'fetch' });
      let copied = 0;
      for (const [offset, length] of dirtyRuns(Buffer.from(pages!, 'base64'), 64 * MIB)) {
        copy.set(await from.read(offset, length), offset);
        copied += length;
      }
      return copied;
    };
    const copied = [];
    for (let i = 0; i < 8; i++) copied.push(await round());
    expect(Math.max(...copied)).toBeGreaterThan(0);
    await source.call('pause', {});
    await round();
    expect(Buffer.compare(copy, await from.read(0, 64 * MIB))).toBe(0);
    expect(await round()).toBe(0);
    expect(source.screen).not.toMatch(/finished/);

    await to.write(0, copy);
    const state = join(folder.path, 'state.json');
    await source.call('saveState', { file: state });
    await target.call('restoreState', { file: state });
    await target.call('resume', {});
    await source.call('resume', {});
    const [, ours] = await target.sees(/([0-9a-f]{64}) {2}-\r?\n[\s\S]*finished/, 90_000);
    const [, theirs] = await source.sees(/([0-9a-f]{64}) {2}-\r?\n[\s\S]*finished/, 90_000);
    expect(ours).toBe(theirs);
  });
});

describe('the memory socket', () => {
  it('cuts off who asks for what is not there, or writes into a running guest', async () => {
    const { kernel, initrd } = tinyImage();
    const [guest, memory] = await start('g', { memoryMiB: 64, kernel, initrd });
    await expect(guest.call('dirtyLog', { action: 'fetch' })).rejects.toMatchObject({ code: 'conflict' });
    const path = join(folder.path, 'g/m');
    for (const bad of [
      header(1, 4096, 64 * MIB - 4095),
      header(1, 17 * MIB, 0),
      header(1, 0, 0),
      header(3, 1, 0),
      Buffer.concat([header(2, 4, 0), Buffer.from('boom')]),
    ]) {
      const client = await MemoryClient.connect(path);
      clients.push(client);
      await client.offend(bad);
    }
    expect((await memory.read(64 * MIB - 1, 1)).length).toBe(1);
    expect((await guest.call('status', {})).state).toBe('running');
    await guest.call('memory', {});
    await expect(MemoryClient.connect(path)).rejects.toThrow();
  });

  it('a process that waits for a machine is none: it is not resumed, and not saved', async () => {
    const [guest] = await start('g', { memoryMiB: 64, incoming: true });
    expect(await guest.call('status', {})).toMatchObject({ state: 'paused', reason: expect.stringMatching(/awaited/) });
    await expect(guest.call('resume', {})).rejects.toMatchObject({ code: 'conflict' });
    await expect(guest.call('save', { folder: join(folder.path, 's') })).rejects.toMatchObject({ code: 'conflict' });
    await expect(guest.call('restoreState', { file: '/nonexistent' })).rejects.toMatchObject({ code: 'invalid' });
  });
});

describe('incremental saves', () => {
  it('write what has changed above what is there, and the last of them is the machine', async () => {
    const { kernel, initrd } = tinyImage();
    const shape = { memoryMiB: 128, append: 'console=ttyS0 quiet' };
    const [guest] = await start('g', { ...shape, kernel, initrd });
    await guest.sees(/~ # /);
    const saved = join(folder.path, 'saved');
    const { bytes: whole } = await guest.call('save', { folder: saved, incremental: true });
    const parts = [];
    for (let i = 1; i <= 3; i++) {
      await guest.call('resume', {});
      guest.clear();
      guest.type(`v=\${v}${i}; seq 1 2000 >/f${i}; echo "[$v]"\n`);
      await guest.sees(/\[1\d*\]\r?\n/);
      parts.push((await guest.call('save', { folder: saved, incremental: true })).bytes);
    }
    expect(Math.max(...parts)).toBeLessThan(whole / 2);
    const [copy] = await start('c', { ...shape, restoreFrom: saved });
    copy.type('echo "<$v>"; cat /f1 /f2 /f3 | md5sum; seq 1 2000 >/g; cat /g /g /g | md5sum\n');
    const [, first, second] = await copy.sees(/<123>\r?\n([0-9a-f]+) {2}-\r?\n([0-9a-f]+) {2}-/);
    expect(first).toBe(second);
  });
});
