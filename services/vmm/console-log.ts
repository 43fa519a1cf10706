// The console log: appended to, and bounded. When it has grown to twice its limit, the file is replaced by its tail, in
// one rename, so that a reader finds either the old or the new one and always the latest output.

import { closeSync, fstatSync, openSync, readSync, renameSync, writeSync } from 'node:fs';

const KEEP_BYTES = 1024 * 1024;

export class ConsoleLog {
  readonly #path: string;
  readonly #keep: number;
  #file: number;
  #size: number;

  constructor(path: string, keep = KEEP_BYTES) {
    this.#path = path;
    this.#keep = keep;
    this.#file = openSync(path, 'a+', 0o600);
    this.#size = fstatSync(this.#file).size;
  }

  append(bytes: Uint8Array): void {
    // In place and at once: what a guest says right before it dies matters most.
    writeSync(this.#file, bytes);
    this.#size += bytes.length;
    if (this.#size >= 2 * this.#keep) this.#shorten();
  }

  close(): void {
    closeSync(this.#file);
  }

  #shorten(): void {
    const tail = new Uint8Array(this.#keep);
    const length = readSync(this.#file, tail, 0, this.#keep, this.#size - this.#keep);
    // From the start of a line, where there is one.
    const from = tail.indexOf(0x0a) + 1;
    const next = `${this.#path}.next`;
    const file = openSync(next, 'w+', 0o600);
    const kept = tail.subarray(from, length);
    writeSync(file, kept);
    renameSync(next, this.#path);
    closeSync(file);
    closeSync(this.#file);
    this.#file = openSync(this.#path, 'a+', 0o600);
    this.#size = kept.length;
  }
}
