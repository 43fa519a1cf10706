// One viewer: RFB 3.8 (RFC 6143; 3.3 and 3.7 as well), without a password: whoever reaches the socket may look.
//
//   version ──► security ──► init ──► normal        (3.3: the server decides on security, the state is skipped)
//
// An update is sent when the viewer has asked for one and something of what it asked for has changed; never two at a time,
// so a slow viewer costs no memory and sees the newest picture.

import type { Duplex } from 'node:stream';
import { type Framebuffer, intersection, type PointerReport, type Rect, TABLET_RANGE } from '#emulator';
import { codeOfScancode, isShift, keyOfKeysym, SHIFT } from './keys.ts';
import { FORMAT_BYTES, NATIVE, PixelWriter, readFormat, writeFormat } from './pixel-format.ts';
import { bounds, Region } from './region.ts';
import { ZlibStream } from './zlib-stream.ts';
import { zrleTiles } from './zrle.ts';

/** The guest's keyboard and pointer. */
export interface InputSink {
  key(code: number, down: boolean): void;
  pointer(report: PointerReport): void;
}

const VERSION = 'RFB 003.008\n';
const VERSION_BYTES = 12;
const SECURITY_NONE = 1;
// Messages of a client, 7.5.
const SET_PIXEL_FORMAT = 0;
const SET_ENCODINGS = 2;
const UPDATE_REQUEST = 3;
const KEY_EVENT = 4;
const POINTER_EVENT = 5;
const CLIENT_CUT_TEXT = 6;
const QEMU_MESSAGE = 255;
// Encodings, 7.7 and 7.8; the last is QEMU's: key events that carry scancodes.
const RAW = 0;
const ZRLE = 16;
const CURSOR = -239;
const DESKTOP_SIZE = -223;
const EXTENDED_KEY = -258;

/** Between two updates to one viewer: what changes faster goes into one. */
const MIN_INTERVAL_MS = 16;
/** Bits of a pointer event's mask, 7.5.5; a notch of a wheel is a button that is pressed and let go. */
const BUTTON = { LEFT: 1, MIDDLE: 2, RIGHT: 4, UP: 8, DOWN: 16, WHEEL_LEFT: 32, WHEEL_RIGHT: 64 } as const;
const HANDSHAKE_MS = 15_000;

type State = 'version' | 'security' | 'init' | 'normal';

export interface SessionParts {
  readonly stream: Duplex;
  readonly screen: Framebuffer;
  readonly input: InputSink;
  /** Shown in the viewer's title. */
  readonly name: string;
}

export class RfbSession {
  readonly #stream: Duplex;
  readonly #screen: Framebuffer;
  readonly #input: InputSink;
  readonly #name: string;
  #state: State = 'version';
  #minor = 8;
  #received: Buffer = Buffer.alloc(0);
  /** Bytes of a message that nobody wants and that are still to come. */
  #skip = 0;
  #writer = new PixelWriter(NATIVE);
  #encodings: ReadonlySet<number> = new Set();
  #zlib: ZlibStream | undefined;
  readonly #dirty = new Region();
  #requested: Rect | undefined;
  /** The size that the viewer knows. */
  #width = 0;
  #height = 0;
  #cursorPending = false;
  #extendedKeyPending = false;
  #sending = false;
  #timer: NodeJS.Timeout | undefined;
  #lastSent = 0;
  #pointer = { x: 0, y: 0, mask: 0 };
  readonly #held = new Set<number>();
  /** Keys that brought a Shift with them. */
  readonly #withShift = new Set<number>();
  readonly #unwatch: () => void;
  readonly #handshake: NodeJS.Timeout;

  constructor(parts: SessionParts) {
    this.#stream = parts.stream;
    this.#screen = parts.screen;
    this.#input = parts.input;
    this.#name = parts.name;
    this.#unwatch = this.#screen.watch({
      damaged: (rect) => {
        this.#dirty.add(rect);
        this.#schedule();
      },
      resized: () => {
        this.#dirty.clear();
        this.#dirty.add(this.#screen.whole);
        this.#schedule();
      },
      cursorChanged: () => {
        this.#cursorPending = true;
        this.#schedule();
      },
    });
    this.#handshake = setTimeout(() => this.#stream.destroy(), HANDSHAKE_MS).unref();
    this.#stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    this.#stream.on('drain', () => this.#schedule());
    this.#stream.on('error', () => this.#stream.destroy());
    this.#stream.on('close', () => this.#close());
    this.#stream.write(VERSION);
  }

  #close(): void {
    clearTimeout(this.#handshake);
    clearTimeout(this.#timer);
    this.#unwatch();
    this.#zlib?.close();
    // A key that a viewer held when it left is not held for ever.
    for (const code of this.#held) this.#input.key(code, false);
    this.#held.clear();
    if (this.#pointer.mask !== 0) this.#point(this.#pointer.x, this.#pointer.y, 0);
  }

  #receive(bytes: Buffer): void {
    let rest = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const skipped = Math.min(this.#skip, rest.length);
      this.#skip -= skipped;
      rest = rest.subarray(skipped);
      if (rest.length === 0 || this.#stream.destroyed) break;
      const taken = this.#take(rest);
      if (taken === 0) break;
      rest = rest.subarray(taken);
    }
    this.#received = this.#stream.destroyed ? Buffer.alloc(0) : Buffer.from(rest);
  }

  /** Returns how many bytes it took; 0: the message is not whole yet. */
  #take(bytes: Buffer): number {
    switch (this.#state) {
      case 'version':
        return this.#takeVersion(bytes);
      case 'security':
        return this.#takeSecurity(bytes);
      case 'init':
        return this.#takeInit();
      case 'normal':
        return this.#takeMessage(bytes);
    }
  }

  #refuse(): number {
    this.#stream.destroy();
    return 0;
  }

  /** 7.1.1. */
  #takeVersion(bytes: Buffer): number {
    if (bytes.length < VERSION_BYTES) return 0;
    const match = /^RFB 003\.(\d{3})\n/.exec(bytes.toString('latin1', 0, VERSION_BYTES));
    if (match === null) return this.#refuse();
    const minor = Number(match[1]);
    // What is no published version is taken as 3.3, as the RFC says.
    this.#minor = minor >= 8 ? 8 : minor === 7 ? 7 : 3;
    if (this.#minor === 3) {
      this.#stream.write(word(SECURITY_NONE));
      this.#state = 'init';
    } else {
      this.#stream.write(Buffer.from([1, SECURITY_NONE]));
      this.#state = 'security';
    }
    return VERSION_BYTES;
  }

  /** 7.1.2 and 7.1.3: the result is told since 3.8. */
  #takeSecurity(bytes: Buffer): number {
    if (bytes[0] !== SECURITY_NONE) return this.#refuse();
    if (this.#minor === 8) this.#stream.write(word(0));
    this.#state = 'init';
    return 1;
  }

  /** 7.3. All viewers share: nobody is thrown out because another one comes, whatever its shared flag says. */
  #takeInit(): number {
    this.#width = this.#screen.width;
    this.#height = this.#screen.height;
    const name = Buffer.from(this.#name, 'utf8');
    const size = Buffer.alloc(4);
    size.writeUInt16BE(this.#width, 0);
    size.writeUInt16BE(this.#height, 2);
    this.#stream.write(Buffer.concat([size, writeFormat(NATIVE), word(name.length), name]));
    this.#dirty.clear();
    this.#dirty.add(this.#screen.whole);
    clearTimeout(this.#handshake);
    this.#state = 'normal';
    return 1;
  }

  #takeMessage(bytes: Buffer): number {
    switch (bytes[0]) {
      case SET_PIXEL_FORMAT: {
        if (bytes.length < 4 + FORMAT_BYTES) return 0;
        const format = readFormat(bytes.subarray(4));
        if (format === undefined) return this.#refuse();
        this.#writer = new PixelWriter(format);
        return 4 + FORMAT_BYTES;
      }
      case SET_ENCODINGS: {
        if (bytes.length < 4) return 0;
        const length = 4 + bytes.readUInt16BE(2) * 4;
        if (bytes.length < length) return 0;
        const encodings = new Set<number>();
        for (let at = 4; at < length; at += 4) encodings.add(bytes.readInt32BE(at));
        this.#setEncodings(encodings);
        return length;
      }
      case UPDATE_REQUEST: {
        if (bytes.length < 10) return 0;
        const [x, y] = [bytes.readUInt16BE(2), bytes.readUInt16BE(4)];
        this.#request(bytes[1] !== 0, { x, y, width: bytes.readUInt16BE(6), height: bytes.readUInt16BE(8) });
        return 10;
      }
      case KEY_EVENT:
        if (bytes.length < 8) return 0;
        this.#keysym(bytes.readUInt32BE(4), bytes[1] !== 0);
        return 8;
      case POINTER_EVENT:
        if (bytes.length < 6) return 0;
        this.#point(bytes.readUInt16BE(2), bytes.readUInt16BE(4), bytes[1]!);
        return 6;
      case CLIENT_CUT_TEXT:
        if (bytes.length < 8) return 0;
        // The guest has no clipboard that we could reach.
        this.#skip = bytes.readUInt32BE(4);
        return 8;
      case QEMU_MESSAGE: {
        if (bytes.length < 2) return 0;
        // Extended key event: subtype 0, down (2 bytes), keysym, scancode.
        if (bytes[1] !== 0) return this.#refuse();
        if (bytes.length < 12) return 0;
        const code = codeOfScancode(bytes.readUInt32BE(8));
        const down = bytes.readUInt16BE(2) !== 0;
        if (code === undefined) this.#keysym(bytes.readUInt32BE(4), down);
        else this.#key(code, down);
        return 12;
      }
      default:
        return this.#refuse();
    }
  }

  #setEncodings(encodings: ReadonlySet<number>): void {
    this.#encodings = encodings;
    if (encodings.has(EXTENDED_KEY)) this.#extendedKeyPending = true;
    if (encodings.has(CURSOR) && this.#screen.cursor !== undefined) this.#cursorPending = true;
    this.#schedule();
  }

  #request(incremental: boolean, rect: Rect): void {
    if (!incremental) this.#dirty.add(rect);
    // A second request before an update widens the first: the viewer gets what it asked for in one.
    this.#requested = this.#requested === undefined ? rect : bounds(this.#requested, rect);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#sending || this.#timer !== undefined || !this.#isWanted()) return;
    const wait = Math.max(0, this.#lastSent + MIN_INTERVAL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#send().catch(() => this.#stream.destroy());
    }, wait);
  }

  #isWanted(): boolean {
    if (this.#state !== 'normal' || this.#requested === undefined || this.#stream.writableNeedDrain) return false;
    return this.#pendingPseudo() || this.#dirty.meets(this.#requested);
  }

  #pendingPseudo(): boolean {
    return this.#extendedKeyPending || this.#isResized() || (this.#cursorPending && this.#encodings.has(CURSOR));
  }

  #isResized(): boolean {
    const { width, height } = this.#screen;
    return this.#encodings.has(DESKTOP_SIZE) && (width !== this.#width || height !== this.#height);
  }

  /** One FramebufferUpdate, 7.6.1. */
  async #send(): Promise<void> {
    if (!this.#isWanted()) return;
    this.#sending = true;
    const requested = this.#requested!;
    this.#requested = undefined;
    const rects: Buffer[] = [];
    if (this.#extendedKeyPending) {
      this.#extendedKeyPending = false;
      rects.push(rectHeader({ x: 0, y: 0, width: 0, height: 0 }, EXTENDED_KEY));
    }
    if (this.#isResized()) {
      // The viewer forgets its picture, and asks for all of the new one.
      this.#width = this.#screen.width;
      this.#height = this.#screen.height;
      rects.push(rectHeader(this.#screen.whole, DESKTOP_SIZE));
    } else {
      if (this.#cursorPending && this.#encodings.has(CURSOR)) {
        this.#cursorPending = false;
        rects.push(this.#cursor());
      }
      rects.push(...(await this.#pixels(requested)));
    }
    this.#sending = false;
    if (this.#stream.destroyed) return;
    if (rects.length === 0) {
      // All that changed lies outside what the viewer can see: it still waits.
      this.#requested = this.#requested === undefined ? requested : bounds(requested, this.#requested);
      return;
    }
    const header = Buffer.alloc(4);
    header.writeUInt16BE(rects.length, 2);
    this.#stream.write(Buffer.concat([header, ...rects]));
    this.#lastSent = performance.now();
    this.#schedule();
  }

  /** What changed of the part that was asked for, a rectangle each. */
  async #pixels(requested: Rect): Promise<Buffer[]> {
    const { width, height, pixels } = this.#screen;
    // A viewer that does not follow a new size sees the part that it has room for.
    const seen = { x: 0, y: 0, width: Math.min(width, this.#width), height: Math.min(height, this.#height) };
    const parts = this.#dirty
      .take(requested)
      .map((rect) => intersection(rect, seen))
      .filter((part) => part !== undefined);
    const writer = this.#writer;
    if (!this.#encodings.has(ZRLE)) {
      return parts.map((part) => Buffer.concat([rectHeader(part, RAW), rawPixels(pixels, width, part, writer)]));
    }
    // All pixels are read at once: the picture does not change while it is compressed.
    const tiles = parts.map((part) => zrleTiles(pixels, width, part, writer));
    this.#zlib ??= new ZlibStream();
    const rects: Buffer[] = [];
    for (const [i, part] of parts.entries()) {
      const compressed = await this.#zlib.compress(tiles[i]!);
      rects.push(Buffer.concat([rectHeader(part, ZRLE), word(compressed.length), compressed]));
    }
    return rects;
  }

  /** 7.8.1: pixels, then a mask of what shows. No cursor is one without pixels. */
  #cursor(): Buffer {
    const cursor = this.#screen.cursor;
    if (cursor === undefined) return rectHeader({ x: 0, y: 0, width: 0, height: 0 }, CURSOR);
    const { width, height, hotX, hotY, pixels } = cursor;
    const colours = Buffer.alloc(width * height * this.#writer.size);
    const maskStride = (width + 7) >> 3;
    const mask = Buffer.alloc(maskStride * height);
    let at = 0;
    for (const [i, pixel] of pixels.entries()) {
      at = this.#writer.write(colours, at, pixel & 0xff_ffff);
      const x = i % width;
      if (pixel >>> 24 >= 0x80) mask[Math.floor(i / width) * maskStride + (x >> 3)]! |= 0x80 >> (x & 7);
    }
    return Buffer.concat([rectHeader({ x: hotX, y: hotY, width, height }, CURSOR), colours, mask]);
  }

  #keysym(keysym: number, down: boolean): void {
    const key = keyOfKeysym(keysym);
    if (key === undefined) return;
    const { code, shifted } = key;
    const shiftHeld = [...this.#held].some(isShift);
    // On-screen keyboards and scripts send the character alone.
    if (down && shifted && !shiftHeld) {
      this.#withShift.add(code);
      this.#key(SHIFT, true);
    }
    this.#key(code, down);
    if (!down && this.#withShift.delete(code)) this.#key(SHIFT, false);
  }

  #key(code: number, down: boolean): void {
    if (down) this.#held.add(code);
    else this.#held.delete(code);
    this.#input.key(code, down);
  }

  #point(x: number, y: number, mask: number): void {
    const pressed = (button: number): number => ((mask & ~this.#pointer.mask & button) === 0 ? 0 : 1);
    const scaled = (at: number, size: number): number =>
      Math.round((Math.min(at, size - 1) * TABLET_RANGE) / Math.max(1, size - 1));
    this.#input.pointer({
      x: scaled(x, this.#width),
      y: scaled(y, this.#height),
      left: (mask & BUTTON.LEFT) !== 0,
      middle: (mask & BUTTON.MIDDLE) !== 0,
      right: (mask & BUTTON.RIGHT) !== 0,
      wheel: pressed(BUTTON.UP) - pressed(BUTTON.DOWN),
      sideWheel: pressed(BUTTON.WHEEL_RIGHT) - pressed(BUTTON.WHEEL_LEFT),
    });
    this.#pointer = { x, y, mask };
  }
}

function rawPixels(pixels: Uint32Array, stride: number, rect: Rect, writer: PixelWriter): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(rect.width * rect.height * writer.size);
  let at = 0;
  for (let row = 0; row < rect.height; row++) {
    const from = (rect.y + row) * stride + rect.x;
    for (let i = from; i < from + rect.width; i++) at = writer.write(out, at, pixels[i]!);
  }
  return out;
}

function rectHeader(rect: Rect, encoding: number): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(rect.x, 0);
  header.writeUInt16BE(rect.y, 2);
  header.writeUInt16BE(rect.width, 4);
  header.writeUInt16BE(rect.height, 6);
  header.writeInt32BE(encoding, 8);
  return header;
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
