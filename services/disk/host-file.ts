// A file of the host, read and written at positions. Owns one descriptor. Reads past the end give zeroes; short reads and
// writes are continued; errors are CumuletErrors that name the file.

import * as fs from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CumuletError, messageOf } from '#base';
import { fillZero, sliceBuffers, totalLength, zeroBuffers } from './bytes.ts';
import { lockFile, punchHole, readCached } from './system-calls.ts';

/** readv(2) and writev(2) take at most this many buffers (IOV_MAX). */
const MAX_BUFFERS = 1024;
/** A read of this size (150 µs) costs less on this thread than two hand-overs, if the host has its bytes in memory. */
const CACHED_BYTES = 1024 * 1024;
/** How long a process that was killed may take to let go of its files. */
const LOCK_MS = 2000;

function failure(verb: string, path: string, error: unknown): CumuletError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new CumuletError('not_found', `There is no disk file ${path}.`, { cause: error });
  if (code === 'EACCES' || code === 'EPERM') {
    return new CumuletError('forbidden', `The disk file ${path} may not be opened: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (code === 'EEXIST') return new CumuletError('already_exists', `The file ${path} exists.`, { cause: error });
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new CumuletError('unavailable', `No space is left on the host for ${path}.`, { cause: error });
  }
  return new CumuletError('internal', `Could not ${verb} ${path}: ${messageOf(error)}`, { cause: error });
}

const readSome = (fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.readv(fd, buffers as Uint8Array[], position, (error, count) => (error ? reject(error) : resolve(count)));
  });

const writeSome = (fd: number, buffers: readonly Uint8Array[], position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.writev(fd, buffers as Uint8Array[], position, (error, count) => (error ? reject(error) : resolve(count)));
  });

export class HostFile {
  readonly path: string;
  /** Kept for its life; its descriptor is used through the callback calls, which cost less each. */
  readonly #handle: FileHandle;
  readonly #fd: number;
  #size: number;
  #closed = false;

  private constructor(path: string, handle: FileHandle, size: number) {
    this.path = path;
    this.#handle = handle;
    this.#fd = handle.fd;
    this.#size = size;
  }

  /** `flags` as open(2): 'r', 'r+', 'wx+' (create, must not exist). */
  static async open(path: string, flags: 'r' | 'r+' | 'wx+', mode = 0o600): Promise<HostFile> {
    try {
      // Asked before it is opened: to open a named pipe would wait for its other end.
      if (flags !== 'wx+' && !(await stat(path)).isFile()) {
        throw new CumuletError('invalid', `${path} is not a file.`);
      }
      const handle = await open(path, flags, mode);
      return new HostFile(path, handle, (await handle.stat()).size);
    } catch (error) {
      throw error instanceof CumuletError ? error : failure('open', path, error);
    }
  }

  /**
   * Makes this the only writer. Waits a moment for one that is on its way out; throws 'conflict' when it stays: two writers
   * on one image destroy it.
   */
  async lock(): Promise<void> {
    const deadline = performance.now() + LOCK_MS;
    while (!lockFile(this.#fd)) {
      if (performance.now() > deadline) {
        throw new CumuletError('conflict', `The disk file ${this.path} is in use by another process.`);
      }
      await sleep(20);
    }
  }

  /** Bytes, as far as this process has seen it grow. */
  get size(): number {
    return this.#size;
  }

  async read(position: number, into: readonly Uint8Array[]): Promise<void> {
    const length = totalLength(into);
    const done = length <= CACHED_BYTES ? readCached(this.#fd, into, position) : 0;
    if (done < length) await this.#readPart(position + done, length - done, sliceBuffers(into, done, length - done));
  }

  async #readPart(position: number, length: number, into: readonly Uint8Array[]): Promise<void> {
    let at = position;
    let left = length;
    let buffers = into;
    while (left > 0) {
      const batch = buffers.length > MAX_BUFFERS ? buffers.slice(0, MAX_BUFFERS) : buffers;
      const count = await readSome(this.#fd, batch, at).catch((error: unknown) => {
        throw failure('read', this.path, error);
      });
      if (count === 0) {
        fillZero(buffers);
        return;
      }
      at += count;
      left -= count;
      if (left > 0) buffers = sliceBuffers(buffers, count, left);
    }
  }

  async write(position: number, from: readonly Uint8Array[]): Promise<void> {
    let at = position;
    let left = totalLength(from);
    let buffers = from;
    while (left > 0) {
      const batch = buffers.length > MAX_BUFFERS ? buffers.slice(0, MAX_BUFFERS) : buffers;
      const count = await writeSome(this.#fd, batch, at).catch((error: unknown) => {
        throw failure('write', this.path, error);
      });
      at += count;
      left -= count;
      if (at > this.#size) this.#size = at;
      if (left > 0) buffers = sliceBuffers(buffers, count, left);
    }
  }

  /** fdatasync(2): the content, and as much of the metadata as reading it back needs. */
  sync(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error ? reject(failure('flush', this.path, error)) : resolve()));
    });
  }

  /** The range reads as zero afterwards; its space is given back where the host can do that. Never grows the file. */
  async zero(position: number, length: number): Promise<void> {
    const end = Math.min(position + length, this.#size);
    if (end <= position) return;
    if (await punchHole(this.#fd, position, end - position)) return;
    await this.write(position, zeroBuffers(end - position));
  }

  /** Gives the space of the range back if the host can; the content is then zero, else unchanged. */
  async release(position: number, length: number): Promise<void> {
    const end = Math.min(position + length, this.#size);
    if (end > position) await punchHole(this.#fd, position, end - position);
  }

  /** Grows the file, with a hole. */
  truncate(size: number): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.ftruncate(this.#fd, size, (error) => {
        if (error) return reject(failure('resize', this.path, error));
        this.#size = size;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#handle.close();
  }
}
