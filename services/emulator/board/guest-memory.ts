// Guest RAM as devices see it: bounds-checked views by guest physical address. Whatever a guest points a device at,
// nothing outside its RAM is read or written.

import { RAM_BASE } from '../hart/contract.ts';

export class GuestMemory {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
  readonly words16: Uint16Array<SharedArrayBuffer>;
  readonly words32: Uint32Array<SharedArrayBuffer>;
  readonly size: number;
  /** Told after each write by a device, with an offset in RAM: for the dirty log. */
  onWritten: (offset: number, length: number) => void = () => undefined;
  /** Gives whole pages back to the host, which may leave anything in them. Without it they stay as they are. */
  onDiscarded: (offset: number, length: number) => void = () => undefined;

  constructor(buffer: SharedArrayBuffer) {
    this.bytes = new Uint8Array(buffer);
    this.words16 = new Uint16Array(buffer);
    this.words32 = new Uint32Array(buffer);
    this.size = buffer.byteLength;
  }

  /** Offset in RAM of a guest physical range, or -1 when any of it lies outside. */
  offset(gpa: number, length: number): number {
    const offset = gpa - RAM_BASE;
    return offset >= 0 && length >= 0 && offset + length <= this.size ? offset : -1;
  }

  /** Nobody needs what the range holds any more. */
  discard(offset: number, length: number): void {
    this.onDiscarded(offset, length);
    this.onWritten(offset, length);
  }

  /** A view of RAM, by offset. */
  view(offset: number, length: number): Uint8Array<SharedArrayBuffer> {
    return this.bytes.subarray(offset, offset + length);
  }
}
