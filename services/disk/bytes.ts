// Lists of buffers: what a block request carries. Nothing is copied until a read or write needs it.

/** The part of `buffers`, taken as one run of bytes, from `offset` for `length` bytes. */
export function sliceBuffers(buffers: readonly Uint8Array[], offset: number, length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let skip = offset;
  let left = length;
  for (const buffer of buffers) {
    if (left === 0) break;
    if (skip >= buffer.length) {
      skip -= buffer.length;
      continue;
    }
    const take = Math.min(left, buffer.length - skip);
    out.push(skip === 0 && take === buffer.length ? buffer : buffer.subarray(skip, skip + take));
    left -= take;
    skip = 0;
  }
  return out;
}

export function totalLength(buffers: readonly Uint8Array[]): number {
  let total = 0;
  for (const buffer of buffers) total += buffer.length;
  return total;
}

export function fillZero(buffers: readonly Uint8Array[]): void {
  for (const buffer of buffers) buffer.fill(0);
}

/** Copies `from` over the start of `buffers`. */
export function copyInto(buffers: readonly Uint8Array[], from: Uint8Array): void {
  let at = 0;
  for (const buffer of buffers) {
    buffer.set(from.subarray(at, at + buffer.length));
    at += buffer.length;
  }
}

const ZEROES = new Uint8Array(1 << 20);

/** Buffers that together hold `length` zero bytes; shared, so never written to. */
export function zeroBuffers(length: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let left = length; left > 0; left -= ZEROES.length) {
    out.push(left >= ZEROES.length ? ZEROES : ZEROES.subarray(0, left));
  }
  return out;
}
