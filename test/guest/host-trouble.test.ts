// A host in trouble: no memory, no space, a process that was stopped. The guest stands or goes on; nothing is torn, and somebody
// is told.

import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuestProcess, guestConfig } from '#test/support/guest-control.ts';
import { tempFolder } from '#test/support/programs.ts';
import { must } from '#test/support/run.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';
import type { GuestConfig } from '#vmm';

const MIB = 1024 * 1024;
let folder: ReturnType<typeof tempFolder>;
const running: GuestProcess[] = [];

async function start(part: Partial<GuestConfig>): Promise<GuestProcess> {
  const { kernel, initrd } = tinyImage();
  const config = guestConfig(folder.path, { kernel, initrd, append: 'console=ttyS0 quiet', ...part });
  const guest = new GuestProcess(folder.path, config);
  running.push(guest);
  await guest.connect();
  await guest.sees(/~ # /);
  return guest;
}

beforeEach(() => {
  folder = tempFolder('trouble');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((guest) => guest.end()));
  folder.remove();
});

/** A control group of version 1 or 2 that this user may make, and its limit. */
const GROUPS = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup'];
const base = GROUPS.find((path) => {
  try {
    accessSync(path, constants.W_OK);
    return existsSync(join(path, 'cgroup.procs'));
  } catch {
    return false;
  }
});
const limitFile = base?.endsWith('memory') === true ? 'memory.limit_in_bytes' : 'memory.max';
const isRoot = process.getuid?.() === 0;

describe('memory', () => {
  it.runIf(base !== undefined)(
    'that runs out pauses the guest with a reason; with more of it the guest goes on',
    async () => {
      const guest = await start({ memoryMiB: 1024 });
      const group = join(base!, `cumulet-${process.pid}`);
      mkdirSync(group);
      try {
        // What the process has already stays with the group that it was in.
        writeFileSync(join(group, limitFile), `${250 * MIB}`);
        writeFileSync(join(group, 'cgroup.procs'), `${guest.pid}`);
        // The limit is looked at when the guest begins to run; later ones within seconds.
        await guest.call('pause', {});
        await guest.call('resume', {});
        guest.clear();
        guest.type('dd if=/dev/zero of=/big bs=1M count=400; ls -l /big; echo fill""ed\n');
        const paused = (await waitUntil(
          () => guest.states.find(({ state, reason }) => state === 'paused' && reason),
          60_000,
        ))!;
        expect(paused.reason).toMatch(/^the host has only \d+ MiB of memory left/);
        expect((await guest.call('status', {})).reason).toBe(paused.reason);
        expect(guest.screen).not.toMatch(/filled/);
        writeFileSync(join(group, limitFile), `${1500 * MIB}`);
        await guest.call('resume', {});
        await guest.sees(/ 419430400 [\s\S]*filled/);
      } finally {
        await guest.end();
        rmdirSync(group);
      }
    },
  );

  it('of a guest of 3.5 GiB is taken as the guest touches it', async () => {
    const guest = await start({ memoryMiB: 3584 });
    guest.clear();
    guest.type('free -m | grep Mem\n');
    expect(Number((await guest.sees(/Mem: +(\d+)/))[1])).toBeGreaterThan(3300);
    expect((await guest.call('stats', {})).residentBytes).toBeLessThan(500 * MIB);
  });
});

describe('a save', () => {
  it.runIf(isRoot)('that finds no space fails with its reason, and the guest goes on', async () => {
    const guest = await start({});
    const small = join(folder.path, 'small');
    mkdirSync(small);
    await must('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', small]);
    try {
      await expect(guest.call('save', { folder: join(small, 's') })).rejects.toThrow(/ENOSPC|no space/i);
      expect(await guest.call('status', {})).toMatchObject({ state: 'running' });
      guest.clear();
      guest.type('echo still""here\n');
      await guest.sees(/stillhere/);
      expect(readFileSync('/proc/mounts', 'utf8')).toContain(small);
      expect((await guest.call('save', { folder: join(folder.path, 'elsewhere') })).bytes).toBeGreaterThan(MIB);
    } finally {
      await must('umount', [small]);
    }
  });
});

describe('a process that was stopped', () => {
  it('goes on with the right time, and nobody is accused of standing still', async () => {
    const guest = await start({ harts: 2 });
    const seconds = async (): Promise<number> => {
      guest.clear();
      guest.type('echo "<$(cut -d" " -f1 /proc/uptime)>"\n');
      return Number((await guest.sees(/<([\d.]+)>/))[1]);
    };
    const before = await seconds();
    const stopped = performance.now();
    guest.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 6000));
    guest.kill('SIGCONT');
    const after = await seconds();
    const passed = (performance.now() - stopped) / 1000;
    expect(after - before).toBeGreaterThan(5.9);
    expect(after - before).toBeLessThan(passed + 2);
    expect((await guest.call('stats', {})).stalled).toEqual([]);
    guest.clear();
    guest.type('sleep 1; echo aw""ake; dmesg | grep -ciE "stall|lockup"\n');
    expect((await guest.sees(/awake\r?\n(\d+)/))[1]).toBe('0');
  });
});
