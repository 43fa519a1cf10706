// Removes blobs that nobody refers to: no image, no staged upload, and no server (whose disk is an overlay on the blob long
// after its image was deleted). A blob goes when it was unreferenced in every pass of a grace time, so that an upload whose
// record is not yet written, or a server being made from an image just deleted, never loses its bytes.

import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Log } from '#base';
import { blobPath, type ContentId } from '#disk';
import { IMAGE, SERVER } from '#model';
import type { Records } from '#store';
import { type Reconciler, reconcile } from '#workflow';
import type { FolderBlobStore } from './folder-blob-store.ts';

export interface CollectorOptions {
  /** Milliseconds that a blob stays without any reference; the default is 10 minutes. */
  readonly graceMs?: number;
  readonly everyMs?: number;
}

const MINUTE_MS = 60_000;
/** An upload under way writes its file; one that has stood still for a day is dead. */
const DEAD_UPLOAD_MS = 24 * 60 * MINUTE_MS;

export class BlobCollector {
  readonly #blobs: FolderBlobStore;
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #graceMs: number;
  /** Monotonic time since which each blob has been unreferenced. */
  readonly #unreferencedSince = new Map<ContentId, number>();

  constructor(
    components: { blobs: FolderBlobStore; records: Records; clock: Clock; log: Log },
    graceMs = 10 * MINUTE_MS,
  ) {
    this.#blobs = components.blobs;
    this.#records = components.records;
    this.#clock = components.clock;
    this.#log = components.log;
    this.#graceMs = graceMs;
  }

  /** One pass. */
  async run(): Promise<void> {
    const present = await this.#blobs.list();
    const referenced = await this.#referenced();
    const now = this.#clock.monotonic();
    for (const { contentId } of present) {
      if (referenced.has(contentId)) this.#unreferencedSince.delete(contentId);
      else if (!this.#unreferencedSince.has(contentId)) this.#unreferencedSince.set(contentId, now);
    }
    for (const [contentId, since] of this.#unreferencedSince) {
      if (now - since < this.#graceMs) continue;
      this.#unreferencedSince.delete(contentId);
      await this.#remove(contentId);
    }
    await this.#removeDeadUploads();
  }

  async #referenced(): Promise<Set<ContentId>> {
    const found = new Set<ContentId>();
    const note = (contentId: ContentId | null | undefined): void => {
      if (contentId) found.add(contentId);
    };
    for (const { value } of await this.#records.list(IMAGE)) {
      note(value.content?.contentId);
      note(value.staged?.contentId);
    }
    for (const { value } of this.#records.peekList(SERVER)) {
      note(value.image?.contentId);
      note(value.image?.kernelContentId);
      note(value.image?.ramdiskContentId);
    }
    return found;
  }

  /** Moved aside first: an upload of the same bytes meanwhile puts a new file in its place, or is found in the trash. */
  async #remove(contentId: ContentId): Promise<void> {
    const before = await this.#blobs.storedAt(contentId);
    if (before === undefined) return;
    const trash = join(this.#blobs.root, 'trash', contentId);
    await rename(blobPath(this.#blobs.root, contentId), trash);
    const moved = await stat(trash);
    const isWanted = moved.mtimeMs !== before || (await this.#referenced()).has(contentId);
    if (isWanted) {
      await rename(trash, blobPath(this.#blobs.root, contentId));
      return;
    }
    await rm(trash, { force: true });
    this.#log.info({ contentId }, 'removed a blob that nothing refers to');
  }

  async #removeDeadUploads(): Promise<void> {
    const folder = join(this.#blobs.root, 'incoming');
    for (const name of await readdir(folder)) {
      const found = await stat(join(folder, name)).catch(() => undefined);
      const isDead = found !== undefined && this.#clock.now() / 1000 - found.mtimeMs > DEAD_UPLOAD_MS;
      if (isDead) await rm(join(folder, name), { force: true });
    }
  }
}

export function collectBlobs(
  components: { blobs: FolderBlobStore; records: Records; clock: Clock; log: Log },
  options: CollectorOptions = {},
): Reconciler {
  const collector = new BlobCollector(components, options.graceMs);
  return reconcile({
    name: 'image blob collector',
    run: () => collector.run(),
    everyMs: options.everyMs ?? MINUTE_MS,
    log: components.log,
  });
}
