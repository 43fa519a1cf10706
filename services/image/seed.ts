// The images that a new cloud has: the tiny one with its kernel and initial ramdisk, and the same under a name with
// `cirros` in it, which the suites written for DevStack look for. Seeding is idempotent by name and content: nothing
// happens when the same bytes were seeded before, and new bytes make a new image while the old one is hidden and lives on.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Clock, type Log, newUuid } from '#base';
import type { BlobStore } from '#disk';
import { CONTAINER_FORMATS, DISK_FORMATS, IMAGE, IMAGE_SEED, type Image, type ImageContent } from '#model';
import type { Records } from '#store';

export interface SeedComponents {
  readonly records: Records;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** The project that owns the images: admin's. */
  readonly owner: string;
}

/** deploy/images/<name>/image.json: what an image of the box consists of. */
const part = z.object({
  file: z.string(),
  disk_format: z.enum(DISK_FORMATS),
  container_format: z.enum(CONTAINER_FORMATS),
});
const manifest = z.object({
  name: z.string(),
  kernel: part.optional(),
  ramdisk: part.optional(),
  disk: part,
  properties: z.record(z.string(), z.string()),
});
type Manifest = z.output<typeof manifest>;

interface Seed {
  readonly name: string;
  readonly part: z.output<typeof part>;
  readonly properties: Readonly<Record<string, string>>;
  /** Properties that name other seeds. */
  readonly links: Readonly<Record<string, string>>;
}

/** The scheduler keeps the guest from hosts of another kind; without DHCP the config drive still tells it who it is. */
const ALWAYS = { hw_architecture: 'riscv64', img_config_drive: 'mandatory' };

function seedsOf({ name, kernel, ramdisk, disk, properties }: Manifest): Seed[] {
  const plain = { properties: {}, links: {} };
  const links = {
    ...(kernel ? { kernel_id: `${name}-kernel` } : {}),
    ...(ramdisk ? { ramdisk_id: `${name}-initrd` } : {}),
  };
  const boots = { part: disk, properties: { ...ALWAYS, ...properties }, links };
  return [
    ...(kernel ? [{ name: `${name}-kernel`, part: kernel, ...plain }] : []),
    ...(ramdisk ? [{ name: `${name}-initrd`, part: ramdisk, ...plain }] : []),
    { name, ...boots },
    { name: `cirros-${name}-riscv64-disk`, ...boots },
  ];
}

function readManifest(folder: string): Manifest | undefined {
  const path = join(folder, 'image.json');
  return existsSync(path) ? manifest.parse(JSON.parse(readFileSync(path, 'utf8'))) : undefined;
}

/** Makes the images of `folder` (deploy/images/tiny); without its image.json nothing happens. Returns ids by name. */
export async function seedImages(components: SeedComponents, folder: string): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const contents = new Map<string, ImageContent>();
  const found = readManifest(folder);
  if (found === undefined) {
    components.log.warn({ folder }, 'the folder holds no image.json: no images are made of it');
    return ids;
  }
  for (const seed of seedsOf(found)) {
    const path = join(folder, seed.part.file);
    const content =
      contents.get(path) ?? (await presentContent(components, seed, path)) ?? (await store(components.blobs, path));
    contents.set(path, content);
    ids.set(seed.name, await make(components, seed, content, ids));
  }
  return ids;
}

/** What an earlier start has stored, when the file still holds the same: reading it costs less than storing it again. */
async function presentContent(
  { records, blobs }: SeedComponents,
  seed: Seed,
  path: string,
): Promise<ImageContent | undefined> {
  const mark = await records.get(IMAGE_SEED, seed.name);
  if (mark === undefined) return undefined;
  const { contentId, imageId } = mark.value;
  const content = (await records.get(IMAGE, imageId))?.value.content;
  if (!content || (await blobs.size(contentId)) !== content.size) return undefined;
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex') === contentId
    ? content
    : undefined;
}

async function store(blobs: BlobStore, path: string): Promise<ImageContent> {
  const { contentId, size, md5, sha512 } = await blobs.put(createReadStream(path, { highWaterMark: 1 << 20 }));
  const { virtualSize } = await blobs.inspect(contentId);
  return { contentId, size, checksum: md5, hash: sha512, virtualSize: virtualSize ?? null };
}

function make(
  { records, clock, owner }: SeedComponents,
  seed: Seed,
  content: ImageContent,
  ids: ReadonlyMap<string, string>,
): Promise<string> {
  return records.transact((tx) => {
    const present = tx.get(IMAGE_SEED, seed.name);
    const image = present && tx.get(IMAGE, present.imageId);
    const now = clock.now();
    if (present?.contentId === content.contentId) {
      // Whoever deleted it meant it. A new kernel under the same disk is taken over.
      const properties = { ...image?.properties, ...linksOf(seed, ids) };
      if (image && JSON.stringify(properties) !== JSON.stringify(image.properties)) {
        tx.update(IMAGE, { ...image, properties, updatedAt: now });
      }
      return present.imageId;
    }
    if (image) tx.update(IMAGE, { ...image, hidden: true, updatedAt: now });
    const made = newImage(seed, content, ids, owner, now);
    tx.create(IMAGE, made);
    const mark = { name: seed.name, imageId: made.id, contentId: content.contentId };
    if (present) tx.update(IMAGE_SEED, mark);
    else tx.create(IMAGE_SEED, mark);
    return made.id;
  });
}

function linksOf(seed: Seed, ids: ReadonlyMap<string, string>): Record<string, string> {
  const links = Object.entries(seed.links).map(([property, name]) => [property, ids.get(name)]);
  return Object.fromEntries(links.filter(([, id]) => id !== undefined));
}

function newImage(
  seed: Seed,
  content: ImageContent,
  ids: ReadonlyMap<string, string>,
  owner: string,
  now: number,
): Image {
  return {
    id: newUuid(),
    name: seed.name,
    owner,
    visibility: 'public',
    status: 'active',
    protected: false,
    hidden: false,
    diskFormat: seed.part.disk_format,
    containerFormat: seed.part.container_format,
    minDiskGib: 0,
    minRamMib: 0,
    tags: [],
    properties: { ...seed.properties, ...linksOf(seed, ids) },
    content,
    staged: null,
    transfer: null,
    message: null,
    createdAt: now,
    updatedAt: now,
  };
}
