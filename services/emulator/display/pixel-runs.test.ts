import { expect, it } from 'vitest';
import { packPixels, unpackPixels } from './pixel-runs.ts';

it.each([
  ['nothing', []],
  ['one pixel', [5]],
  ['one colour', Array.from({ length: 1000 }, () => 7)],
  ['noise', Array.from({ length: 1000 }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 0)],
  ['pairs and triples', Array.from({ length: 999 }, (_, i) => Math.floor(i / 3))],
  ['runs among noise', Array.from({ length: 1000 }, (_, i) => (i % 50 < 20 ? 0xffff_ffff : i))],
])('%s comes back as it was', (_what, list) => {
  const pixels = Uint32Array.from(list);
  const back = new Uint32Array(pixels.length);
  unpackPixels(packPixels(pixels), back);
  expect(back).toEqual(pixels);
});

it('a screen of one colour is small', () => {
  expect(packPixels(new Uint32Array(1024 * 768)).length).toBeLessThan(16);
});

it('text that does not fill the pixels, or would overflow them, is refused', () => {
  const text = packPixels(new Uint32Array(10));
  expect(() => unpackPixels(text, new Uint32Array(9))).toThrow('damaged');
  expect(() => unpackPixels(text, new Uint32Array(11))).toThrow('damaged');
  expect(() => unpackPixels(text.slice(0, 4), new Uint32Array(10))).toThrow();
});
