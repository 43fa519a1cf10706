import { describe, expect, it } from 'vitest';
import { RAM_BASE } from '../board/memory-map.ts';
import { Framebuffer, type Rect } from '../display/framebuffer.ts';
import { saveMachine } from '../snapshot/machine-state.ts';
import type { Driver } from './driver.ts';
import { GPU, type VirtioGpu } from './gpu.ts';
import { Rig } from './rig.ts';

const REQUEST = 0x1000;
const ANSWER = 0x5000;
const PIXELS = 0x8_0000;
const B8G8R8X8 = 2;
const A8R8G8B8 = 3;

/** A guest with a screen, and a driver of it. */
class Screen {
  readonly screen: Framebuffer;
  readonly rig: Rig;
  readonly driver: Driver;
  readonly damage: Rect[] = [];
  resizes = 0;

  constructor(width = 64, height = 32) {
    this.screen = new Framebuffer(width, height);
    this.screen.watch({
      damaged: (rect) => this.damage.push(rect),
      resized: () => this.resizes++,
      cursorChanged: () => undefined,
    });
    this.rig = new Rig([{ type: 'gpu', screen: this.screen }]);
    this.driver = this.rig.driver(0);
    this.driver.start([], [16, 16]);
  }

  get gpu(): VirtioGpu {
    return this.rig.devices.devices[0] as VirtioGpu;
  }

  /** Sends a request of 32-bit words after its header; returns the answer's type. */
  ask(type: number, words: readonly number[], options: { queue?: number; fence?: bigint; room?: number } = {}): number {
    const { queue = 0, fence, room = 408 } = options;
    const view = new DataView(this.rig.ram.bytes.buffer);
    this.rig.ram.bytes.fill(0, REQUEST, REQUEST + 24);
    this.rig.ram.bytes.fill(0, ANSWER, ANSWER + 408);
    view.setUint32(REQUEST, type, true);
    view.setUint32(REQUEST + 4, fence === undefined ? 0 : 1, true);
    view.setBigUint64(REQUEST + 8, fence ?? 0n, true);
    for (const [i, word] of words.entries()) view.setUint32(REQUEST + 24 + i * 4, word, true);
    const answer = room === 0 ? [] : [{ at: ANSWER, length: room, writable: true }];
    this.driver.offer(this.driver.queues[queue]!, [{ at: REQUEST, length: 24 + words.length * 4 }, ...answer]);
    this.driver.notify(this.driver.queues[queue]!);
    this.rig.devices.service();
    this.driver.used(this.driver.queues[queue]!);
    return view.getUint32(ANSWER, true);
  }

  /** A resource with its memory at PIXELS. */
  resource(id: number, width: number, height: number, format = B8G8R8X8): void {
    expect(this.ask(GPU.RESOURCE_CREATE_2D, [id, format, width, height])).toBe(GPU.RESP_OK_NODATA);
    const backing = [RAM_BASE + PIXELS, 0, width * height * 4, 0];
    expect(this.ask(GPU.RESOURCE_ATTACH_BACKING, [id, 1, ...backing])).toBe(GPU.RESP_OK_NODATA);
  }

  /** Draws a word at each pixel of the guest's memory. */
  paint(width: number, height: number, colour: (x: number, y: number) => number): void {
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) this.rig.ram.words32[(PIXELS >> 2) + y * width + x] = colour(x, y);
  }

  at(x: number, y: number): number {
    return this.screen.pixels[y * this.screen.width + x]!;
  }
}

describe('virtio-gpu', () => {
  it('tells its one screen and the size that suits it', () => {
    const guest = new Screen(640, 480);
    expect(guest.driver.config(8, 4)).toBe(1);
    expect(guest.ask(GPU.GET_DISPLAY_INFO, [])).toBe(GPU.RESP_OK_DISPLAY_INFO);
    const view = new DataView(guest.rig.ram.bytes.buffer, ANSWER + 24);
    const mode = (n: number): number[] => [0, 4, 8, 12, 16].map((at) => view.getUint32(n * 24 + at, true));
    expect(mode(0)).toEqual([0, 0, 640, 480, 1]);
    expect(mode(1)).toEqual([0, 0, 0, 0, 0]);
  });

  it('shows what was transferred and flushed, and only that', () => {
    const guest = new Screen();
    guest.resource(1, 64, 32);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 64, 32, 0, 1]);
    guest.paint(64, 32, (x, y) => 0xff00_0000 | (y << 8) | x);
    guest.damage.length = 0;
    // Offset of the rectangle's first pixel in the backing: row 4, column 8.
    guest.ask(GPU.TRANSFER_TO_HOST_2D, [8, 4, 16, 2, (4 * 64 + 8) * 4, 0, 1, 0]);
    expect(guest.at(8, 4)).toBe(0);
    guest.ask(GPU.RESOURCE_FLUSH, [0, 0, 64, 32, 1, 0]);
    expect([guest.at(7, 4), guest.at(8, 4), guest.at(23, 5), guest.at(24, 5), guest.at(8, 6)]).toEqual([
      0, 0x408, 0x517, 0, 0,
    ]);
    expect(guest.damage).toEqual([{ x: 0, y: 0, width: 64, height: 32 }]);
  });

  it('reads memory in pieces, and pixels in other orders', () => {
    const guest = new Screen();
    guest.ask(GPU.RESOURCE_CREATE_2D, [1, A8R8G8B8, 64, 32]);
    // Rows 0 to 15 lie behind rows 16 to 31 in the guest's memory; the pieces do not end at rows.
    const half = 64 * 16 * 4;
    const pieces = [
      [RAM_BASE + PIXELS + half, 0, 100, 0],
      [RAM_BASE + PIXELS + half + 100, 0, half - 100, 0],
      [RAM_BASE + PIXELS, 0, half, 0],
    ].flat();
    expect(guest.ask(GPU.RESOURCE_ATTACH_BACKING, [1, 3, ...pieces])).toBe(GPU.RESP_OK_NODATA);
    guest.paint(64, 32, (x, y) => ((x | (y << 8)) << 8) | 0xaa);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 64, 32, 0, 1]);
    guest.ask(GPU.TRANSFER_TO_HOST_2D, [0, 0, 64, 32, 0, 0, 1, 0]);
    guest.ask(GPU.RESOURCE_FLUSH, [0, 0, 64, 32, 1, 0]);
    // A8R8G8B8 in memory: alpha is the lowest byte of the word.
    const swapped = (word: number): number => ((word & 0xff) << 16) | (word & 0xff00) | (word >>> 16);
    expect(guest.at(3, 0)).toBe(swapped(3 | (16 << 8)));
    expect(guest.at(40, 0)).toBe(swapped(40 | (16 << 8)));
    expect(guest.at(3, 31)).toBe(swapped(3 | (15 << 8)));
  });

  it('takes the size that the guest chooses, and goes black when nothing is shown', () => {
    const guest = new Screen();
    guest.resource(1, 80, 60);
    guest.paint(80, 60, () => 0x12_3456);
    guest.ask(GPU.TRANSFER_TO_HOST_2D, [0, 0, 80, 60, 0, 0, 1, 0]);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 80, 60, 0, 1]);
    expect([guest.screen.width, guest.screen.height, guest.resizes, guest.at(79, 59)]).toEqual([80, 60, 1, 0x12_3456]);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 0, 0, 0, 0]);
    expect([guest.screen.width, guest.at(79, 59)]).toEqual([80, 0]);
    guest.driver.set(0x70, 0);
    expect([guest.screen.width, guest.screen.height]).toEqual([64, 32]);
  });

  it('answers a fence with its request', () => {
    const guest = new Screen();
    guest.ask(GPU.RESOURCE_CREATE_2D, [1, B8G8R8X8, 8, 8], { fence: 0x1_2345_6789n });
    const view = new DataView(guest.rig.ram.bytes.buffer, ANSWER);
    expect([view.getUint32(4, true), view.getBigUint64(8, true)]).toEqual([1, 0x1_2345_6789n]);
  });

  it('shows a cursor of 64 by 64, and hides it', () => {
    const guest = new Screen();
    guest.resource(7, 64, 64, 1);
    guest.paint(64, 64, (x) => 0x8000_0000 | x);
    guest.ask(GPU.TRANSFER_TO_HOST_2D, [0, 0, 64, 64, 0, 0, 7, 0]);
    guest.ask(GPU.UPDATE_CURSOR, [0, 10, 10, 0, 7, 5, 6, 0], { queue: 1, room: 0 });
    expect(guest.screen.cursor).toMatchObject({ width: 64, hotX: 5, hotY: 6 });
    expect(guest.screen.cursor?.pixels[3]).toBe(0x8000_0003);
    guest.ask(GPU.UPDATE_CURSOR, [0, 10, 10, 0, 0, 0, 0, 0], { queue: 1, room: 0 });
    expect(guest.screen.cursor).toBeUndefined();
  });

  it.each<[why: string, type: number, words: number[], answer: number]>([
    ['an unknown request', 0x1ff, [], GPU.RESP_ERR_UNSPEC],
    ['a request of 3D', 0x200, [0, 0], GPU.RESP_ERR_UNSPEC],
    ['a request cut short', GPU.RESOURCE_CREATE_2D, [9, 2], GPU.RESP_ERR_INVALID_PARAMETER],
    ['resource 0', GPU.RESOURCE_CREATE_2D, [0, 2, 8, 8], GPU.RESP_ERR_INVALID_RESOURCE_ID],
    ['a resource twice', GPU.RESOURCE_CREATE_2D, [1, 2, 8, 8], GPU.RESP_ERR_INVALID_RESOURCE_ID],
    ['an unknown format', GPU.RESOURCE_CREATE_2D, [9, 5, 8, 8], GPU.RESP_ERR_INVALID_PARAMETER],
    ['no width', GPU.RESOURCE_CREATE_2D, [9, 2, 0, 8], GPU.RESP_ERR_INVALID_PARAMETER],
    ['more than the host gives', GPU.RESOURCE_CREATE_2D, [9, 2, 0xffff, 0xffff], GPU.RESP_ERR_OUT_OF_MEMORY],
    ['more than numbers hold', GPU.RESOURCE_CREATE_2D, [9, 2, 0xffff_ffff, 0xffff_ffff], GPU.RESP_ERR_OUT_OF_MEMORY],
    ['a resource that is not there', GPU.RESOURCE_UNREF, [9, 0], GPU.RESP_ERR_INVALID_RESOURCE_ID],
    ['a flush beyond it', GPU.RESOURCE_FLUSH, [0, 0, 65, 1, 1, 0], GPU.RESP_ERR_INVALID_PARAMETER],
    ['a flush far beyond', GPU.RESOURCE_FLUSH, [0xffff_ffff, 0, 2, 1, 1, 0], GPU.RESP_ERR_INVALID_PARAMETER],
    ['another screen', GPU.SET_SCANOUT, [0, 0, 64, 32, 1, 1], GPU.RESP_ERR_INVALID_SCANOUT_ID],
    ['a screen larger than its resource', GPU.SET_SCANOUT, [1, 0, 64, 32, 0, 1], GPU.RESP_ERR_INVALID_PARAMETER],
    ['memory attached twice', GPU.RESOURCE_ATTACH_BACKING, [1, 1, RAM_BASE, 0, 4, 0], GPU.RESP_ERR_UNSPEC],
    ['memory outside RAM', GPU.RESOURCE_ATTACH_BACKING, [2, 1, 0, 0, 4, 0], GPU.RESP_ERR_INVALID_PARAMETER],
    [
      'a list that is not there',
      GPU.RESOURCE_ATTACH_BACKING,
      [2, 2, RAM_BASE, 0, 4, 0],
      GPU.RESP_ERR_INVALID_PARAMETER,
    ],
    ['a list without end', GPU.RESOURCE_ATTACH_BACKING, [2, 0xffff_ffff], GPU.RESP_ERR_INVALID_PARAMETER],
    ['a transfer without memory', GPU.TRANSFER_TO_HOST_2D, [0, 0, 1, 1, 0, 0, 2, 0], GPU.RESP_ERR_UNSPEC],
    ['nothing to detach', GPU.RESOURCE_DETACH_BACKING, [2, 0], GPU.RESP_ERR_UNSPEC],
  ])('refuses %s, and goes on', (_why, type, words, answer) => {
    const guest = new Screen();
    guest.resource(1, 64, 32);
    guest.ask(GPU.RESOURCE_CREATE_2D, [2, B8G8R8X8, 8, 8]);
    const before = guest.gpu.hostBytes;
    expect(guest.ask(type, words)).toBe(answer);
    expect(guest.gpu.hostBytes).toBe(before);
    expect(guest.ask(GPU.RESOURCE_FLUSH, [0, 0, 64, 32, 1, 0])).toBe(GPU.RESP_OK_NODATA);
    expect(guest.driver.needsReset).toBe(false);
  });

  it('copies what is backed when a transfer reaches further', () => {
    const guest = new Screen();
    guest.resource(1, 64, 32);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 64, 32, 0, 1]);
    guest.paint(64, 32, () => 0x77);
    expect(guest.ask(GPU.TRANSFER_TO_HOST_2D, [0, 0, 64, 32, 64 * 31 * 4, 0, 1, 0])).toBe(GPU.RESP_OK_NODATA);
    expect(guest.ask(GPU.TRANSFER_TO_HOST_2D, [0, 0, 64, 32, 0, 0xffff_ffff, 1, 0])).toBe(GPU.RESP_OK_NODATA);
    guest.ask(GPU.RESOURCE_FLUSH, [0, 0, 64, 32, 1, 0]);
    expect([guest.at(0, 0), guest.at(0, 1)]).toEqual([0x77, 0]);
  });

  it('needs a reset when an answer finds no room', () => {
    const guest = new Screen();
    guest.ask(GPU.GET_DISPLAY_INFO, [], { room: 24 });
    expect(guest.driver.needsReset).toBe(true);
  });

  it('gives the memory of resources back', () => {
    const guest = new Screen();
    guest.resource(1, 64, 32);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 64, 32, 0, 1]);
    expect(guest.gpu.hostBytes).toBeGreaterThan(64 * 32 * 4);
    expect(guest.ask(GPU.RESOURCE_UNREF, [1, 0])).toBe(GPU.RESP_OK_NODATA);
    expect(guest.gpu.hostBytes).toBe(0);
  });

  it('goes on with the same screen, resources and cursor after a restore', () => {
    const guest = new Screen();
    guest.resource(7, 64, 64, 1);
    guest.ask(GPU.UPDATE_CURSOR, [0, 0, 0, 0, 7, 1, 2, 0], { queue: 1, room: 0 });
    guest.resource(1, 40, 20);
    guest.paint(40, 20, (x, y) => (x < 20 ? 0x11_0000 : x * y));
    guest.ask(GPU.TRANSFER_TO_HOST_2D, [0, 0, 40, 20, 0, 0, 1, 0]);
    guest.ask(GPU.SET_SCANOUT, [0, 0, 40, 20, 0, 1]);
    const state = JSON.parse(JSON.stringify(saveMachine(guest.rig.board, guest.rig.devices.devices, [], 0, 'sbi')));

    const other = new Screen();
    other.rig.ram.bytes.set(guest.rig.ram.bytes);
    other.gpu.restore(state.devices[0]);
    expect(other.screen.width).toBe(40);
    expect(other.screen.pixels).toEqual(guest.screen.pixels);
    expect(other.screen.cursor).toEqual(guest.screen.cursor);
    expect(other.gpu.hostBytes).toBe(guest.gpu.hostBytes);
    expect(other.gpu.save()).toEqual(guest.gpu.save());
  });
});

/** xorshift32. */
function randomness(seed: number): (limit: number) => number {
  let state = seed | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

it('whatever a guest asks for is answered, and takes no more of the host than it may', () => {
  const random = randomness(4711);
  const guest = new Screen();
  const small = (): number => [0, 1, 2, 3, 16, 64, 65, 4000, 0xffff_ffff][random(9)]!;
  let served = 0;
  for (let round = 0; round < 3000; round++) {
    const type = random(40) === 0 ? random(0x10000) : random(5) === 0 ? 0x300 + random(2) : 0x100 + random(8);
    const address = random(8) === 0 ? random(0x1_0000_0000) : RAM_BASE + random(0x10_0000);
    const words = type === GPU.RESOURCE_ATTACH_BACKING ? [random(4), 1, address, 0, random(0x1_0000), 0] : [];
    if (type === GPU.RESOURCE_CREATE_2D) words.push(random(4), [1, 2, 67, 121, 9][random(5)]!, small(), small());
    while (words.length < 8) words.push(random(3) === 0 ? random(4) : small());
    const answer = guest.ask(type, words.slice(0, random(30) === 0 ? random(8) : 8), {
      queue: random(9) === 0 ? 1 : 0,
    });
    if (answer === GPU.RESP_OK_NODATA) served++;
    expect(guest.gpu.hostBytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(guest.driver.needsReset).toBe(false);
  }
  expect(served).toBeGreaterThan(100);
});
