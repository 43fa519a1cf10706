// Uploads and imports whose process died: an image that is saving, uploading or importing and whose beats stand still goes
// back to queued, so that its owner may send the bytes again. Judged by this process's own monotonic clock.

import type { Clock, Log } from '#base';
import { IMAGE, type Image } from '#model';
import type { Records } from '#store';
import { type Reconciler, reconcile } from '#workflow';

const STILL_MS = 60_000;
const EVERY_MS = 10_000;

export class TransferWatch {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #stillMs: number;
  readonly #seen = new Map<string, { readonly mark: string; readonly since: number }>();

  constructor(components: { records: Records; clock: Clock }, stillMs = STILL_MS) {
    this.#records = components.records;
    this.#clock = components.clock;
    this.#stillMs = stillMs;
  }

  /** One pass. Returns the images that it gave up. */
  async run(): Promise<string[]> {
    const moving = this.#records.peekList(IMAGE, (image) => image.transfer !== null).map(({ value }) => value);
    for (const id of this.#seen.keys()) if (!moving.some((image) => image.id === id)) this.#seen.delete(id);
    const now = this.#clock.monotonic();
    const given: string[] = [];
    for (const image of moving) {
      const mark = markOf(image);
      const seen = this.#seen.get(image.id);
      if (seen?.mark !== mark) this.#seen.set(image.id, { mark, since: now });
      else if (now - seen.since >= this.#stillMs && (await this.#giveUp(image.id, mark))) given.push(image.id);
    }
    return given;
  }

  #giveUp(id: string, mark: string): Promise<boolean> {
    return this.#records.transact((tx) => {
      const image = tx.get(IMAGE, id);
      if (image === undefined || markOf(image) !== mark) return false;
      const message = 'The upload ended without all its bytes.';
      tx.update(IMAGE, { ...image, status: 'queued', transfer: null, message, updatedAt: this.#clock.now() });
      return true;
    });
  }
}

const markOf = (image: Image): string => `${image.transfer?.id}/${image.transfer?.beats}`;

export function watchTransfers(components: { records: Records; clock: Clock; log: Log }): Reconciler {
  const watch = new TransferWatch(components);
  return reconcile({
    name: 'image transfer watch',
    run: async () => {
      for (const image of await watch.run()) components.log.warn({ image }, 'an upload ended without all its bytes');
    },
    everyMs: EVERY_MS,
    log: components.log,
  });
}
