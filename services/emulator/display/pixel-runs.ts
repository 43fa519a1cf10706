// Pixels as text for a saved state: runs of equal words and of unequal ones, then base64. A text console is mostly one
// colour, so three megabytes of screen become a few hundred kilobytes.
//
//   header = count × 2 + 1, word              the word `count` times
//   header = count × 2,     count words       as they are

import { CumuletError } from '#base';

/** Shorter runs of equal words are cheaper among the others. */
const WORTH = 4;

export function packPixels(pixels: Uint32Array): string {
  // At worst one header for each WORTH words, and one more.
  const out = new Uint32Array(pixels.length + Math.ceil(pixels.length / WORTH) * 2 + 2);
  let at = 0;
  let literal = 0;
  const flush = (end: number): void => {
    if (end === literal) return;
    out[at] = (end - literal) * 2;
    out.set(pixels.subarray(literal, end), at + 1);
    at += 1 + end - literal;
  };
  for (let from = 0; from < pixels.length; ) {
    const word = pixels[from]!;
    let to = from + 1;
    while (to < pixels.length && pixels[to] === word) to++;
    if (to - from >= WORTH) {
      flush(from);
      out[at] = (to - from) * 2 + 1;
      out[at + 1] = word;
      at += 2;
      literal = to;
    }
    from = to;
  }
  flush(pixels.length);
  return new Uint8Array(out.buffer, 0, at * 4).toBase64();
}

/** Fills `pixels` exactly; throws 'invalid' for text that says anything else. */
export function unpackPixels(text: string, pixels: Uint32Array): void {
  const refuse = (): never => {
    throw new CumuletError('invalid', 'the pixels of a saved screen are damaged');
  };
  const bytes = Uint8Array.fromBase64(text);
  if (bytes.length % 4 !== 0) refuse();
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  let to = 0;
  for (let from = 0; from < words.length; ) {
    const header = words[from]!;
    const count = header >>> 1;
    const equal = (header & 1) !== 0;
    const taken = equal ? 1 : count;
    if (count === 0 || to + count > pixels.length || from + 1 + taken > words.length) refuse();
    if (equal) pixels.fill(words[from + 1]!, to, to + count);
    else pixels.set(words.subarray(from + 1, from + 1 + count), to);
    to += count;
    from += 1 + taken;
  }
  if (to !== pixels.length) refuse();
}
