// Debian's stock firmware from --bios: OpenSBI hands over to U-Boot, which finds the virtio disk and starts Linux from it.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { findProgram, tempFolder } from '#test/support/programs.ts';
import { run } from '#test/support/run.ts';
import { tinyImage } from '#test/support/tiny-image.ts';

/** Where the packages lie: on the system, or unpacked beside the programs of deploy/tools.sh. */
function firmware(path: string, debianPackage: string): string {
  const roots = ['/', ...(process.env.PATH ?? '').split(':').map((folder) => join(folder, '../..'))];
  const found = roots.map((root) => join(root, 'usr/lib', path)).find((file) => existsSync(file));
  if (found === undefined)
    throw new Error(`This test needs ${path}. Install it: sudo apt-get install ${debianPackage}`);
  return found;
}
const openSbi = (build: 'fw_jump' | 'fw_dynamic', type: 'bin' | 'elf'): string =>
  firmware(`riscv64-linux-gnu/opensbi/generic/${build}.${type}`, 'opensbi');
const uBoot = (board: 'qemu-riscv64' | 'qemu-riscv64_smode'): string =>
  firmware(`u-boot/${board}/u-boot.bin`, 'u-boot-qemu');

const MIB = 1024 * 1024;
const SECTOR = 512;

let folder: ReturnType<typeof tempFolder>;
const running: Console[] = [];

const start = (...args: string[]): Console => {
  const guest = new Console(EMULATOR, ['--memory', '256', ...args], folder.path);
  running.push(guest);
  return guest;
};

/** A disk with one bootable partition: ext2, with a kernel and an extlinux.conf that names it. */
async function bootableDisk(): Promise<string> {
  const tree = join(folder.path, 'tree');
  mkdirSync(join(tree, 'extlinux'), { recursive: true });
  const { kernel, initrd } = tinyImage();
  const file = readFileSync(kernel);
  writeFileSync(join(tree, 'kernel'), file[0] === 0x1f ? gunzipSync(file) : file);
  copyFileSync(initrd, join(tree, 'initrd'));
  const entry = 'label tiny\n  kernel /kernel\n  initrd /initrd\n  append console=ttyS0 from=extlinux\n';
  writeFileSync(join(tree, 'extlinux/extlinux.conf'), `default tiny\n${entry}`);
  const disk = join(folder.path, 'disk.img');
  writeFileSync(disk, '');
  truncateSync(disk, 33 * MIB);
  const made = await run(findProgram('mke2fs', 'e2fsprogs'), [
    ...['-q', '-F', '-t', 'ext2', '-d', tree, '-E', `offset=${MIB}`, disk, '32M'],
  ]);
  expect([made.code, made.stderr]).toEqual([0, expect.any(String)]);
  // The master boot record: one entry, bootable, of type Linux, from 1 MiB on.
  const record = Buffer.alloc(SECTOR);
  record.set([0x80, 0, 0, 0, 0x83], 446);
  record.writeUInt32LE(MIB / SECTOR, 446 + 8);
  record.writeUInt32LE((32 * MIB) / SECTOR, 446 + 12);
  record.writeUInt16LE(0xaa55, 510);
  writeSync(openSync(disk, 'r+'), record, 0, SECTOR, 0);
  return disk;
}

beforeEach(() => {
  folder = tempFolder('firmware');
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((guest) => guest.end()));
  folder.remove();
});

describe('firmware of Debian', () => {
  it.each([
    ['fw_jump', 'bin'],
    ['fw_dynamic', 'elf'],
  ] as const)('OpenSBI (%s.%s) starts U-Boot in S-mode, which takes commands and powers off', async (build, type) => {
    const guest = start('--bios', openSbi(build, type), '--kernel', uBoot('qemu-riscv64_smode'), '--harts', '2');
    await guest.stage('OpenSBI', /OpenSBI v\d/);
    await guest.stage('both harts', /HART Count +: 2/);
    await guest.stage('U-Boot', /U-Boot 20\d\d/);
    await guest.stage('autoboot', /Hit any key to stop autoboot/);
    guest.type('\r');
    await guest.stage('prompt', /=> /);
    guest.type('echo $cpu-$board\r');
    await guest.stage('command', /\r?\n\S*-qemu-riscv/);
    guest.type('poweroff\r');
    expect(await guest.exited).toBe(0);
  });

  it('U-Boot in M-mode is a --bios of its own', async () => {
    const guest = start('--bios', uBoot('qemu-riscv64'));
    await guest.stage('U-Boot', /U-Boot 20\d\d/);
    await guest.stage('autoboot', /Hit any key to stop autoboot/);
    guest.type('\r');
    await guest.stage('prompt', /=> /);
    guest.type('md.l 0x10001000 1\r');
    // The magic value of the first virtio slot: "virt".
    await guest.stage('a register', /10001000: 74726976/);
  });

  it('U-Boot finds the virtio disk, reads extlinux.conf from it, and boots Linux to a shell', async () => {
    const disk = await bootableDisk();
    const guest = start('--bios', openSbi('fw_jump', 'bin'), '--kernel', uBoot('qemu-riscv64_smode'), '--disk', disk);
    await guest.stage('the disk', /VirtIO Block Device/);
    await guest.stage('extlinux.conf', /Found \/extlinux\/extlinux.conf/);
    await guest.stage('kernel banner', /Linux version \d/);
    await guest.stage('shell', /~ # /);
    expect(await guest.shell('cat /proc/cmdline')).toContain('from=extlinux');
    expect(await guest.shell('dmesg | grep -c "SBI implementation ID=0x1 "')).toBe('1\n');
    guest.type('poweroff -f\n');
    expect(await guest.exited).toBe(0);
  });
});
