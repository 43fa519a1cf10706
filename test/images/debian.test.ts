// What a person does with a full Debian, with 1 and with 4 harts: services, packages, Python, OpenSSL, a compiler. Minutes
// long, so it is asked for: `make test-images`.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DebianImage, debianImage, logIn, startDebian } from '#test/support/debian-image.ts';
import type { Console } from '#test/support/emulator.ts';
import { tempFolder } from '#test/support/programs.ts';

const MINUTES = 60_000;
const folder = tempFolder('debian');
let image: DebianImage;

beforeAll(async () => {
  image = await debianImage('full');
}, 60 * MINUTES);
afterAll(() => folder.remove());

// Threads that each add to a sum of their own and to one that they share: the harts must agree on it.
const PROGRAM = `#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#define THREADS 8
static atomic_long shared;
static void *work(void *own) {
  long *sum = own;
  for (long i = 0; i < 300000; i++) { *sum += i; atomic_fetch_add(&shared, i); }
  return 0;
}
int main(void) {
  pthread_t threads[THREADS];
  long sums[THREADS] = {0}, all = 0;
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], 0, work, &sums[i]);
  for (int i = 0; i < THREADS; i++) { pthread_join(threads[i], 0); all += sums[i]; }
  printf("%ld %d\\\\n", shared, all == shared);
}
`;

describe.each([1, 4])('with %i harts', (harts) => {
  let guest: Console;

  beforeAll(async () => {
    guest = await startDebian(image, { on: 'emulator', harts, folder: folder.path, name: `deb${harts}` });
    await logIn(guest, image, 20 * MINUTES);
  }, 22 * MINUTES);
  afterAll(() => guest?.end());

  it('sees the harts, and systemd is content', { timeout: 10 * MINUTES }, async () => {
    expect(await guest.shell('nproc')).toBe(`${harts}\n`);
    const state = await guest.shell('systemctl is-system-running --wait || systemctl --failed', 8 * MINUTES);
    expect(state).toBe('running\n');
  });

  it('lists packages', { timeout: 5 * MINUTES }, async () => {
    const listed = await guest.shell('apt list --installed 2>/dev/null', 4 * MINUTES);
    for (const name of ['systemd', 'openssh-server', 'cloud-init', 'gcc', 'libc6-dev']) {
      expect(listed).toMatch(new RegExp(`^${name}/.*\\briscv64\\b|^${name}/.*\\ball\\b`, 'm'));
    }
  });

  it('runs Python, its integers, floats and processes', { timeout: 5 * MINUTES }, async () => {
    const line =
      'import hashlib,math;print(math.factorial(30),sum(1/n for n in range(1,10001)),hashlib.md5(b"a"*10**6).hexdigest())';
    expect(await guest.shell(`python3 -c '${line}'`, 4 * MINUTES)).toBe(
      '265252859812191058636308480000000 9.787606036044382 7707d6ae4e027c70eea2a935c2296f21\n',
    );
    const pool =
      'from multiprocessing import Pool\nif __name__=="__main__": print(sum(Pool(4).map(abs,range(-500,500))))';
    expect(
      await guest.shell(
        `printf '%b' '${pool.replaceAll('\n', '\\n')}' > /tmp/pool.py; python3 /tmp/pool.py`,
        4 * MINUTES,
      ),
    ).toBe('250000\n');
  });

  it('runs openssl speed, and what it computes is right', { timeout: 5 * MINUTES }, async () => {
    for (const name of ['sha256', 'aes-128-cbc', 'chacha20-poly1305']) {
      const speed = await guest.shell(
        `openssl speed -seconds 1 -bytes 1024 -evp ${name} 2>/dev/null | tail -n 1`,
        MINUTES,
      );
      expect(Number(/\s([\d.]+)k\s*$/.exec(speed)?.[1]), speed).toBeGreaterThan(1000);
    }
    const signed =
      'openssl genpkey -algorithm ed25519 -out /tmp/k && echo hello > /tmp/m && openssl pkeyutl -sign -inkey /tmp/k -rawin -in /tmp/m -out /tmp/s && openssl pkeyutl -verify -inkey /tmp/k -rawin -in /tmp/m -sigfile /tmp/s';
    expect(await guest.shell(signed, 2 * MINUTES)).toBe('Signature Verified Successfully\n');
  });

  it('compiles a program and runs it', { timeout: 8 * MINUTES }, async () => {
    const lines = PROGRAM.trim().split('\n');
    await guest.shell(`printf '%b\\n' ${lines.map((line) => `'${line}'`).join(' ')} > /tmp/sum.c`, MINUTES);
    await guest.shell('gcc -O2 -Wall -Werror -pthread -o /tmp/sum /tmp/sum.c', 6 * MINUTES);
    expect(await guest.shell('/tmp/sum', 2 * MINUTES)).toBe('359998800000 1\n');
  });

  it('powers off in order', { timeout: 5 * MINUTES }, async () => {
    expect(guest.text).not.toMatch(/Kernel panic|Oops|BUG:|segfault/);
    guest.type('sudo poweroff\n');
    await guest.stage('power-off', /reboot: Power down/, 4 * MINUTES);
    expect(await guest.exited).toBe(0);
  });
});
