// A list of buffers read or written as one run of bytes: drivers may split a request over descriptors as they like
// (virtio 1.2, 2.6.4).

export type Segment = Uint8Array;

/** The part of the segments from `start`, `length` bytes at most. */
export function slice(segments: readonly Segment[], start: number, length = Number.POSITIVE_INFINITY): Segment[] {
  const parts: Segment[] = [];
  let skip = start;
  let left = length;
  for (const segment of segments) {
    if (left <= 0) break;
    if (skip >= segment.length) {
      skip -= segment.length;
      continue;
    }
    const whole = skip === 0 && segment.length <= left;
    const part = whole ? segment : segment.subarray(skip, Math.min(segment.length, skip + left));
    skip = 0;
    left -= part.length;
    if (part.length > 0) parts.push(part);
  }
  return parts;
}

/** A private copy of the bytes: what was checked in it stays as it was. */
export function copyOut(segments: readonly Segment[], start: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of slice(segments, start, length)) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes.subarray(0, at);
}

/** Copies `bytes` over the segments from `start`; returns how many fitted. */
export function copyIn(segments: readonly Segment[], start: number, bytes: Uint8Array): number {
  let at = 0;
  for (const part of slice(segments, start, bytes.length)) {
    part.set(bytes.subarray(at, at + part.length));
    at += part.length;
  }
  return at;
}

export function total(segments: readonly Segment[]): number {
  let bytes = 0;
  for (const segment of segments) bytes += segment.length;
  return bytes;
}
