// A whole machine as a stream of bytes, and back:
//
//   "CUMULET\n"  u32 version  u32 length  JSON: MachineStateV1 (each device under its name and version)
//   u32 page  u32 count  count pages of RAM       any number of times: pages that are not zero
//   u32 0xffffffff  u32 0                         the end: a stream without it was cut off
//
// Numbers are little-endian.

import { CumuletError } from '#base';
import { type MachineStateV1, RAM_PAGE, usedRuns } from './machine-state.ts';

const MAGIC = new TextEncoder().encode('CUMULET\n');
const VERSION = 1;
const END = 0xffff_ffff;
/** Pages of one record, at most: a reader needs no more room than that. */
const MAX_PAGES = 256;
const MAX_STATE_BYTES = 64 * 1024 * 1024;

/** The machine stands still until the last chunk was taken. `runs`: where RAM is not zero, [offset, length] in whole pages. */
export function* machineToStream(
  state: MachineStateV1,
  ram: Uint8Array,
  runs: Iterable<readonly [number, number]> = usedRuns(ram),
): Generator<Uint8Array> {
  const text = new TextEncoder().encode(JSON.stringify(state));
  yield MAGIC;
  yield pair(VERSION, text.length);
  yield text;
  for (const [offset, length] of runs) {
    for (let at = offset; at < offset + length; at += MAX_PAGES * RAM_PAGE) {
      const bytes = Math.min(MAX_PAGES * RAM_PAGE, offset + length - at);
      yield pair(at / RAM_PAGE, bytes / RAM_PAGE);
      yield ram.slice(at, at + bytes);
    }
  }
  yield pair(END, 0);
}

/** Fills RAM, which must be zero, and returns the state, for checkState. Chunks may be cut anywhere. */
export async function machineFromStream(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ram: Uint8Array,
): Promise<unknown> {
  const refuse = (why: string): never => {
    throw new CumuletError('invalid', `this stream cannot be restored: ${why}`);
  };
  const reader = new Reader(chunks);
  const magic = await reader.take(MAGIC.length);
  if (magic === undefined || MAGIC.some((byte, index) => magic[index] !== byte)) refuse('it holds no machine');
  const [version, length] = (await reader.pair()) ?? refuse('it ends early');
  if (version !== VERSION) refuse(`it has version ${version}, and this emulator reads version ${VERSION}`);
  if (length > MAX_STATE_BYTES) refuse('its state is too large');
  const text = (await reader.take(length)) ?? refuse('it ends early');
  let state: unknown;
  try {
    state = JSON.parse(new TextDecoder().decode(text));
  } catch {
    refuse('its state is damaged');
  }
  for (;;) {
    const [page, count] = (await reader.pair()) ?? refuse('it ends early');
    if (page === END) return state;
    if (count === 0 || count > MAX_PAGES || (page + count) * RAM_PAGE > ram.length)
      refuse('it has pages outside of memory');
    ram.set((await reader.take(count * RAM_PAGE)) ?? refuse('it ends early'), page * RAM_PAGE);
  }
}

function pair(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, first, true);
  view.setUint32(4, second, true);
  return bytes;
}

/** Bytes by the number, out of chunks of any size. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #chunk = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#chunks = Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
  }

  /** Undefined: the stream ended before. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      while (this.#chunk.length === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) return undefined;
        this.#chunk = Uint8Array.from(next.value);
      }
      const part = this.#chunk.subarray(0, length - at);
      bytes.set(part, at);
      at += part.length;
      this.#chunk = this.#chunk.subarray(part.length);
    }
    return bytes;
  }

  async pair(): Promise<[number, number] | undefined> {
    const bytes = await this.take(8);
    if (bytes === undefined) return undefined;
    const view = new DataView(bytes.buffer);
    return [view.getUint32(0, true), view.getUint32(4, true)];
  }
}
