// The screen of a guest, its keyboard and its pointer, on a real Linux: drawn by its own drivers, seen by a viewer that
// nobody here wrote (gvnccapture), compared with QEMU's screen of the same guest.

import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { GuestProcess, guestConfig } from '#test/support/guest-control.ts';
import { type Picture, readPng } from '#test/support/png.ts';
import { findProgram, freePorts, tempFolder } from '#test/support/programs.ts';
import { ENCODING, RfbViewer } from '#test/support/rfb-viewer.ts';
import { must } from '#test/support/run.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';

const WIDTH = 1024;
const HEIGHT = 768;

let folder: ReturnType<typeof tempFolder>;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  folder = tempFolder('screen');
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
  folder.remove();
});

async function booted(program: string, args: readonly string[]): Promise<Console> {
  const { kernel, initrd } = tinyImage();
  const guest = new Console(
    program,
    ['-kernel', '-initrd', '-append']
      .flatMap((name, i) => [program === EMULATOR ? `-${name}` : name, [kernel, initrd, 'console=ttyS0'][i]!])
      .concat(args),
  );
  ends.push(() => guest.end());
  await guest.stage('shell', /~ # /);
  return guest;
}

const emulated = (port: number): Promise<Console> =>
  booted(EMULATOR, ['--memory', '128', '--gpu', `${WIDTH}x${HEIGHT}`, '--vnc', `127.0.0.1:${port}`]);

function onQemu(port: number): Promise<Console> {
  const machine = ['-M', 'virt', '-m', '128', '-display', 'none', '-serial', 'stdio', '-monitor', 'none'];
  const devices = [`virtio-gpu-device,xres=${WIDTH},yres=${HEIGHT}`, 'virtio-keyboard-device', 'virtio-tablet-device'];
  const screen = ['-vnc', `127.0.0.1:${port - 5900}`, '-global', 'virtio-mmio.force-legacy=false'];
  const program = findProgram('qemu-system-riscv64', 'qemu-system-misc');
  return booted(program, [...machine, ...screen, ...devices.flatMap((device) => ['-device', device])]);
}

/** What gvnccapture sees. */
async function capture(port: number): Promise<Picture> {
  const file = join(folder.path, `${port}.png`);
  await must(findProgram('gvnccapture', 'gvncviewer'), ['-q', `127.0.0.1:${port - 5900}`, file]);
  return readPng(readFileSync(file));
}

function countOf(picture: Picture, colour: number): number {
  let count = 0;
  for (let y = 0; y < picture.height; y++)
    for (let x = 0; x < picture.width; x++) if (picture.at(x, y) === colour) count++;
  return count;
}

it('a viewer of others sees what the guest drew, pixel for pixel what it sees on QEMU', {
  timeout: 180_000,
}, async () => {
  const [ours, theirs] = (await freePorts(2)) as [number, number];
  const ports = [ours, theirs];
  const guests = await Promise.all([emulated(ours), onQemu(theirs)]);
  // No cursor; a file of one MiB; then 'a' blue, 'b' green, 'c' red.
  const pattern = "printf 'abc\\n' >a; for i in $(seq 18); do cat a a >b; mv b a; done; cat a a a >/dev/fb0";
  for (const guest of guests) await guest.shell(`printf '\\033[?25l' >/dev/tty0; ${pattern}`, 60_000);
  for (const port of ports) await waitUntil(async () => countOf(await capture(port), 0x63_6261) === WIDTH * HEIGHT);

  const noise = 'for i in 1 2 3 4; do cat /bin/busybox; done >n; dd if=n of=/dev/fb0 bs=1M count=3; sleep 1';
  for (const guest of guests) await guest.shell(noise, 60_000);
  const [a, b] = (await Promise.all(ports.map(capture))) as [Picture, Picture];
  let differences = 0;
  for (let y = 0; y < HEIGHT; y++) for (let x = 0; x < WIDTH; x++) if (a.at(x, y) !== b.at(x, y)) differences++;
  expect([a.width, a.height, differences]).toEqual([WIDTH, HEIGHT, 0]);
  expect(countOf(a, 0x63_6261)).toBeLessThan(WIDTH);
});

it('typed keys reach the terminal on the screen, and change it', { timeout: 120_000 }, async () => {
  const [port] = (await freePorts(1)) as [number];
  const guest = await emulated(port);
  const viewer = await RfbViewer.open(connect(port, '127.0.0.1'), {
    encodings: [ENCODING.ZRLE, ENCODING.EXTENDED_KEY],
  });
  ends.push(() => viewer.close());
  guest.type('setsid sh -c "exec sh -i </dev/tty1 >/dev/tty1 2>&1" &\n');
  await viewer.refresh();
  const before = viewer.pixels.slice();
  viewer.type('echo Hello, World\\! "$((6*7))" >/dev/ttyS0\n');
  await guest.stage('what was typed on the screen', /Hello, World! 42/);
  await viewer.refresh();
  expect(Buffer.from(viewer.pixels.buffer).equals(Buffer.from(before.buffer))).toBe(false);
});

it('the pointer arrives where it is, with its buttons and its wheel', { timeout: 120_000 }, async () => {
  const [port] = (await freePorts(1)) as [number];
  const guest = await emulated(port);
  const viewer = await RfbViewer.open(connect(port, '127.0.0.1'));
  ends.push(() => viewer.close());
  const name = await guest.shell('grep -A5 Tablet /proc/bus/input/devices | grep -o "event[0-9]*"');
  // struct input_event: the time, then type, code and value. Type 3 is a position, 1 a button, 2 a wheel.
  const format = `'4/4 "%x " 2/2 " %u" 1/4 " %d" "\\n"'`;
  guest.type(`hexdump -v -e ${format} /dev/input/${name.trim()} &\n`);
  await viewer.refresh();
  let wiggle = 0;
  const wiggleUntil = (pattern: RegExp): Promise<unknown> =>
    waitUntil(() => {
      viewer.pointer(WIDTH - 1 - (wiggle++ % 2), HEIGHT - 1, 0);
      return pattern.test(guest.text);
    });
  await wiggleUntil(/ 3 0 \d+/);
  viewer.pointer(10, 10, 0);
  viewer.pointer(WIDTH - 1, HEIGHT - 1, 1);
  viewer.pointer(WIDTH - 1, HEIGHT - 1, 16);
  const event = (what: string): string => `\\S+ \\S+ \\S+ \\S+ +${what}\\r?\\n`;
  const sync = event('0 0 0');
  await wiggleUntil(new RegExp(event('3 0 32767') + event('3 1 32767') + event('1 272 1') + sync));
  await wiggleUntil(new RegExp(`${event('1 272 0')}${event('2 8 -1')}(${event('2 11 -?\\d+')})?${sync}`));
});

it('the screen is the same after a save and a restore in another process, and goes on', {
  timeout: 180_000,
}, async () => {
  const { kernel, initrd } = tinyImage();
  const display = { width: 640, height: 480, socket: join(folder.path, 'display') };
  const start = async (part: object): Promise<GuestProcess> => {
    const guest = new GuestProcess(folder.path, guestConfig(folder.path, { kernel, initrd, display, ...part }));
    ends.push(() => guest.end());
    await guest.connect();
    return guest;
  };
  const look = async (): Promise<RfbViewer> => {
    const viewer = await RfbViewer.open(connect(display.socket));
    ends.push(() => viewer.close());
    await viewer.refresh();
    return viewer;
  };
  const saved = join(folder.path, 'saved');
  const first = await start({});
  await first.sees(/~ # /, 60_000);
  first.type("printf '\\033[?25l\\033[2Jsaved' >/dev/tty0; sleep 1; echo dra''wn\n");
  await first.sees(/\ndrawn/, 60_000);
  const before = await look();
  expect(new Set(before.pixels).size).toBeGreaterThan(1);
  await first.call('save', { folder: saved, exit: true });
  expect(await first.exited).toBe(0);

  const second = await start({ restoreFrom: saved });
  await waitUntil(() => second.states.some(({ state }) => state === 'running') || second.hello?.state === 'running');
  const after = await look();
  expect([after.width, after.height]).toEqual([640, 480]);
  expect(Buffer.from(after.pixels.buffer).equals(Buffer.from(before.pixels.buffer))).toBe(true);
  second.type("printf ' and restored' >/dev/tty0\n");
  await waitUntil(async () => {
    await after.refresh();
    return !Buffer.from(after.pixels.buffer).equals(Buffer.from(before.pixels.buffer));
  });
});
