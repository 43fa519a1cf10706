// The Internet checksum (RFC 1071): the one's complement of the one's complement sum of 16-bit words. Sums may be added
// up over parts, as long as every part but the last has an even length.

/** Adds the big-endian 16-bit words of a range to a sum; an odd last byte counts as its word's upper half. */
export function sumWords(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  let at = from;
  // Two words at a time; a sum of 2^53 / 2^32 additions stays exact, far more than a frame has.
  for (; at + 3 < to; at += 4) {
    sum += ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }
  if (at + 1 < to) {
    sum += (bytes[at]! << 8) | bytes[at + 1]!;
    at += 2;
  }
  if (at < to) sum += bytes[at]! << 8;
  return sum;
}

/** Folds the carries of a sum into 16 bits. */
export function fold(sum: number): number {
  let folded = (sum % 0x10000) + Math.floor(sum / 0x10000);
  while (folded > 0xffff) folded = (folded & 0xffff) + Math.floor(folded / 0x10000);
  return folded;
}

/** The checksum of a range. Over a range that holds its right checksum the result is 0. */
export const checksum = (bytes: Uint8Array, from: number, to: number, sum = 0): number =>
  ~fold(sumWords(bytes, from, to, sum)) & 0xffff;
