// A raw image: byte n of the disk is byte n of the file. Sparse: discarded ranges become holes. A file whose length is no
// multiple of 512 has a last sector that reads as zero beyond its end.

import type { BlockBackend } from '#emulator';
import { checkRange, SECTOR } from './block.ts';
import { totalLength } from './bytes.ts';
import type { HostFile } from './host-file.ts';

export class RawDisk implements BlockBackend {
  readonly size: number;
  readonly readOnly: boolean;
  readonly #file: HostFile;

  constructor(file: HostFile, readOnly: boolean) {
    this.#file = file;
    this.readOnly = readOnly;
    this.size = Math.ceil(file.size / SECTOR) * SECTOR;
  }

  async read(offset: number, into: readonly Uint8Array[]): Promise<void> {
    checkRange(this, offset, totalLength(into), 'read');
    await this.#file.read(offset, into);
  }

  async write(offset: number, from: readonly Uint8Array[]): Promise<void> {
    checkRange(this, offset, totalLength(from), 'write');
    await this.#file.write(offset, from);
  }

  async flush(): Promise<void> {
    if (!this.readOnly) await this.#file.sync();
  }

  async discard(offset: number, length: number): Promise<void> {
    checkRange(this, offset, length, 'write');
    await this.#file.release(offset, length);
  }

  async writeZeroes(offset: number, length: number, _unmap: boolean): Promise<void> {
    checkRange(this, offset, length, 'write');
    await this.#file.zero(offset, length);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
