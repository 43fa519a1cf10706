// The images that a new cloud has: the tiny one with its kernel and initial ramdisk, and the same under a name with
// `cirros` in it, which the suites written for DevStack look for. Seeding is idempotent by name and content: nothing
// happens when the same bytes are there, and new bytes make a new image while the old one is hidden and lives on.

import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type Log, newUuid } from '#base';
import type { BlobStore } from '#disk';
import { type DiskFormat, IMAGE, IMAGE_SEED, type Image, type ImageContent } from '#model';
import type { Records } from '#store';

export interface SeedComponents {
  readonly records: Records;
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** The project that owns the images: admin's. */
  readonly owner: string;
}

interface Seed {
  readonly name: string;
  readonly file: string;
  readonly format: DiskFormat;
  readonly properties?: Readonly<Record<string, string>>;
  /** Properties that name other seeds. */
  readonly links?: Readonly<Record<string, string>>;
}

const BOOTS = {
  properties: {
    architecture: 'riscv64',
    hw_architecture: 'riscv64',
    img_config_drive: 'mandatory',
    os_admin_user: 'cirros',
    os_distro: 'cumulet-tiny',
    os_type: 'linux',
  },
  links: { kernel_id: 'tiny-kernel', ramdisk_id: 'tiny-initrd' },
} as const;

const SEEDS: readonly Seed[] = [
  { name: 'tiny-kernel', file: 'kernel', format: 'aki' },
  { name: 'tiny-initrd', file: 'initrd', format: 'ari' },
  { name: 'tiny', file: 'disk.qcow2', format: 'qcow2', ...BOOTS },
  { name: 'cirros-tiny-riscv64-disk', file: 'disk.qcow2', format: 'qcow2', ...BOOTS },
];

/** Makes the images of `folder` (deploy/images/tiny); when it is not there nothing happens. Returns ids by name. */
export async function seedImages(components: SeedComponents, folder: string): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const contents = new Map<string, ImageContent>();
  for (const seed of SEEDS) {
    const path = join(folder, seed.file);
    if (!existsSync(path)) {
      components.log.warn({ path }, `the image ${seed.name} is not made: its file is missing`);
      continue;
    }
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
    if (image && present.contentId === content.contentId) return image.id;
    const now = clock.now();
    if (image) tx.update(IMAGE, { ...image, hidden: true, updatedAt: now });
    const made = newImage(seed, content, ids, owner, now);
    tx.create(IMAGE, made);
    const mark = { name: seed.name, imageId: made.id, contentId: content.contentId };
    if (present) tx.update(IMAGE_SEED, mark);
    else tx.create(IMAGE_SEED, mark);
    return made.id;
  });
}

function newImage(
  seed: Seed,
  content: ImageContent,
  ids: ReadonlyMap<string, string>,
  owner: string,
  now: number,
): Image {
  const links = Object.entries(seed.links ?? {}).flatMap(([property, name]) => {
    const id = ids.get(name);
    return id === undefined ? [] : [[property, id]];
  });
  const container = seed.format === 'aki' || seed.format === 'ari' ? seed.format : 'bare';
  return {
    id: newUuid(),
    name: seed.name,
    owner,
    visibility: 'public',
    status: 'active',
    protected: false,
    hidden: false,
    diskFormat: seed.format,
    containerFormat: container,
    minDiskGib: 0,
    minRamMib: 0,
    tags: [],
    properties: { ...seed.properties, ...Object.fromEntries(links) },
    content,
    staged: null,
    transfer: null,
    message: null,
    createdAt: now,
    updatedAt: now,
  };
}
