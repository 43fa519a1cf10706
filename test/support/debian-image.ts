// The Debian of deploy/images/debian: builds it where it was not built yet, starts it on our machine or on QEMU, and logs in
// on its serial console. The full image gets a password from a config drive, as from the user data of a server; the small
// one, without cloud-init, lets root in by a credential of systemd on the kernel command line.

import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildConfigDrive } from '#disk';
import { Console, EMULATOR } from './emulator.ts';
import { findProgram } from './programs.ts';
import { qemuImg } from './qemu-img.ts';
import { must } from './run.ts';

export interface DebianImage {
  readonly size: 'small' | 'full';
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
  readonly packages: string;
}

export const DEBIAN_APPEND = 'console=ttyS0 root=LABEL=debian-root';
export const DEBIAN_USER_DATA = `#cloud-config
password: penguin
chpasswd: { expire: false }
`;

const AUTOLOGIN = 'systemd.set_credential=agetty.autologin:root systemd.set_credential=login.noauth:yes';

/** Takes minutes where it was not built yet. */
export async function debianImage(size: 'small' | 'full'): Promise<DebianImage> {
  const script = fileURLToPath(new URL('../../deploy/images/debian/build.sh', import.meta.url));
  const folder = (await must(script, size === 'small' ? ['--small'] : [], { timeout: 3_600_000 })).trim();
  return {
    size,
    kernel: join(folder, 'kernel'),
    initrd: join(folder, 'initrd'),
    disk: join(folder, 'disk.qcow2'),
    packages: join(folder, 'PACKAGES.tsv'),
  };
}

export interface DebianMachine {
  readonly on: 'emulator' | 'qemu';
  readonly harts: number;
  /** A folder of the caller's, for the guest's own disk. */
  readonly folder: string;
  readonly name: string;
}

/** Starts a guest on a fresh overlay of the image. */
export async function startDebian(image: DebianImage, { on, harts, folder, name }: DebianMachine): Promise<Console> {
  const disk = join(folder, `${name}.qcow2`);
  await qemuImg('create', '-q', '-f', 'qcow2', '-b', image.disk, '-F', 'qcow2', disk, '8G');
  const drive = join(folder, `${name}.iso`);
  const metadata = { uuid: randomUUID(), hostname: name };
  writeFileSync(
    drive,
    buildConfigDrive({
      'openstack/latest/meta_data.json': Buffer.from(JSON.stringify(metadata)),
      'openstack/latest/user_data': Buffer.from(DEBIAN_USER_DATA),
    }),
  );
  const append = image.size === 'full' ? DEBIAN_APPEND : `${DEBIAN_APPEND} ${AUTOLOGIN}`;
  const common = ['-kernel', image.kernel, '-initrd', image.initrd, '-append', append];
  if (on === 'emulator') {
    const machine = ['--memory', '1024', '--harts', String(harts), '--no-reboot'];
    const disks = ['--disk', disk, '--disk', `${drive},ro`];
    return new Console(EMULATOR, [...common.map((word) => word.replace(/^-(\w)/, '--$1')), ...machine, ...disks]);
  }
  return new Console(findProgram('qemu-system-riscv64', 'qemu-system-misc'), [
    ...['-M', 'virt', '-smp', String(harts), '-m', '1024', '-nographic', '-no-reboot'],
    ...['-global', 'virtio-mmio.force-legacy=false', ...common],
    ...['-drive', `file=${disk},if=none,id=d0,format=qcow2`, '-device', 'virtio-blk-device,drive=d0'],
    ...['-drive', `file=${drive},if=none,id=d1,format=raw,readonly=on`, '-device', 'virtio-blk-device,drive=d1'],
    ...['-device', 'virtio-rng-device'],
  ]);
}

/** Waits for the login prompt and logs in: on the full image, once cloud-init has set the password. */
export async function logIn(guest: Console, image: DebianImage, milliseconds: number): Promise<void> {
  await guest.stage('login prompt', /login: /, milliseconds);
  for (let tries = 0; image.size === 'full'; tries++) {
    guest.type('debian\n');
    await guest.stage('password prompt', /Password: /, 60_000);
    guest.type('penguin\n');
    const [, refused] = await guest.stage('shell prompt', /(Login incorrect)[\s\S]*login: |[$#] /, 60_000);
    if (refused === undefined) break;
    if (tries === 5) throw new Error(`the password is refused\n${guest.text.slice(-1000)}`);
  }
  // What is typed before the shell reads is thrown away.
  if (image.size === 'small') await guest.stage('shell prompt', /# /, 60_000);
  // No colours, no questions back to the terminal, no messages of the kernel between the lines.
  const become = image.size === 'full' ? 'sudo ' : '';
  await guest.shell(`export TERM=dumb PAGER=cat SYSTEMD_COLORS=0; PS1="$ "; ${become}dmesg -n 1`);
}
