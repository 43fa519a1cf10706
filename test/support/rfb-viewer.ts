// A viewer of screens (RFB, RFC 6143) for tests: keeps the picture that it was sent, and can type and point. Written from
// the RFC and sharing nothing with our server.

import type { Duplex } from 'node:stream';
import { constants, createInflate } from 'node:zlib';

export const ENCODING = { RAW: 0, ZRLE: 16, CURSOR: -239, DESKTOP_SIZE: -223, EXTENDED_KEY: -258 } as const;

export interface ViewerOptions {
  readonly version?: string;
  readonly encodings?: readonly number[];
  /** 16 bytes; absent: the server's own (0x00RRGGBB). */
  readonly format?: Buffer;
}

export class RfbViewer {
  readonly #stream: Duplex;
  readonly #parts: AsyncIterator<Buffer>;
  #data: Buffer = Buffer.alloc(0);
  readonly #inflate = createInflate();
  #inflated: Buffer[] = [];
  #pixelBytes = 4;
  #compactBytes = 3;
  width = 0;
  height = 0;
  name = '';
  /** Pixels in the format that was asked for, as little-endian numbers. */
  pixels = new Uint32Array(0);
  updates = 0;
  /** Encodings of all rectangles so far. */
  readonly seen: number[] = [];
  bytes = 0;
  cursor: { hotX: number; hotY: number; width: number; height: number; mask: Buffer } | undefined;
  ended = false;
  #waiting: (() => void)[] = [];

  private constructor(stream: Duplex) {
    this.#stream = stream;
    this.#parts = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    this.#inflate.on('data', (chunk: Buffer) => this.#inflated.push(chunk));
  }

  static async open(stream: Duplex, options: ViewerOptions = {}): Promise<RfbViewer> {
    const viewer = new RfbViewer(stream);
    await viewer.#begin(options);
    void viewer.#listen().catch(() => {
      viewer.ended = true;
      viewer.#wake();
    });
    return viewer;
  }

  async #begin({ version = 'RFB 003.008\n', encodings = [ENCODING.ZRLE], format }: ViewerOptions): Promise<void> {
    const offered = (await this.#read(12)).toString();
    if (offered !== 'RFB 003.008\n') throw new Error(`the server speaks ${offered}`);
    this.#stream.write(version);
    if (version === 'RFB 003.003\n') {
      if ((await this.#read(4)).readUInt32BE() !== 1) throw new Error('a password is wanted');
    } else {
      const types = await this.#read((await this.#read(1))[0]!);
      if (!types.includes(1)) throw new Error(`security types ${[...types]}`);
      this.#stream.write(Buffer.from([1]));
      if (version === 'RFB 003.008\n' && (await this.#read(4)).readUInt32BE() !== 0) throw new Error('refused');
    }
    this.#stream.write(Buffer.from([1]));
    const init = await this.#read(24);
    this.#resize(init.readUInt16BE(0), init.readUInt16BE(2));
    this.name = (await this.#read(init.readUInt32BE(20))).toString();
    if (format !== undefined) {
      this.#stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0]), format]));
      this.#pixelBytes = format[0]! / 8;
      this.#compactBytes = this.#pixelBytes === 4 && format[1] === 24 ? 3 : this.#pixelBytes;
    }
    const list = Buffer.alloc(4 + encodings.length * 4);
    list[0] = 2;
    list.writeUInt16BE(encodings.length, 2);
    for (const [i, encoding] of encodings.entries()) list.writeInt32BE(encoding, 4 + i * 4);
    this.#stream.write(list);
  }

  request(incremental: boolean, x = 0, y = 0, width = this.width, height = this.height): void {
    const message = Buffer.from([3, incremental ? 1 : 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for (const [i, value] of [x, y, width, height].entries()) message.writeUInt16BE(value, 2 + i * 2);
    this.#stream.write(message);
  }

  /** Asks for all of the picture and waits for it. */
  async refresh(): Promise<void> {
    const { updates } = this;
    this.request(false);
    while (this.updates === updates && !this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  key(keysym: number, down: boolean): void {
    const message = Buffer.from([4, down ? 1 : 0, 0, 0, 0, 0, 0, 0]);
    message.writeUInt32BE(keysym, 4);
    this.#stream.write(message);
  }

  /** Types characters as a program does, without Shift; '\n' is Return. */
  type(text: string): void {
    for (const character of text) {
      const keysym = character === '\n' ? 0xff0d : character.charCodeAt(0);
      this.key(keysym, true);
      this.key(keysym, false);
    }
  }

  scancode(scancode: number, down: boolean): void {
    const message = Buffer.from([255, 0, 0, down ? 1 : 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.writeUInt32BE(scancode, 8);
    this.#stream.write(message);
  }

  pointer(x: number, y: number, mask: number): void {
    const message = Buffer.from([5, mask, 0, 0, 0, 0]);
    message.writeUInt16BE(x, 2);
    message.writeUInt16BE(y, 4);
    this.#stream.write(message);
  }

  write(bytes: Buffer): void {
    this.#stream.write(bytes);
  }

  close(): void {
    this.#stream.destroy();
    this.#inflate.destroy();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #listen(): Promise<void> {
    for (;;) {
      const type = (await this.#read(1))[0]!;
      if (type !== 0) throw new Error(`message ${type}`);
      const count = (await this.#read(3)).readUInt16BE(1);
      for (let n = 0; n < count; n++) await this.#rect();
      this.updates++;
      this.#wake();
    }
  }

  async #rect(): Promise<void> {
    const header = await this.#read(12);
    const [x, y, width, height] = [0, 2, 4, 6].map((at) => header.readUInt16BE(at)) as [number, number, number, number];
    const encoding = header.readInt32BE(8);
    this.seen.push(encoding);
    switch (encoding) {
      case ENCODING.RAW: {
        const raw = await this.#read(width * height * this.#pixelBytes);
        for (let i = 0; i < width * height; i++)
          this.#put(x + (i % width), y + Math.floor(i / width), raw.readUIntLE(i * this.#pixelBytes, this.#pixelBytes));
        break;
      }
      case ENCODING.ZRLE: {
        const length = (await this.#read(4)).readUInt32BE();
        await this.#zrle(await this.#read(length), x, y, width, height);
        break;
      }
      case ENCODING.DESKTOP_SIZE:
        this.#resize(width, height);
        break;
      case ENCODING.CURSOR: {
        await this.#read(width * height * this.#pixelBytes);
        const mask = await this.#read(Math.ceil(width / 8) * height);
        this.cursor = { hotX: x, hotY: y, width, height, mask };
        break;
      }
      case ENCODING.EXTENDED_KEY:
        break;
      default:
        throw new Error(`encoding ${encoding}`);
    }
  }

  /** 7.7.6. */
  async #zrle(data: Buffer, left: number, top: number, width: number, height: number): Promise<void> {
    this.#inflated = [];
    await new Promise<void>((resolve, reject) => {
      this.#inflate.once('error', reject);
      this.#inflate.write(data, () =>
        this.#inflate.flush(constants.Z_SYNC_FLUSH, () => {
          this.#inflate.off('error', reject);
          resolve();
        }),
      );
    });
    const bytes = Buffer.concat(this.#inflated);
    let at = 0;
    const compact = (): number => {
      at += this.#compactBytes;
      return bytes.readUIntLE(at - this.#compactBytes, this.#compactBytes);
    };
    const run = (): number => {
      let length = 1;
      while (bytes[at] === 255) length += bytes[at++]!;
      return length + bytes[at++]!;
    };
    for (let y = top; y < top + height; y += 64) {
      for (let x = left; x < left + width; x += 64) {
        const [w, h] = [Math.min(64, left + width - x), Math.min(64, top + height - y)];
        const kind = bytes[at++]!;
        const fill = (i: number, colour: number): void => this.#put(x + (i % w), y + Math.floor(i / w), colour);
        if (kind === 0) for (let i = 0; i < w * h; i++) fill(i, compact());
        else if (kind === 1) {
          const colour = compact();
          for (let i = 0; i < w * h; i++) fill(i, colour);
        } else if (kind <= 16) {
          const palette = Array.from({ length: kind }, compact);
          const bits = kind === 2 ? 1 : kind <= 4 ? 2 : 4;
          for (let row = 0; row < h; row++) {
            const rowBytes = Math.ceil((w * bits) / 8);
            for (let column = 0; column < w; column++) {
              const bit = column * bits;
              const index = (bytes[at + (bit >> 3)]! >> (8 - bits - (bit & 7))) & ((1 << bits) - 1);
              fill(row * w + column, palette[index]!);
            }
            at += rowBytes;
          }
        } else if (kind === 128) {
          for (let i = 0; i < w * h; ) {
            const colour = compact();
            for (let left = run(); left > 0; left--) fill(i++, colour);
          }
        } else throw new Error(`subencoding ${kind}`);
      }
    }
    if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes too many`);
  }

  #put(x: number, y: number, colour: number): void {
    if (x >= this.width || y >= this.height) throw new Error(`a pixel at ${x}, ${y}`);
    this.pixels[y * this.width + x] = colour;
  }

  #resize(width: number, height: number): void {
    this.width = width;
    this.height = height;
    this.pixels = new Uint32Array(width * height);
  }

  async #read(count: number): Promise<Buffer> {
    while (this.#data.length < count) {
      const { value, done } = await this.#parts.next();
      if (done === true) {
        this.ended = true;
        throw new Error('the server has hung up');
      }
      this.bytes += value.length;
      this.#data = Buffer.concat([this.#data, value]);
    }
    const bytes = this.#data.subarray(0, count);
    this.#data = this.#data.subarray(count);
    return bytes;
  }
}
