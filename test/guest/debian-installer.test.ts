// Debian's stock riscv64 kernel with Debian's installer: an image that nobody here built, with virtio and much else as
// modules. It needs the package once (deploy/debian-installer.sh, 52 MB).

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { must } from '#test/support/run.ts';

let guest: Console | undefined;
afterEach(() => guest?.end());

it("Debian's installer reaches its first screen", { timeout: 400_000 }, async () => {
  const script = fileURLToPath(new URL('../../deploy/debian-installer.sh', import.meta.url));
  const folder = (await must(script, [], { timeout: 180_000 })).trim();
  const files = ['--kernel', join(folder, 'linux'), '--initrd', join(folder, 'initrd.gz')];
  guest = new Console(EMULATOR, [...files, '--append', 'console=ttyS0', '--memory', '1024']);
  await guest.stage('kernel banner', /Linux version 6\.\d+.*Debian/, 60_000);
  await guest.stage('initrd', /Run \/init as init process/, 120_000);
  await guest.stage('installer', /Select a language/, 180_000);
  expect(guest.text).not.toMatch(/Kernel panic|Oops|BUG:/);
});
