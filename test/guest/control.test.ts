// A supervised guest: what its control socket promises (services/vmm/contract.ts), on the real image.

import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuestProcess, guestConfig } from '#test/support/guest-control.ts';
import { tempFolder } from '#test/support/programs.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';
import type { GuestConfig } from '#vmm';

let folder: ReturnType<typeof tempFolder>;
const running: GuestProcess[] = [];

async function start(part: Partial<GuestConfig> = {}): Promise<GuestProcess> {
  const { kernel, initrd } = tinyImage();
  const guest = new GuestProcess(folder.path, guestConfig(folder.path, { kernel, initrd, ...part }));
  running.push(guest);
  await guest.connect();
  return guest;
}
const shell = async (guest: GuestProcess, command: string): Promise<string> => {
  const mark = Math.random().toString(36).slice(2, 8);
  guest.clear();
  guest.type(`echo begin""${mark}; ${command}; echo end""${mark}\n`);
  const [, printed] = await guest.sees(new RegExp(`begin${mark}\\r?\\n([\\s\\S]*?)end${mark}`), 60_000);
  return printed!.replaceAll('\r', '');
};
const cpuTicks = (guest: GuestProcess): number => {
  const fields = readFileSync(`/proc/${guest.pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return Number(fields[11]) + Number(fields[12]);
};

beforeEach(() => {
  folder = tempFolder('vmm');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((guest) => guest.end()));
  folder.remove();
});

describe('a supervised guest', () => {
  it('says hello, prints to all clients and to its log, and powers off with exit code 0, leaving no sockets', async () => {
    const guest = await start();
    expect(guest.hello).toMatchObject({ version: 2, id: 'g1', pid: guest.pid });
    expect(Number(readFileSync(guest.config.pidFile, 'utf8'))).toBe(guest.pid);
    await guest.sees(/~ # /);
    // One who comes later sees the end of what was printed.
    const late = createConnection(guest.config.consoleSocket);
    let text = '';
    late.on('data', (bytes) => {
      text += bytes;
    });
    await waitUntil(() => /~ # /.test(text));
    guest.type('poweroff -f\n');
    expect(await guest.exited).toBe(0);
    expect(guest.states.map(({ state }) => state)).toEqual(['running', 'stopped'].slice(-guest.states.length));
    expect(guest.log).toMatch(/Linux version[\s\S]*Power down/);
    expect(text).toMatch(/Power down/);
    late.destroy();
    expect(
      [guest.config.pidFile, guest.config.controlSocket, guest.config.consoleSocket].filter((path) => existsSync(path)),
    ).toEqual([]);
  });

  it('stands still while paused, costs nothing, and goes on where it was', async () => {
    const guest = await start();
    await guest.sees(/~ # /);
    await shell(guest, 'echo kept >/dev/null; i=41');
    await guest.call('pause', {});
    expect(await guest.call('status', {})).toEqual({ state: 'paused' });
    guest.clear();
    guest.type('echo $((i + 1))\n');
    const before = cpuTicks(guest);
    const { uptimeMs } = await guest.call('stats', {});
    await waitUntil(async () => (await guest.call('stats', {})).uptimeMs > uptimeMs + 500);
    expect(guest.screen).toBe('');
    // Half a second of a hart that spins would be 50 ticks of a core.
    expect(cpuTicks(guest) - before).toBeLessThan(30);
    await guest.call('resume', {});
    await guest.sees(/\n42\r/);
    await expect(guest.call('resume', {})).rejects.toMatchObject({ code: 'conflict' });
  });

  it('does not spin while it idles', async () => {
    const guest = await start();
    await guest.sees(/~ # /);
    const from = performance.now();
    await waitUntil(() => performance.now() - from > 1000);
    const before = cpuTicks(guest);
    await waitUntil(() => performance.now() - from > 4000);
    // A hart that spins for these 3 s would use 300 ticks of a core.
    expect(cpuTicks(guest) - before).toBeLessThan(100);
  });

  it('starts over at a reset, with the same process', async () => {
    const guest = await start();
    await guest.sees(/~ # /);
    await shell(guest, 'touch /old');
    guest.clear();
    await guest.call('reset', {});
    await guest.sees(/Linux version[\s\S]*~ # /);
    expect(await shell(guest, 'ls /old')).toMatch(/No such file/);
    expect((await guest.call('status', {})).state).toBe('running');
  });

  it('shuts down in order when its power button is pressed', async () => {
    copyFileSync(tinyImage().disk, join(folder.path, 'root.qcow2'));
    const guest = await start({ disks: [{ serial: 'root', path: join(folder.path, 'root.qcow2'), format: 'qcow2' }] });
    await expect(guest.call('powerButton', {})).rejects.toMatchObject({ code: 'conflict' });
    await guest.sees(/login: /);
    await waitUntil(() =>
      guest.call('powerButton', {}).then(
        () => true,
        () => false,
      ),
    );
    expect(await guest.exited).toBe(0);
    expect(guest.log).toMatch(/Power down/);
  });

  it('ends at once and in order on SIGTERM and on powerOff', async () => {
    const first = await start();
    await first.sees(/~ # /);
    first.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    const second = await start();
    await second.sees(/Linux version/);
    await second.call('powerOff', {});
    expect(await second.exited).toBe(0);
    expect(second.states.at(-1)).toMatchObject({ state: 'stopped' });
  });

  it('can be started again after kill -9, on the sockets and files that the dead process left', async () => {
    const first = await start();
    await first.sees(/~ # /);
    first.kill('SIGKILL');
    await first.exited;
    expect(existsSync(first.config.controlSocket)).toBe(true);
    rmSync(first.config.pidFile);
    const second = await start();
    await second.sees(/~ # /);
    expect(await shell(second, 'echo $((6 * 7))')).toBe('42\n');
  });

  it('answers what it does not understand with an error, and lives', async () => {
    const guest = await start({ startPaused: true });
    expect(guest.hello?.state).toMatch(/^(starting|paused)$/);
    await waitUntil(async () => (await guest.call('status', {})).state === 'paused');
    expect((await guest.raw({ method: 'explode' })).error).toEqual({
      code: 'invalid',
      message: 'there is no method explode',
    });
    expect((await guest.raw({ method: 'save', params: { folder: 'relative' } })).error?.code).toBe('invalid');
    expect((await guest.raw({ method: 'resizeConsole', params: { columns: 0, rows: 1 } })).error?.code).toBe('invalid');
    expect((await guest.raw({ method: 'resizeConsole', params: { columns: 80, rows: 25 } })).error?.code).toBe(
      'unsupported',
    );
    const rude = createConnection(guest.config.controlSocket);
    rude.write('x'.repeat(200_000));
    await new Promise((resolve) => rude.on('close', resolve).on('error', resolve));
    expect((await guest.call('status', {})).state).toBe('paused');
  });

  it('passes the size of a console on to hvc0', async () => {
    const guest = await start({ append: 'console=hvc0' });
    await guest.sees(/~ # /);
    await guest.call('resizeConsole', { columns: 132, rows: 43 });
    await waitUntil(async () => (await shell(guest, 'stty size')) === '43 132\n');
  });

  it('refuses a disk whose header names another file, unless that file was named beforehand', async () => {
    const disk = { serial: 'root', path: join(folder.path, 'overlay.qcow2'), format: 'qcow2' as const };
    const { createOverlay } = await import('#disk');
    await createOverlay(disk.path, { backing: tinyImage().disk, backingFormat: 'qcow2', sizeBytes: 1 << 28 });
    await expect(start({ disks: [disk] })).rejects.toThrow(/may not use/);
    const guest = await start({ disks: [{ ...disk, backing: tinyImage().disk }] });
    await guest.sees(/login: /);
    const stats = await guest.call('stats', {});
    expect(stats.disks[0]!.readBytes).toBeGreaterThan(100_000);
    expect(stats).toMatchObject({ state: 'running', memoryMiB: 128 });
    expect(stats.harts[0]!.instructions).toBeGreaterThan(1_000_000);
  });
});

describe('a saved guest', () => {
  it('goes on in a new process: its memory, its clock, its disk and its console', async () => {
    copyFileSync(tinyImage().disk, join(folder.path, 'root.qcow2'));
    const disks = [{ serial: 'root', path: join(folder.path, 'root.qcow2'), format: 'qcow2' as const }];
    const snapshot = join(folder.path, 'snapshot');
    const first = await start({ disks, harts: 2 });
    await first.sees(/login: /);
    first.type('cirros\n');
    await first.sees(/Password: /);
    first.type('gocubsgo\n');
    await first.sees(/\$ /);
    await shell(first, 'seq 1 20000 | sha256sum >/tmp/sum; secret=orange; sudo sh -c "echo on-disk >/root/note"');
    const uptime = Number((await shell(first, 'cut -d" " -f1 /proc/uptime')).trim());
    const { bytes } = await first.call('save', { folder: snapshot, exit: true });
    expect(bytes).toBeLessThan(100 * 1024 * 1024);
    expect(await first.exited).toBe(0);

    const second = await start({ disks, harts: 2, restoreFrom: snapshot });
    expect(await shell(second, 'echo $secret; seq 1 20000 | sha256sum | cmp - /tmp/sum && echo same')).toBe(
      'orange\nsame\n',
    );
    expect(await shell(second, 'sudo cat /root/note; sudo sync')).toBe('on-disk\n');
    const later = Number((await shell(second, 'cut -d" " -f1 /proc/uptime')).trim());
    expect(later).toBeGreaterThan(uptime);
    expect(later).toBeLessThan(uptime + 30);
    expect(await shell(second, 'grep -c processor /proc/cpuinfo')).toBe('2\n');
  });

  it('survives being saved again and again while it works', async () => {
    const snapshot = join(folder.path, 'snapshot');
    const guest = await start();
    await guest.sees(/~ # /);
    guest.type(
      'i=0; while [ $i -lt 500 ]; do i=$((i+1)); seq 1 50 | sha256sum >/h$((i%7)); done; cat /h? | sort -u | wc -l; echo finish""ed $i\n',
    );
    for (let round = 0; round < 5; round++) {
      await guest.call('save', { folder: snapshot });
      await guest.call('resume', {});
    }
    const copy = await start({
      restoreFrom: snapshot,
      consoleLog: join(folder.path, 'c2.log'),
      consoleSocket: join(folder.path, 'c2'),
      controlSocket: join(folder.path, 'k2'),
      pidFile: join(folder.path, 'p2'),
    });
    await guest.sees(/1\r\nfinished 500/, 90_000);
    await copy.sees(/1\r\nfinished 500/, 90_000);
  });

  it('is refused by a guest of another shape, in words', async () => {
    const snapshot = join(folder.path, 'snapshot');
    const guest = await start();
    await guest.sees(/~ # /);
    await guest.call('save', { folder: snapshot, exit: true });
    await guest.exited;
    const refused = async (part: Partial<GuestConfig>): Promise<string> => {
      const process = new GuestProcess(folder.path, guestConfig(folder.path, { restoreFrom: snapshot, ...part }));
      running.push(process);
      expect(await process.exited).toBe(4);
      return process.errors;
    };
    expect(await refused({ memoryMiB: 256 })).toMatch(/bytes of memory/);
    expect(await refused({ harts: 2 })).toMatch(/made with 1 harts, and the guest has 2/);
    expect(await refused({ append: 'console=hvc0' })).toMatch(/made with the devices/);
    expect(await refused({ restoreFrom: join(folder.path, 'nothing') })).toMatch(/has no machine\.json/);
  });
});
