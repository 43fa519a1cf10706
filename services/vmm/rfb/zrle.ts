// ZRLE (RFC 6143, 7.7.6): a rectangle as tiles of 64 by 64, each in the way that is shortest; all of it then goes through
// one zlib stream a client (zlib-stream.ts). Pure, and hot: typed arrays, no allocation per pixel.

import type { Rect } from '#emulator';
import type { PixelWriter } from './pixel-format.ts';

const TILE = 64;
const MAX_PALETTE = 16;
// Subencodings.
const RAW = 0;
const SOLID = 1;
const PLAIN_RLE = 128;

/** The tiles of one rectangle, not compressed yet. */
export function zrleTiles(pixels: Uint32Array, stride: number, rect: Rect, writer: PixelWriter): Uint8Array {
  const tiles = Math.ceil(rect.width / TILE) * Math.ceil(rect.height / TILE);
  // Raw is what a tile takes at most.
  const out = new Uint8Array(tiles + rect.width * rect.height * writer.compactSize);
  let at = 0;
  for (let y = 0; y < rect.height; y += TILE) {
    for (let x = 0; x < rect.width; x += TILE) {
      const part = {
        x: rect.x + x,
        y: rect.y + y,
        width: Math.min(TILE, rect.width - x),
        height: Math.min(TILE, rect.height - y),
      };
      at = tile(pixels, stride, part, writer, out, at);
    }
  }
  return out.subarray(0, at);
}

/** Scratch: one tile is encoded at a time. */
const flat = new Uint32Array(TILE * TILE);
const palette = new Uint32Array(MAX_PALETTE);

function tile(
  pixels: Uint32Array,
  stride: number,
  rect: Rect,
  writer: PixelWriter,
  out: Uint8Array,
  start: number,
): number {
  const { width, height } = rect;
  const count = width * height;
  for (let row = 0; row < height; row++) {
    const from = (rect.y + row) * stride + rect.x;
    flat.set(pixels.subarray(from, from + width), row * width);
  }
  let colours = 0;
  let runs = 0;
  let runBytes = 0;
  for (let i = 0; i < count; ) {
    const colour = flat[i]!;
    let end = i + 1;
    while (end < count && flat[end] === colour) end++;
    runs++;
    runBytes += Math.floor((end - i - 1) / 255) + 1;
    i = end;
    if (colours <= MAX_PALETTE && indexOf(colour, Math.min(colours, MAX_PALETTE)) < 0) {
      if (colours < MAX_PALETTE) palette[colours] = colour;
      colours++;
    }
  }
  let at = start;
  if (colours === 1) {
    out[at++] = SOLID;
    return writer.writeCompact(out, at, palette[0]!);
  }
  const size = writer.compactSize;
  const rawBytes = count * size;
  const plainBytes = runs * size + runBytes;
  const bits = colours <= 2 ? 1 : colours <= 4 ? 2 : 4;
  const packedBytes =
    colours <= MAX_PALETTE ? colours * size + Math.ceil((width * bits) / 8) * height : Number.POSITIVE_INFINITY;
  if (packedBytes < rawBytes && packedBytes <= plainBytes) {
    out[at++] = colours;
    for (let i = 0; i < colours; i++) at = writer.writeCompact(out, at, palette[i]!);
    return packed(width, height, bits, colours, out, at);
  }
  if (plainBytes < rawBytes) {
    out[at++] = PLAIN_RLE;
    for (let i = 0; i < count; ) {
      const colour = flat[i]!;
      let end = i + 1;
      while (end < count && flat[end] === colour) end++;
      at = writer.writeCompact(out, at, colour);
      let left = end - i - 1;
      for (; left >= 255; left -= 255) out[at++] = 255;
      out[at++] = left;
      i = end;
    }
    return at;
  }
  out[at++] = RAW;
  for (let i = 0; i < count; i++) at = writer.writeCompact(out, at, flat[i]!);
  return at;
}

/** Palette indexes, most significant bits first; each row begins a byte. */
function packed(width: number, height: number, bits: number, colours: number, out: Uint8Array, start: number): number {
  let at = start;
  for (let row = 0; row < height; row++) {
    let byte = 0;
    let filled = 0;
    for (let x = 0; x < width; x++) {
      byte = (byte << bits) | indexOf(flat[row * width + x]!, colours);
      filled += bits;
      if (filled === 8) {
        out[at++] = byte;
        byte = 0;
        filled = 0;
      }
    }
    if (filled > 0) out[at++] = byte << (8 - filled);
  }
  return at;
}

function indexOf(colour: number, colours: number): number {
  for (let i = 0; i < colours; i++) if (palette[i] === colour) return i;
  return -1;
}
