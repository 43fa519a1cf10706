// image: list, show, create (with its data), set, save, delete.

import { ClientError, type ImagePatch } from '#client';
import type { Command, Context } from './command.ts';
import { defined, PAGING, paging, sorted } from './fields.ts';
import type { Fields } from './format.ts';
import type { Arguments } from './grammar.ts';
import { eachOf } from './many.ts';
import { Meter } from './meter.ts';

const IMAGE = [{ name: 'image', help: 'name or id' }];

/** What Glance itself gives meaning to; everything else is a property. */
const KNOWN = new Set([
  ...['id', 'name', 'status', 'visibility', 'size', 'virtual_size', 'checksum', 'owner', 'min_disk', 'min_ram'],
  ...['disk_format', 'container_format', 'protected', 'tags', 'created_at', 'updated_at', 'file', 'schema', 'self'],
  ...['os_hidden', 'os_hash_algo', 'os_hash_value', 'stores', 'locations', 'direct_url'],
]);

function present(image: Readonly<Record<string, unknown>>): Fields {
  const properties = Object.fromEntries(
    Object.entries(image)
      .filter(([name]) => !KNOWN.has(name))
      .sort(),
  );
  const { os_hidden, os_hash_algo, os_hash_value, ...rest } = image;
  const known = Object.fromEntries(Object.entries(rest).filter(([name]) => KNOWN.has(name)));
  return sorted({
    ...known,
    file: undefined,
    properties: defined({ os_hidden, os_hash_algo, os_hash_value, ...properties }),
  });
}

const VISIBILITY = ['public', 'private', 'community', 'shared'];
const DESCRIBING = [
  { name: 'min-disk', value: '<GB>', help: 'smallest disk that boots it', integer: true },
  { name: 'min-ram', value: '<MB>', help: 'smallest memory that boots it', integer: true },
  { name: 'property', value: '<key=value>', help: 'property', repeat: true },
  { name: 'tag', value: '<tag>', help: 'tag', repeat: true },
  { name: 'protected', help: 'cannot be deleted' },
  { name: 'unprotected', help: 'can be deleted' },
  ...VISIBILITY.map((name) => ({ name, help: `visibility ${name}` })),
];

const visibilityOf = (args: Arguments): string | undefined => VISIBILITY.find((name) => args.has(name));
const protectedOf = (args: Arguments): boolean | undefined =>
  args.has('protected') ? true : args.has('unprotected') ? false : undefined;

async function create(context: Context, args: Arguments): Promise<Fields> {
  const { image } = await context.cloud();
  const file = args.text('file');
  const { createReadStream, statSync } = await import('node:fs');
  // A missing file is found before anything is made.
  const size = file === undefined ? undefined : statSync(file, { throwIfNoEntry: false })?.size;
  if (file !== undefined && size === undefined) throw new ClientError(`Cannot read ${file}: there is no such file.`);
  const made = await image.images.create(
    defined({
      name: args.must('image-name'),
      id: args.text('id'),
      disk_format: args.text('disk-format') ?? 'raw',
      container_format: args.text('container-format') ?? 'bare',
      visibility: visibilityOf(args),
      protected: protectedOf(args),
      min_disk: args.integer('min-disk'),
      min_ram: args.integer('min-ram'),
      tags: args.has('tag') ? args.all('tag') : undefined,
      ...args.pairs('property'),
    }),
  );
  if (file !== undefined && size !== undefined) {
    const stream = createReadStream(file, { highWaterMark: 1 << 20 });
    const meter = new Meter(size, (line) => context.progress(line));
    stream.on('data', (chunk) => meter.add(chunk.length));
    try {
      await image.upload(made.id, stream, size);
    } catch (error) {
      // An image without data is of no use to anybody; the upload's own error is what matters.
      await image.images.delete(made.id).catch(() => undefined);
      throw error;
    }
    context.endProgress();
  }
  return present(await image.images.get(made.id));
}

async function set(context: Context, args: Arguments): Promise<number> {
  const { image } = await context.cloud();
  const found = await image.images.find(args.must('image'));
  const changes = defined({
    name: args.text('name'),
    visibility: visibilityOf(args),
    protected: protectedOf(args),
    min_disk: args.integer('min-disk'),
    min_ram: args.integer('min-ram'),
    disk_format: args.text('disk-format'),
    container_format: args.text('container-format'),
    ...args.pairs('property'),
  });
  const patch: ImagePatch[] = Object.entries(changes).map(([name, value]) => ({
    op: name in found ? 'replace' : 'add',
    path: `/${name}`,
    value,
  }));
  if (patch.length > 0) await image.patch(found.id, patch);
  for (const tag of args.all('tag')) await image.tag(found.id, tag);
  if (args.has('activate')) await image.setActive(found.id, true);
  if (args.has('deactivate')) await image.setActive(found.id, false);
  return 0;
}

async function save(context: Context, args: Arguments): Promise<number> {
  const { image } = await context.cloud();
  const found = await image.images.find(args.must('image'));
  const response = await image.download(found.id);
  if (response.status === 204) throw new ClientError(`Image ${found.id} has no data to save.`);
  const { pipeline } = await import('node:stream/promises');
  const file = args.text('file');
  const total = Number(response.headers['content-length'] ?? found.size ?? 0);
  const meter = new Meter(total, (line) => context.progress(line));
  if (file !== undefined) response.stream.on('data', (chunk: Buffer) => meter.add(chunk.length));
  const { createWriteStream } = await import('node:fs');
  const { createHash } = await import('node:crypto');
  const hash = createHash('md5');
  response.stream.on('data', (chunk: Buffer) => hash.update(chunk));
  if (file === undefined) await pipeline(response.stream, process.stdout, { end: false });
  else await pipeline(response.stream, createWriteStream(file));
  context.endProgress();
  const { checksum } = found;
  if (typeof checksum === 'string' && hash.digest('hex') !== checksum) {
    throw new ClientError('The data that arrived is not what the image holds: the checksums differ.');
  }
  return 0;
}

export const commands: readonly Command[] = [
  {
    words: 'image list',
    summary: 'List images',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'name', value: '<name>', help: 'with this name' },
      { name: 'status', value: '<status>', help: 'in this status' },
      { name: 'property', value: '<key=value>', help: 'with this property', repeat: true },
      { name: 'tag', value: '<tag>', help: 'with this tag', repeat: true },
      ...VISIBILITY.map((name) => ({ name, help: `only ${name} ones` })),
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { image } = await context.cloud();
      const images = await image.images.list({
        ...paging(args),
        name: args.text('name'),
        status: args.text('status'),
        visibility: visibilityOf(args),
        tag: args.has('tag') ? args.all('tag') : undefined,
        ...args.pairs('property'),
      });
      if (!args.has('long')) {
        return { columns: ['ID', 'Name', 'Status'], rows: images.map((one) => [one.id, one.name, one.status]) };
      }
      return {
        columns: [
          ...['ID', 'Name', 'Disk Format', 'Container Format', 'Size', 'Checksum', 'Status', 'Visibility'],
          ...['Protected', 'Project', 'Tags'],
        ],
        rows: images.map((one) => [
          ...[one.id, one.name, one.disk_format, one.container_format, one.size, one.checksum, one.status],
          ...[one.visibility, one.protected, one.owner, one.tags],
        ]),
      };
    },
  },
  {
    words: 'image show',
    summary: 'Show an image',
    positionals: IMAGE,
    output: 'show',
    async run(context, args) {
      const { image } = await context.cloud();
      return present(await image.images.find(args.must('image')));
    },
  },
  {
    words: 'image create',
    summary: 'Create an image, and upload its data',
    positionals: [{ name: 'image-name', help: 'name of the new image' }],
    options: [
      { name: 'file', value: '<file>', help: 'its data' },
      { name: 'disk-format', value: '<format>', help: 'raw (the default), qcow2, iso, aki, ari, ami ...' },
      { name: 'container-format', value: '<format>', help: 'bare (the default), aki, ari, ami ...' },
      { name: 'id', value: '<id>', help: 'id to give it' },
      ...DESCRIBING,
    ],
    output: 'show',
    run: create,
  },
  {
    words: 'image set',
    summary: 'Change an image',
    positionals: IMAGE,
    options: [
      { name: 'name', value: '<name>', help: 'new name' },
      { name: 'disk-format', value: '<format>', help: 'disk format' },
      { name: 'container-format', value: '<format>', help: 'container format' },
      { name: 'activate', help: 'let it be used again' },
      { name: 'deactivate', help: 'let nobody use its data' },
      ...DESCRIBING,
    ],
    output: 'none',
    run: set,
  },
  {
    words: 'image save',
    summary: "Download an image's data",
    positionals: IMAGE,
    options: [{ name: 'file', value: '<file>', help: 'where to; standard output by default' }],
    output: 'none',
    run: save,
  },
  {
    words: 'image delete',
    summary: 'Delete images',
    positionals: [{ name: 'image', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { image } = await context.cloud();
      return eachOf(context, args.all('image'), 'image', 'delete', async (name) => {
        await image.images.delete((await image.images.find(name)).id);
      });
    },
  },
];
