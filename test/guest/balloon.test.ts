// Memory that a guest does not need goes back to the host: what it is asked for, and what it reports on its own.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuestProcess, guestConfig } from '#test/support/guest-control.ts';
import { tempFolder } from '#test/support/programs.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';

const MIB = 1024 * 1024;
let folder: ReturnType<typeof tempFolder>;
let guest: GuestProcess;

beforeEach(async () => {
  folder = tempFolder('balloon');
  const { kernel, initrd } = tinyImage();
  guest = new GuestProcess(folder.path, guestConfig(folder.path, { kernel, initrd, memoryMiB: 256 }));
  await guest.connect();
  await guest.sees(/~ # /);
});
afterEach(async () => {
  await guest.end();
  folder.remove();
});

const resident = async (): Promise<number> => (await guest.call('stats', {})).residentBytes / MIB;
const shell = async (command: string): Promise<void> => {
  const mark = Math.random().toString(36).slice(2, 8);
  guest.type(`${command}; echo end""${mark}\n`);
  await guest.sees(new RegExp(`end${mark}`), 60_000);
};
/** Writes 96 MiB into the guest's memory, and frees them. */
const FILL = 'mkdir -p /m && mount -t tmpfs -o size=120m none /m && dd if=/dev/zero of=/m/f bs=1M count=96';

describe('the balloon of a guest', () => {
  it('gives back what the guest has freed, without being asked', async () => {
    await shell(FILL);
    const before = await resident();
    expect(before).toBeGreaterThan(96);
    await shell('rm /m/f');
    await waitUntil(async () => (await resident()) < before - 60, 30_000);
    expect((await guest.call('stats', {})).balloon.reportedMiB).toBeGreaterThan(60);
  });

  it('takes memory when it is told to, gives it again, and tells what the guest has', async () => {
    await guest.call('balloon', { memoryMiB: 128 });
    await waitUntil(async () => (await guest.call('stats', {})).balloon.memoryMiB === 128, 30_000);
    expect((await guest.call('stats', {})).balloon.targetMiB).toBe(128);
    await waitUntil(async () => {
      const { freeBytes } = (await guest.call('stats', {})).balloon.guest;
      return freeBytes !== undefined && freeBytes < 128 * MIB;
    }, 30_000);
    await guest.call('balloon', { memoryMiB: 256 });
    await waitUntil(async () => (await guest.call('stats', {})).balloon.memoryMiB === 256, 30_000);
    // It can be used again.
    await shell(FILL);
    await expect(guest.call('balloon', { memoryMiB: 257 })).rejects.toThrow(/256 MiB of memory at most/);
  });
});
