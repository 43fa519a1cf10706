// Bytes that were written and not yet acknowledged, as the chunks that they came in.

export class SendBuffer {
  #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are acknowledged. */
  #skip = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#length += bytes.length;
  }

  /** A copy, or a view where the bytes lie in one chunk. */
  read(from: number, length: number): Uint8Array {
    let at = from + this.#skip;
    let i = 0;
    while (at >= this.#chunks[i]!.length) at -= this.#chunks[i++]!.length;
    const first = this.#chunks[i]!;
    if (at + length <= first.length) return first.subarray(at, at + length);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; at = 0, i++) {
      const part = this.#chunks[i]!.subarray(at, at + length - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  /** The first `count` bytes are acknowledged. */
  release(count: number): void {
    this.#length -= count;
    let left = count + this.#skip;
    let whole = 0;
    while (whole < this.#chunks.length && left >= this.#chunks[whole]!.length) left -= this.#chunks[whole++]!.length;
    if (whole > 0) this.#chunks = this.#chunks.slice(whole);
    this.#skip = left;
  }
}
