// A 2D resource of virtio-gpu (virtio 1.2, 5.7.6.8): pixels that the host keeps, and the guest's memory behind them.

import type { GuestMemory } from '../board/guest-memory.ts';
import { type Cursor, type Framebuffer, intersection, type Rect } from '../display/framebuffer.ts';
import { packPixels, unpackPixels } from '../display/pixel-runs.ts';

/** Formats, 5.7.6.8: where red, green, blue and alpha lie in a pixel read as a little-endian word; alpha -1: none. */
const SHIFTS: Readonly<Record<number, readonly [red: number, green: number, blue: number, alpha: number]>> = {
  1: [16, 8, 0, 24], // B8G8R8A8
  2: [16, 8, 0, -1], // B8G8R8X8
  3: [8, 16, 24, 0], // A8R8G8B8
  4: [8, 16, 24, -1], // X8R8G8B8
  67: [0, 8, 16, 24], // R8G8B8A8
  68: [24, 16, 8, -1], // X8B8G8R8
  121: [24, 16, 8, 0], // A8B8G8R8
  134: [0, 8, 16, -1], // R8G8B8X8
};

export const isFormat = (format: number): boolean => SHIFTS[format] !== undefined;

export const PIXEL_BYTES = 4;

/** A piece of the guest's memory, by its offset in RAM. */
export type Piece = readonly [offset: number, length: number];

export interface GpuResourceStateV1 {
  readonly id: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: string;
  readonly backing: readonly Piece[] | null;
}

export class GpuResource {
  readonly id: number;
  readonly format: number;
  readonly width: number;
  readonly height: number;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #backing: readonly Piece[] | undefined;

  constructor(id: number, format: number, width: number, height: number) {
    this.id = id;
    this.format = format;
    this.width = width;
    this.height = height;
    this.#words = new Uint32Array(width * height);
    this.#bytes = new Uint8Array(this.#words.buffer);
  }

  get whole(): Rect {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }

  get backing(): readonly Piece[] | undefined {
    return this.#backing;
  }

  set backing(pieces: readonly Piece[] | undefined) {
    this.#backing = pieces;
  }

  contains(rect: Rect): boolean {
    return (
      rect.width > 0 && rect.height > 0 && rect.x + rect.width <= this.width && rect.y + rect.height <= this.height
    );
  }

  /** Copies the rectangle from the guest's memory; its first pixel lies at `offset` there. What is not backed stays as it was. */
  transfer(ram: GuestMemory, rect: Rect, offset: number): void {
    const stride = this.width * PIXEL_BYTES;
    const source = new BackingReader(ram, this.#backing ?? []);
    if (rect.x === 0 && rect.width === this.width) {
      source.copy(offset, this.#bytes.subarray(rect.y * stride, (rect.y + rect.height) * stride));
      return;
    }
    for (let row = 0; row < rect.height; row++) {
      const at = (rect.y + row) * stride + rect.x * PIXEL_BYTES;
      source.copy(offset + row * stride, this.#bytes.subarray(at, at + rect.width * PIXEL_BYTES));
    }
  }

  /** Draws the rectangle on the screen, where `scanout` is the part of this resource that the screen shows. */
  show(screen: Framebuffer, scanout: Rect, rect: Rect): void {
    const shown = intersection(rect, scanout);
    if (shown === undefined) return;
    const [red, green, blue] = SHIFTS[this.format]!;
    const plain = red === 16 && green === 8 && blue === 0;
    const { pixels, width } = screen;
    for (let row = 0; row < shown.height; row++) {
      let from = (shown.y + row) * this.width + shown.x;
      let to = (shown.y - scanout.y + row) * width + shown.x - scanout.x;
      const end = from + shown.width;
      if (plain) while (from < end) pixels[to++] = this.#words[from++]! & 0xff_ffff;
      else
        while (from < end) {
          const word = this.#words[from++]!;
          pixels[to++] = (((word >>> red) & 0xff) << 16) | (((word >>> green) & 0xff) << 8) | ((word >>> blue) & 0xff);
        }
    }
    screen.damage({ x: shown.x - scanout.x, y: shown.y - scanout.y, width: shown.width, height: shown.height });
  }

  /** The whole resource as a cursor. */
  cursor(hotX: number, hotY: number): Cursor {
    const [red, green, blue, alpha] = SHIFTS[this.format]!;
    const pixels = this.#words.map((word) => {
      const opaque = alpha < 0 ? 0xff : (word >>> alpha) & 0xff;
      const colour = (((word >>> red) & 0xff) << 16) | (((word >>> green) & 0xff) << 8) | ((word >>> blue) & 0xff);
      return (opaque << 24) | colour;
    });
    return { width: this.width, height: this.height, hotX, hotY, pixels };
  }

  save(): GpuResourceStateV1 {
    const { id, format, width, height } = this;
    return { id, format, width, height, pixels: packPixels(this.#words), backing: this.#backing ?? null };
  }

  static restore(state: GpuResourceStateV1): GpuResource {
    const resource = new GpuResource(state.id, state.format, state.width, state.height);
    unpackPixels(state.pixels, resource.#words);
    resource.#backing = state.backing ?? undefined;
    return resource;
  }
}

/** Reads scattered memory as one run of bytes. Copies go forward mostly: the search begins at the piece of the last one. */
class BackingReader {
  readonly #ram: GuestMemory;
  readonly #pieces: readonly Piece[];
  #piece = 0;
  /** Where the piece begins in the run. */
  #start = 0;

  constructor(ram: GuestMemory, pieces: readonly Piece[]) {
    this.#ram = ram;
    this.#pieces = pieces;
  }

  copy(offset: number, into: Uint8Array): void {
    if (offset < this.#start) {
      this.#piece = 0;
      this.#start = 0;
    }
    let done = 0;
    while (done < into.length && this.#piece < this.#pieces.length) {
      const [at, length] = this.#pieces[this.#piece]!;
      const skip = offset + done - this.#start;
      if (skip >= length) {
        this.#start += length;
        this.#piece++;
        continue;
      }
      const count = Math.min(length - skip, into.length - done);
      into.set(this.#ram.view(at + skip, count), done);
      done += count;
    }
  }
}
