import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Framebuffer, type PointerReport, type Rect } from '#emulator';
import { ENCODING, RfbViewer, type ViewerOptions } from '#test/support/rfb-viewer.ts';
import { codeOfScancode, keyOfKeysym } from './keys.ts';
import { Region } from './region.ts';
import { RfbServer } from './server.ts';

let screen: Framebuffer;
let server: RfbServer;
let port: number;
let keys: string[];
let pointers: PointerReport[];
let viewers: RfbViewer[];

beforeEach(async () => {
  screen = new Framebuffer(200, 150);
  keys = [];
  pointers = [];
  viewers = [];
  const input = {
    key: (code: number, down: boolean) => void keys.push(`${down ? '+' : '-'}${code}`),
    pointer: (report: PointerReport) => void pointers.push(report),
  };
  server = new RfbServer(screen, input, 'a guest');
  port = await server.listenOn('127.0.0.1', 0);
});
afterEach(async () => {
  for (const viewer of viewers) viewer.close();
  await server.close();
});

/** Each turn of the event loop is a chance. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${condition} did not come true`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function randomness(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 16) % limit;
  };
}

async function view(options: ViewerOptions = {}): Promise<RfbViewer> {
  const viewer = await RfbViewer.open(connect(port, '127.0.0.1'), options);
  viewers.push(viewer);
  return viewer;
}

/** Whether the viewer has the picture that the screen has. */
const shows = (viewer: RfbViewer): boolean =>
  Buffer.from(viewer.pixels.buffer).equals(Buffer.from(screen.pixels.buffer));

/** Draws and tells of it. */
function draw(rect: Rect, colour: (x: number, y: number) => number): void {
  for (let y = rect.y; y < rect.y + rect.height; y++)
    for (let x = rect.x; x < rect.x + rect.width; x++) screen.pixels[y * screen.width + x] = colour(x, y);
  screen.damage(rect);
}

const PICTURES: Readonly<Record<string, (x: number, y: number) => number>> = {
  'one colour': () => 0x12_3456,
  'two colours': (x, y) => ((x ^ y) & 1) * 0xff_ffff,
  'three colours': (x) => [0xff, 0xff00, 0xff_0000][x % 3]!,
  'sixteen colours': (x, y) => ((x + y) % 16) * 0x01_0101,
  'long runs of many colours': (_x, y) => y * 0x0305,
  noise: (x, y) => Math.imul(x * 1000 + y + 1, 0x9e37_79b1) & 0xff_ffff,
};

describe.each([
  ['ZRLE', ENCODING.ZRLE],
  ['Raw', ENCODING.RAW],
] as const)('a picture in %s', (_name, encoding) => {
  it.each(Object.keys(PICTURES))('of %s arrives as it is', async (name) => {
    const viewer = await view({ encodings: [encoding] });
    expect([viewer.width, viewer.height, viewer.name]).toEqual([200, 150, 'a guest']);
    await viewer.refresh();
    draw(screen.whole, PICTURES[name]!);
    viewer.request(true);
    await until(() => viewer.updates === 2);
    expect(new Set(viewer.seen)).toEqual(new Set([encoding]));
    expect(shows(viewer)).toBe(true);
  });
});

describe('updates', () => {
  it('wait for a change, bring what changed alone, and gather changes meanwhile', async () => {
    const viewer = await view({ encodings: [ENCODING.RAW] });
    await viewer.refresh();
    const { bytes } = viewer;
    draw({ x: 10, y: 10, width: 5, height: 5 }, () => 1);
    draw({ x: 12, y: 12, width: 5, height: 5 }, () => 2);
    viewer.request(true);
    await until(() => viewer.updates === 2);
    expect(shows(viewer)).toBe(true);
    expect(viewer.bytes - bytes).toBeLessThan(41 * 4 + 100);
    viewer.request(true);
    draw({ x: 0, y: 0, width: 1, height: 1 }, () => 3);
    await until(() => viewer.updates === 3);
    expect(viewer.pixels[0]).toBe(3);
  });

  it('keep to the part that was asked for, and keep the rest for later', async () => {
    const viewer = await view({ encodings: [ENCODING.RAW] });
    await viewer.refresh();
    viewer.request(true, 0, 0, 50, 150);
    draw({ x: 40, y: 0, width: 20, height: 1 }, () => 9);
    await until(() => viewer.updates === 2);
    expect([viewer.pixels[49], viewer.pixels[50]]).toEqual([9, 0]);
    viewer.request(true);
    await until(() => viewer.updates === 3);
    expect(viewer.pixels[50]).toBe(9);
  });

  it('follow a new size, when the viewer can', async () => {
    const follows = await view({ encodings: [ENCODING.ZRLE, ENCODING.DESKTOP_SIZE] });
    const stays = await view({ encodings: [ENCODING.RAW] });
    await follows.refresh();
    await stays.refresh();
    follows.request(true);
    screen.resize(300, 100);
    await until(() => follows.width === 300);
    draw(screen.whole, (x, y) => x * y);
    await follows.refresh();
    expect(shows(follows)).toBe(true);
    await stays.refresh();
    expect([stays.width, stays.height, stays.pixels[200 * 99 + 199]]).toEqual([200, 150, 199 * 99]);
  });

  it('show the cursor of the guest apart from the picture', async () => {
    const viewer = await view({ encodings: [ENCODING.ZRLE, ENCODING.CURSOR] });
    await viewer.refresh();
    expect(viewer.cursor).toBeUndefined();
    viewer.request(true);
    const pixels = new Uint32Array(16).fill(0xff00_00ff);
    pixels[5] = 0;
    screen.showCursor({ width: 4, height: 4, hotX: 1, hotY: 2, pixels });
    await until(() => viewer.cursor !== undefined);
    expect(viewer.cursor).toMatchObject({ hotX: 1, hotY: 2, width: 4, height: 4 });
    expect([...viewer.cursor!.mask]).toEqual([0xf0, 0xb0, 0xf0, 0xf0]);
  });

  it('come in the format that the viewer wants', async () => {
    // 16 bits: 5, 6, 5, little-endian.
    const rgb565 = Buffer.from([16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0]);
    // 32 bits, red lowest: as noVNC asks.
    const bgr = Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]);
    draw(screen.whole, () => 0xff_8000);
    for (const encoding of [ENCODING.RAW, ENCODING.ZRLE]) {
      const small = await view({ encodings: [encoding], format: rgb565 });
      await small.refresh();
      expect(small.pixels[77]).toBe((31 << 11) | (32 << 5));
      const swapped = await view({ encodings: [encoding], format: bgr });
      await swapped.refresh();
      expect(swapped.pixels[77]).toBe(0x00_80ff);
    }
  });

  it('reach viewers of older versions', async () => {
    for (const version of ['RFB 003.003\n', 'RFB 003.007\n']) {
      const viewer = await view({ version });
      await viewer.refresh();
      expect(viewer.updates).toBe(1);
    }
  });
});

describe('keys', () => {
  it('by scancode go to the guest as they are, by keysym as on a US keyboard', async () => {
    const viewer = await view({ encodings: [ENCODING.RAW, ENCODING.EXTENDED_KEY] });
    await viewer.refresh();
    expect(viewer.seen).toContain(ENCODING.EXTENDED_KEY);
    viewer.scancode(0x1e, true);
    viewer.scancode(0x1e, false);
    viewer.scancode(0xc8, true);
    viewer.scancode(0xc8, false);
    viewer.type('a\n');
    await until(() => keys.length === 8);
    expect(keys).toEqual(['+30', '-30', '+103', '-103', '+30', '-30', '+28', '-28']);
  });

  it('bring a Shift with them when a program sends the character alone', async () => {
    const viewer = await view();
    viewer.type('A');
    viewer.key(0xffe1, true);
    viewer.key('!'.charCodeAt(0), true);
    viewer.key('!'.charCodeAt(0), false);
    viewer.key(0xffe1, false);
    await until(() => keys.length === 8);
    expect(keys).toEqual(['+42', '+30', '-30', '-42', '+42', '+2', '-2', '-42']);
  });

  it('that a viewer held when it left are let go', async () => {
    const viewer = await view();
    viewer.key(0xffe3, true);
    viewer.pointer(3, 3, 1);
    await until(() => keys.length === 1 && pointers.length === 1);
    viewer.close();
    await until(() => keys.length === 2 && pointers.length === 2);
    expect(keys).toEqual(['+29', '-29']);
    expect(pointers[1]!.left).toBe(false);
  });

  it('cover a whole keyboard', () => {
    for (let character = 0x20; character < 0x7f; character++) expect(keyOfKeysym(character)).toBeDefined();
    expect(keyOfKeysym(0xffbe)?.code).toBe(59);
    expect(keyOfKeysym(0xffc9)?.code).toBe(88);
    expect(keyOfKeysym(0x20ac)).toBeUndefined();
    expect([0x01, 0x58, 0x9d, 0xdb].map(codeOfScancode)).toEqual([1, 88, 97, 125]);
    expect([0, 0x7f, 0xff, 0xffff_ffff].map(codeOfScancode)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

it('the pointer reaches every corner, its wheel turns once a notch', async () => {
  const viewer = await view();
  viewer.pointer(0, 149, 4);
  viewer.pointer(199, 0, 8);
  viewer.pointer(199, 0, 8);
  viewer.pointer(5000, 0, 0);
  await until(() => pointers.length === 4);
  expect(pointers[0]).toEqual({ x: 0, y: 0x7fff, left: false, middle: false, right: true, wheel: 0, sideWheel: 0 });
  expect(pointers.map(({ x, wheel }) => [x, wheel])).toEqual([
    [0, 0],
    [0x7fff, 1],
    [0x7fff, 0],
    [0x7fff, 0],
  ]);
});

describe('a viewer that breaks the rules', () => {
  it.each<[what: string, bytes: number[]]>([
    ['an unknown message', [77]],
    ['an unknown message of QEMU', [255, 9]],
    ['a colour map', [0, 0, 0, 0, 8, 8, 0, 0, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0]],
    ['a format that cannot be', [0, 0, 0, 0, 24, 24, 0, 1, 0, 255, 0, 255, 0, 255, 0, 8, 16, 0, 0, 0]],
    ['colours beyond a pixel', [0, 0, 0, 0, 16, 16, 0, 1, 255, 255, 0, 255, 0, 255, 4, 8, 16, 0, 0, 0]],
  ])('%s: it is cut off, others stay', async (_what, bytes) => {
    const good = await view();
    const bad = await view();
    bad.write(Buffer.from(bytes));
    await until(() => bad.ended);
    await good.refresh();
    expect(good.updates).toBe(1);
  });

  it('a large clipboard is passed over', async () => {
    const viewer = await view();
    viewer.write(Buffer.from([6, 0, 0, 0, 0, 0x10, 0, 0]));
    for (let i = 0; i < 16; i++) viewer.write(Buffer.alloc(1 << 16, 77));
    viewer.scancode(0x1e, true);
    await until(() => keys.length === 1);
    expect(keys).toEqual(['+30']);
  });

  it('noise of all kinds ends its connection and nothing else', async () => {
    const random = randomness(12345);
    for (let round = 0; round < 40; round++) {
      const bad = await view();
      bad.write(Buffer.from(Array.from({ length: 600 }, (_, i) => (i % 7 === 0 ? random(8) : random(256)))));
      bad.request(true);
      bad.close();
    }
    draw(screen.whole, () => 5);
    const good = await view();
    await good.refresh();
    expect(shows(good)).toBe(true);
  });
});

it('no more viewers than there is room for', async () => {
  for (let i = 0; i < 16; i++) await view();
  await expect(view()).rejects.toThrow('hung up');
});

it('a region is what was added, each pixel once, and gives back what is taken', () => {
  const random = randomness(99);
  const region = new Region();
  const expected = new Uint8Array(40 * 40);
  for (let i = 0; i < 12; i++) {
    const rect = { x: random(30), y: random(30), width: random(10), height: random(10) };
    region.add(rect);
    for (let y = rect.y; y < rect.y + rect.height; y++) expected.fill(1, y * 40 + rect.x, y * 40 + rect.x + rect.width);
  }
  const taken = new Uint8Array(40 * 40);
  const count = (rects: readonly Rect[]): void => {
    for (const { x, y, width, height } of rects)
      for (let row = y; row < y + height; row++) for (let i = x; i < x + width; i++) taken[row * 40 + i]!++;
  };
  count(region.take({ x: 0, y: 0, width: 17, height: 40 }));
  count(region.take({ x: 0, y: 0, width: 40, height: 40 }));
  expect(region.isEmpty).toBe(true);
  expect(taken).toEqual(expected);
});
