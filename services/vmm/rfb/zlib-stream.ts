// One zlib stream over many rectangles (RFC 6143, 7.7.6): each is flushed to a byte border, the dictionary goes on.

import { constants, createDeflate, type Deflate } from 'node:zlib';

/** Text screens compress as well with little effort. */
const LEVEL = 3;

export class ZlibStream {
  readonly #deflate: Deflate = createDeflate({ level: LEVEL });
  #chunks: Buffer[] = [];

  constructor() {
    this.#deflate.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    // A stream that is closed while it works says so to whoever waits, and to nobody else.
    this.#deflate.on('error', () => undefined);
  }

  /** One call at a time. */
  async compress(bytes: Uint8Array): Promise<Buffer> {
    this.#deflate.write(bytes);
    await new Promise<void>((resolve, reject) => {
      this.#deflate.once('error', reject);
      this.#deflate.flush(constants.Z_SYNC_FLUSH, () => {
        this.#deflate.off('error', reject);
        resolve();
      });
    });
    const compressed = Buffer.concat(this.#chunks);
    this.#chunks = [];
    return compressed;
  }

  close(): void {
    this.#deflate.destroy();
  }
}
