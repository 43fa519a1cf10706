// Moving bytes into an image: marks the image while they move, counts beats so that others see it lives, stores and checks
// the bytes, and makes the image active; or puts it back to queued with the reason. Every change is conditional on the
// mark, so an image that was deleted or given up meanwhile is left alone.

import { type Clock, CumuletError, type Log, messageOf, newUuid } from '#base';
import type { BlobStore, PutOptions } from '#disk';
import { IMAGE, type Image, type ImageContent, type ImageStatus } from '#model';
import type { Records, Tx } from '#store';
import { HttpFault } from '../http/faults.ts';
import { checkContent } from './content-check.ts';

const BEAT_MS = 10_000;

export interface TransferComponents {
  readonly records: Records;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Bytes that an image may have. */
  readonly maxBytes: number;
}

/** Puts the mark on an image that is queued; `find` reads it and refuses whom it does not belong to. */
export function beginTransfer(
  { records, clock }: TransferComponents,
  find: (tx: Tx) => Image,
  status: Extract<ImageStatus, 'saving' | 'uploading' | 'importing'>,
  allowed: readonly ImageStatus[] = ['queued'],
): Promise<Image> {
  return records.transact((tx) => {
    const image = find(tx);
    if (!allowed.includes(image.status) || image.transfer !== null) {
      throw new HttpFault(409, `Image status transition from ${image.status} to ${status} is not allowed`);
    }
    const missing = [image.diskFormat === null && 'disk_format', image.containerFormat === null && 'container_format'];
    const names = missing.filter((name) => name !== false);
    if (names.length > 0) throw new HttpFault(400, `Properties ${names.join(', ')} must be set prior to saving data.`);
    const marked: Image = {
      ...image,
      status,
      transfer: { id: newUuid(), beats: 0 },
      message: null,
      updatedAt: clock.now(),
    };
    tx.update(IMAGE, marked);
    return marked;
  });
}

/** Runs `work` while the beats are counted; when it fails the image goes back to `before`, and the failure on. */
export async function whileMarked<T>(
  components: TransferComponents,
  image: Image,
  before: ImageStatus,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const lost = new AbortController();
  const timer = setInterval(() => {
    change(components, image, (present) => ({
      ...present,
      transfer: { id: present.transfer?.id ?? '', beats: (present.transfer?.beats ?? 0) + 1 },
    })).catch((error: unknown) => {
      if (error instanceof MarkLost) lost.abort(error);
    });
  }, BEAT_MS);
  try {
    return await work(lost.signal);
  } catch (error) {
    await release(components, image, before, messageOf(error));
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** Stores the bytes and checks that they are what the image says. */
export async function storeContent(
  { blobs, maxBytes }: TransferComponents,
  image: Image,
  bytes: AsyncIterable<Uint8Array>,
  options: PutOptions,
): Promise<ImageContent> {
  const stored = await blobs.put(bytes, { ...options, maxBytes });
  const { contentId, size, md5, sha512 } = stored;
  if (size === 0) return { contentId, size, checksum: md5, hash: sha512, virtualSize: null };
  try {
    const found = await blobs.inspect(contentId);
    checkContent(image, found);
    return { contentId, size, checksum: md5, hash: sha512, virtualSize: found.virtualSize ?? null };
  } catch (error) {
    // Of a corrupt header and of a lie alike: not the media that was announced.
    const isRefused = error instanceof CumuletError && (error.code === 'invalid' || error.code === 'unsupported');
    throw isRefused ? new HttpFault(415, error.message) : error;
  }
}

export const becomeActive = (components: TransferComponents, image: Image, content: ImageContent): Promise<void> =>
  change(components, image, (present) => ({
    ...present,
    status: 'active',
    content,
    staged: null,
    transfer: null,
    updatedAt: components.clock.now(),
  }));

export const becomeStaged = (components: TransferComponents, image: Image, content: ImageContent): Promise<void> =>
  change(components, image, (present) => ({
    ...present,
    staged: content,
    transfer: null,
    updatedAt: components.clock.now(),
  }));

async function release(
  components: TransferComponents,
  image: Image,
  status: ImageStatus,
  message: string,
): Promise<void> {
  const free = (present: Image): Image => ({
    ...present,
    status,
    transfer: null,
    message,
    updatedAt: components.clock.now(),
  });
  await change(components, image, free).catch((error: unknown) => {
    // Deleted or given up meanwhile: nothing to put back. A store out of reach: the image service gives it up later.
    components.log.info({ image: image.id }, `an image keeps its state after a failed upload: ${messageOf(error)}`);
  });
}

/** The image was deleted, or its transfer given up, while the bytes moved. */
export class MarkLost extends HttpFault {
  constructor(id: string) {
    super(410, `Image ${id} could not be found after upload. The image may have been deleted during the upload.`);
  }
}

async function change({ records }: TransferComponents, image: Image, next: (present: Image) => Image): Promise<void> {
  await records.transact((tx) => {
    const present = tx.get(IMAGE, image.id);
    if (present === undefined || present.transfer?.id !== image.transfer?.id) throw new MarkLost(image.id);
    tx.update(IMAGE, next(present));
  });
}
