import { expect, test } from 'vitest';
import { FrameBatch, FrameReader, MAX_FRAME } from './stream-framing.ts';

/** Frames as they lie on the stream. */
function encoded(...frames: readonly Buffer[]): Buffer {
  const batch = new FrameBatch();
  batch.renew();
  for (const frame of frames) batch.add(frame.subarray(0, 14), frame.subarray(14), 'ethernet');
  return batch.take();
}

function reader(): { frames: Buffer[]; stream: FrameReader } {
  const frames: Buffer[] = [];
  return { frames, stream: new FrameReader((frame) => frames.push(Buffer.from(frame))) };
}

const FRAMES = [60, 14, 1514, 64].map((size, index) => Buffer.alloc(size, index + 1));

test('a length of four bytes, big-endian, comes before each frame, as with QEMU', () => {
  expect(encoded(Buffer.from('abcdefghijklmnop')).toString('latin1')).toBe('\0\0\0\x10abcdefghijklmnop');
});

test('with framing vnet-hdr the length counts the header, and the header asks for nothing', () => {
  const batch = new FrameBatch();
  batch.renew();
  batch.add(Buffer.from('ab'), Buffer.from('c'), 'vnet-hdr');
  expect(batch.take().toString('hex')).toBe(`0000000f${'00'.repeat(10)}0100616263`);
});

test.each([1, 2, 3, 7, 100, 10_000])(
  'frames come out as they went in when the stream is cut every %i bytes',
  (size) => {
    const stream = encoded(...FRAMES);
    const into = reader();
    for (let at = 0; at < stream.length; at += size) {
      into.stream.feed(stream.subarray(at, at + size));
      expect(into.stream.read(100)).toBe('all');
    }
    expect(into.frames).toEqual(FRAMES);
  },
);

test('a length that no frame has is refused', () => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(MAX_FRAME + 1);
  const { stream } = reader();
  stream.feed(length);
  expect(stream.read(1)).toBe('broken');
});

test('what was taken from a batch is not overwritten by what comes after', () => {
  const batch = new FrameBatch();
  batch.renew();
  batch.add(Buffer.from('first'), Buffer.alloc(0), 'ethernet');
  const first = batch.take();
  batch.add(Buffer.from('other'), Buffer.alloc(0), 'ethernet');
  expect(first.subarray(4).toString()).toBe('first');
  expect(batch.take().subarray(4).toString()).toBe('other');
  expect(batch.length).toBe(0);
});

test('a budget is kept, and what is left is not lost', () => {
  const { frames, stream } = reader();
  stream.feed(encoded(...FRAMES));
  expect(stream.read(3)).toBe('more');
  expect(frames).toHaveLength(3);
  stream.feed(encoded(FRAMES[0]!));
  expect(stream.read(3)).toBe('all');
  expect(frames).toEqual([...FRAMES, FRAMES[0]]);
});
