import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { findProgram, tempFolder } from '#test/support/programs.ts';
import { run } from '#test/support/run.ts';
import { tinyImage } from '#test/support/tiny-image.ts';

const SHELL = /~ # /;
let folder: ReturnType<typeof tempFolder>;
const running: Console[] = [];

const start = (program: string, args: readonly string[]): Console => {
  const guest = new Console(program, args, folder.path);
  running.push(guest);
  return guest;
};
/** The shell of the initial RAM disk: no root disk. */
const startTiny = (...args: string[]): Console => {
  const { kernel, initrd } = tinyImage();
  return start(EMULATOR, [
    '--kernel',
    kernel,
    '--initrd',
    initrd,
    '--append',
    'console=ttyS0',
    ...(args.includes('--memory') ? [] : ['--memory', '128']),
    ...args,
  ]);
};
const toShell = async (guest: Console): Promise<void> => {
  await guest.stage('kernel banner', /Linux version \d/);
  await guest.stage('initrd', /Run \/init as init process/);
  await guest.stage('shell prompt', SHELL);
};

beforeEach(() => {
  folder = tempFolder('guest');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((guest) => guest.end()));
  folder.remove();
});

describe('the tiny image on bin/emulator', () => {
  it('boots to a shell and powers off with exit code 0', async () => {
    const guest = startTiny();
    await toShell(guest);
    expect(await guest.shell('uname -m')).toBe('riscv64\n');
    guest.type('poweroff -f\n');
    await guest.stage('power-off', /reboot: Power down/);
    expect(await guest.exited).toBe(0);
  });

  it('sees the memory and the harts that it was given', async () => {
    const guest = startTiny('--harts', '2', '--memory', '192');
    await toShell(guest);
    expect(await guest.shell('grep -c ^processor /proc/cpuinfo')).toBe('2\n');
    const memory = Number(await guest.shell("sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"));
    expect(memory).toBeGreaterThan(170 * 1024);
    expect(memory).toBeLessThan(192 * 1024);
    guest.type('poweroff -f\n');
    expect(await guest.exited).toBe(0);
  });

  it('keeps what it wrote to its qcow2 disk from one boot to the next', async () => {
    const { kernel, initrd, disk } = tinyImage();
    copyFileSync(disk, join(folder.path, 'root.qcow2'));
    const args = [
      '--kernel',
      kernel,
      '--initrd',
      initrd,
      '--append',
      'console=ttyS0',
      '--memory',
      '128',
      '--disk',
      'root.qcow2',
    ];
    const login = async (guest: Console): Promise<void> => {
      await guest.stage('login prompt', /login: /);
      guest.type('cirros\n');
      await guest.stage('password prompt', /Password: /);
      guest.type('gocubsgo\n');
      await guest.stage('shell prompt', /\$ /);
    };
    const first = start(EMULATOR, args);
    await login(first);
    await first.shell('sudo sh -c "seq 1 50000 >/root/numbers; sync"');
    const sum = await first.shell('sudo sha256sum /root/numbers');
    first.type('sudo poweroff\n');
    expect(await first.exited).toBe(0);

    const second = start(EMULATOR, args);
    await login(second);
    expect(await second.shell('sudo sha256sum /root/numbers')).toBe(sum);
    second.type('sudo poweroff\n');
    expect(await second.exited).toBe(0);
  });

  it('starts again after a reboot, and ends there when it was told so', async () => {
    const guest = startTiny();
    await toShell(guest);
    guest.type('reboot -f\n');
    await toShell(guest);
    guest.type('poweroff -f\n');
    expect(await guest.exited).toBe(0);
    const once = startTiny('--no-reboot');
    await toShell(once);
    once.type('reboot -f\n');
    expect(await once.exited).toBe(0);
  });

  it('has hvc0 as its console when the command line says so', async () => {
    const { kernel, initrd } = tinyImage();
    const guest = start(EMULATOR, [
      '--kernel',
      kernel,
      '--initrd',
      initrd,
      '--append',
      'console=hvc0',
      '--memory',
      '128',
    ]);
    await guest.stage('shell prompt', SHELL);
    expect(await guest.shell('cat /sys/class/tty/console/active')).toBe('hvc0\n');
  });

  it('has the devices of QEMU virt at the same addresses', async () => {
    const qemu = findProgram('qemu-system-riscv64', 'qemu-system-misc');
    const { kernel, initrd } = tinyImage();
    const args = [
      '-M',
      'virt',
      '-m',
      '128',
      '-nographic',
      '-no-reboot',
      '-kernel',
      kernel,
      '-initrd',
      initrd,
      '-append',
      'console=ttyS0',
    ];
    const devices = async (guest: Console): Promise<string[]> => {
      await toShell(guest);
      const list = await guest.shell('ls /sys/bus/platform/devices');
      return list.split(/\s+/).filter((name) => /^[0-9a-f]+\./.test(name));
    };
    const ours = await devices(startTiny());
    const theirs = await devices(start(qemu, args));
    expect(ours).toEqual(
      expect.arrayContaining(['10000000.serial', '101000.rtc', '10008000.virtio_mmio', '100000.test']),
    );
    expect(theirs).toEqual(expect.arrayContaining(ours));
  });
});

describe('what cannot be started is refused with a reason', () => {
  const refused = async (content: Buffer | string, ...args: string[]): Promise<string> => {
    const path = join(folder.path, 'kernel');
    writeFileSync(path, content);
    const { code, stderr, stdout } = await run(EMULATOR, ['--kernel', path, ...args]);
    expect([code, stdout]).toEqual([4, '']);
    return stderr;
  };

  it.each([
    ['a text file', Buffer.from('#!/bin/sh\n'.repeat(100)), /no riscv64 kernel header/],
    ['an empty file', Buffer.alloc(0), /only 0 bytes/],
    ['an x86 bzImage', Object.assign(Buffer.alloc(4096), {}).fill('HdrS', 0x202, 0x206), /bzImage for x86/],
    ['an arm64 Image', Buffer.alloc(4096).fill('ARM\x64', 56, 60), /arm64/],
    ['damaged gzip', Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0]), Buffer.alloc(100, 7)]), /damaged/],
  ])('%s', async (_, content, reason) => {
    expect(await refused(content)).toMatch(reason);
  });

  it('a kernel and an initrd larger than the memory', async () => {
    const initrd = join(folder.path, 'initrd');
    writeFileSync(initrd, '');
    truncateSync(initrd, 32 * 1024 * 1024);
    const { stderr, code } = await run(EMULATOR, [
      '--kernel',
      tinyImage().kernel,
      '--initrd',
      initrd,
      '--memory',
      '24',
    ]);
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/kernel and initrd need \d+ MiB and the guest has 24 MiB/),
    ]);
  });

  it.each([
    [['--memory', '4096'], 4, /3584 MiB of memory at most/],
    [['--harts', '9'], 4, /1 to 8 harts/],
    [['--disk', 'missing.raw'], 1, /missing\.raw/],
    [['--initrd', 'missing'], 1, /the initrd missing cannot be read/],
  ])('%s, with exit code %i', async (args, status, reason) => {
    const { code, stderr } = await run(EMULATOR, ['--kernel', tinyImage().kernel, ...args], { cwd: folder.path });
    expect([code, stderr]).toEqual([status, expect.stringMatching(reason)]);
  });

  it('wrong usage, with exit code 2', async () => {
    expect(await run(EMULATOR, ['--colour'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/no option --colour/),
    });
  });
});

it('a kernel with a good header and damaged code ends the guest, which could only trap for ever', async () => {
  const path = join(folder.path, 'damaged');
  const kernel = readFileSync(tinyImage().kernel);
  writeFileSync(path, Buffer.concat([kernel.subarray(0, 4096), Buffer.alloc(kernel.length - 4096, 0xff)]));
  const { code, stderr } = await run(EMULATOR, ['--kernel', path, '--memory', '64']);
  expect([code, stderr]).toEqual([
    3,
    expect.stringMatching(/its trap handler at 0x\w+ raises .* itself\. Its kernel is damaged/),
  ]);
});

describe('M-mode software', () => {
  it('may be OpenSBI: it starts Linux on both harts, with its own timer, IPIs and power-off', async () => {
    const qemu = findProgram('qemu-system-riscv64', 'qemu-system-misc');
    const bios = join(dirname(qemu), '../share/qemu/opensbi-riscv64-generic-fw_dynamic.bin');
    const guest = startTiny('--bios', bios, '--harts', '2');
    await guest.stage('OpenSBI', /OpenSBI v\d/);
    await guest.stage('its harts', /Platform HART Count *: 2/);
    await toShell(guest);
    expect(await guest.shell('grep -c ^processor /proc/cpuinfo')).toBe('2\n');
    guest.type('poweroff -f\n');
    expect(await guest.exited).toBe(0);
  });

  const program = (...words: number[]): string => {
    const path = join(folder.path, 'bios');
    writeFileSync(path, Buffer.from(Uint32Array.from(words).buffer));
    return path;
  };

  it('that reports a failure crashes the guest: exit code 3 and the reason', async () => {
    // lui t0, 0x100; lui t1, 0x73; addi t1, t1, 0x333; sw t1, 0(t0); j .
    const bios = program(0x001002b7, 0x00073337, 0x33330313, 0x0062a023, 0x0000006f);
    expect(await run(EMULATOR, ['--bios', bios])).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/failure \(code 7\)/),
    });
  });

  it('runs in M-mode at 0x80000000 with its hart id and the devicetree', async () => {
    // csrr t2, mscratch (illegal below M); lw t0, 0(a1); lui t1, 0xedfe0; addi t1, t1, 0x5d0 -> 0xedfe05d0 ... compared
    // with the devicetree's magic 0xd00dfeed, read little-endian as 0xedfe0dd0; equal: power off, else fail.
    const bios = program(
      0x340023f3, // csrr t2, mscratch
      0x0005a283, // lw t0, 0(a1)
      0xedfe1337, // lui t1, 0xedfe1
      0xdd030313, // addi t1, t1, -560 (0xdd0)
      0x001003b7, // lui t2, 0x100
      0x00629863, // bne t0, t1, +16
      0x00005e37, // lui t3, 0x5
      0x555e0e13, // addi t3, t3, 0x555
      0x01c3a023, // sw t3, 0(t2)
      0x00003e37, // lui t3, 0x3
      0x333e0e13, // addi t3, t3, 0x333
      0x01c3a023, // sw t3, 0(t2)
      0x0000006f, // j .
    );
    expect(await run(EMULATOR, ['--bios', bios])).toMatchObject({ code: 0, stderr: '' });
  });
});
