// The image store over a folder that all hosts share:
//
//   <root>/blobs/<sha256>      whole, immutable, read-only
//   <root>/incoming/<uuid>     being written; renamed to its address when whole and on stable storage
//   <root>/trash/<sha256>      on its way out (collector.ts)
//
// Invariant: what lies under blobs/ is whole and hashes to its name.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CumuletError, messageOf, newUuid } from '#base';
import {
  type BlobStore,
  type ByteRange,
  blobPath,
  type ContentId,
  type ImageInspection,
  inspectImage,
  isContentId,
  type PutOptions,
  type StoredBlob,
} from '#disk';

const READ_CHUNK = 1 << 20;

export class FolderBlobStore implements BlobStore {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async open(root: string): Promise<FolderBlobStore> {
    for (const name of ['blobs', 'incoming', 'trash']) await mkdir(join(root, name), { recursive: true, mode: 0o750 });
    return new FolderBlobStore(root);
  }

  async put(content: AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<StoredBlob> {
    const incoming = join(this.root, 'incoming', newUuid());
    try {
      const stored = await this.#receive(incoming, content, options);
      await chmod(incoming, 0o440);
      // Replaces an equal blob: a fresh file tells the collector that somebody has just stored it.
      await rename(incoming, blobPath(this.root, stored.contentId));
      await syncFolder(join(this.root, 'blobs'));
      return stored;
    } catch (error) {
      await rm(incoming, { force: true });
      throw translate(error);
    }
  }

  async size(contentId: ContentId): Promise<number | undefined> {
    const found = await stat(blobPath(this.root, contentId)).catch(() => undefined);
    return found?.size;
  }

  async read(contentId: ContentId, range?: ByteRange): Promise<AsyncIterable<Uint8Array>> {
    const file = await open(blobPath(this.root, contentId)).catch(() => undefined);
    if (file === undefined) throw new CumuletError('not_found', `The image store holds no ${contentId}.`);
    return createReadStream('', { fd: file, highWaterMark: READ_CHUNK, start: range?.start, end: range?.end });
  }

  inspect(contentId: ContentId): Promise<ImageInspection> {
    return inspectImage(blobPath(this.root, contentId));
  }

  /** Addresses of all blobs, with the time of their last storing (milliseconds). */
  async list(): Promise<{ contentId: ContentId; storedAt: number }[]> {
    const found: { contentId: ContentId; storedAt: number }[] = [];
    for (const name of await readdir(join(this.root, 'blobs'))) {
      const storedAt = isContentId(name) ? await this.storedAt(name) : undefined;
      if (storedAt !== undefined) found.push({ contentId: name, storedAt });
    }
    return found;
  }

  async storedAt(contentId: ContentId): Promise<number | undefined> {
    const found = await stat(blobPath(this.root, contentId)).catch(() => undefined);
    return found?.mtimeMs;
  }

  async #receive(path: string, content: AsyncIterable<Uint8Array>, options: PutOptions): Promise<StoredBlob> {
    const sha256 = createHash('sha256');
    const sha512 = createHash('sha512');
    const md5 = createHash('md5');
    const file = await open(path, 'wx', 0o640);
    try {
      let size = 0;
      for await (const chunk of content) {
        options.signal?.throwIfAborted();
        size += chunk.byteLength;
        if (options.maxBytes !== undefined && size > options.maxBytes) {
          throw new CumuletError('too_large', `An image may have at most ${options.maxBytes} bytes.`);
        }
        // Hashing is the work of this thread, writing that of another: they overlap.
        const written = writeAll(file, chunk);
        for (const hash of [sha256, sha512, md5]) hash.update(chunk);
        await written;
      }
      if (options.expectedBytes !== undefined && size !== options.expectedBytes) {
        throw new CumuletError('invalid', `${size} of ${options.expectedBytes} bytes arrived.`);
      }
      await file.sync();
      return { contentId: sha256.digest('hex'), size, md5: md5.digest('hex'), sha512: sha512.digest('hex') };
    } finally {
      await file.close();
    }
  }
}

async function writeAll(file: Awaited<ReturnType<typeof open>>, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at)).bytesWritten;
}

/** A rename is on stable storage once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function translate(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new CumuletError('unavailable', 'The image store has no room left.', { cause: error });
  }
  if (code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ABORT_ERR') {
    return new CumuletError('aborted', `The upload was cut off: ${messageOf(error)}.`, { cause: error });
  }
  return error;
}
