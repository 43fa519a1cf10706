// Debian with systemd and Debian's own kernel, as deploy/images/debian builds it, on our machine. This is the small image;
// what takes longer is in debian.test.ts.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DebianImage, debianImage, logIn, startDebian } from '#test/support/debian-image.ts';
import type { Console } from '#test/support/emulator.ts';
import { tempFolder } from '#test/support/programs.ts';

/** Limits for a machine that has much else to do. */
const MINUTES = 60_000;
const folder = tempFolder('debian');
let image: DebianImage;
let guest: Console;

beforeAll(async () => {
  image = await debianImage('small');
  guest = await startDebian(image, { on: 'emulator', harts: 1, folder: folder.path, name: 'deb' });
}, 60 * MINUTES);
afterAll(async () => {
  await guest?.end();
  folder.remove();
});

it('boots to a login', {
  timeout: 16 * MINUTES,
}, async () => {
  await logIn(guest, image, 15 * MINUTES);
  expect(await guest.shell('uname -m; . /etc/os-release; echo $VERSION_CODENAME')).toBe('riscv64\ntrixie\n');
  expect(guest.text).not.toMatch(/Kernel panic|Oops|BUG:|segfault/);
});

it('comes up whole: no unit of systemd has failed', { timeout: 6 * MINUTES }, async () => {
  expect(await guest.shell('systemctl is-system-running --wait || systemctl --failed --no-legend', 5 * MINUTES)).toBe(
    'running\n',
  );
});

it('knows its packages', { timeout: 4 * MINUTES }, async () => {
  const listed = await guest.shell('apt list --installed 2>/dev/null | grep -c "/"', 3 * MINUTES);
  const packages = readFileSync(image.packages, 'utf8').trim().split('\n');
  expect(Number(listed)).toBe(packages.length);
  expect(packages.length).toBeGreaterThan(80);
});

it('runs Python, and OpenSSL computes what it should', { timeout: 6 * MINUTES }, async () => {
  expect(
    await guest.shell(
      'python3 -c "print(2**100 % 1000007, 2 ** 0.5, sum(1 / n for n in range(1, 10001)))"',
      2 * MINUTES,
    ),
  ).toBe('698635 1.4142135623730951 9.787606036044382\n');
  expect(await guest.shell('printf abc | openssl sha256 -r')).toMatch(/^ba7816bf8f01cfea414140de5dae2223b00361a3/);
  const speed = await guest.shell('openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | tail -n 1', 2 * MINUTES);
  expect(Number(/^sha256\s+([\d.]+)k/.exec(speed)?.[1])).toBeGreaterThan(1000);
});

it('powers off in order', { timeout: 6 * MINUTES }, async () => {
  guest.type('systemctl poweroff\n');
  await guest.stage('power-off', /reboot: Power down/, 5 * MINUTES);
  expect(await guest.exited).toBe(0);
});
