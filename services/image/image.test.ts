import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock, newUuid, type Startable, silentLog } from '#base';
import { blobPath } from '#disk';
import { IMAGE, IMAGE_SEED, type Image, SERVER, type Server } from '#model';
import { createRecords, memoryStore, type Records } from '#store';
import { BlobCollector } from './collector.ts';
import { FolderBlobStore } from './folder-blob-store.ts';
import { seedImages } from './seed.ts';
import { TransferWatch } from './transfers.ts';

let root: string;
let blobs: FolderBlobStore;
let records: Records & Startable;
const store = memoryStore();
const clock = new ManualClock();

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'blobs-'));
  blobs = await FolderBlobStore.open(root);
  records = createRecords(store, { log: silentLog });
  await records.start();
});
afterEach(async () => {
  for (const { key } of (await store.list('')).entries) await store.txn([], [{ delete: key }]);
  await records.stop();
  rmSync(root, { recursive: true, force: true });
});

async function* chunks(...parts: (Uint8Array | string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Error) throw part;
    yield Buffer.from(part);
  }
}

async function collect(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

const hash = (name: string, bytes: Uint8Array) => createHash(name).update(bytes).digest('hex');
const files = () => ['blobs', 'incoming', 'trash'].flatMap((name) => readdirSync(join(root, name)));

describe('the image store', () => {
  it('keeps bytes under their hash and reads them back, whole or in part', async () => {
    const bytes = randomBytes(3_000_000);
    const stored = await blobs.put(chunks(bytes.subarray(0, 10), bytes.subarray(10)));
    expect(stored).toEqual({
      contentId: hash('sha256', bytes),
      size: bytes.length,
      md5: hash('md5', bytes),
      sha512: hash('sha512', bytes),
    });
    expect(await blobs.size(stored.contentId)).toBe(bytes.length);
    expect(Buffer.compare(await collect(await blobs.read(stored.contentId)), bytes)).toBe(0);
    const part = await collect(await blobs.read(stored.contentId, { start: 5, end: 99 }));
    expect(Buffer.compare(part, bytes.subarray(5, 100))).toBe(0);
    expect(statSync(blobPath(root, stored.contentId)).mode & 0o222).toBe(0);
  });

  it('stores equal bytes once, also when they arrive together', async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => blobs.put(chunks('same'))));
    expect(new Set(all.map((stored) => stored.contentId)).size).toBe(1);
    expect(files()).toEqual([hash('sha256', Buffer.from('same'))]);
  });

  it.each([
    ['is too large', chunks('12345678'), { maxBytes: 7 }, 'too_large'],
    ['is cut short', chunks('123'), { expectedBytes: 4 }, 'invalid'],
    ['breaks off', chunks('123', Object.assign(new Error('reset'), { code: 'ECONNRESET' })), {}, 'aborted'],
  ])('leaves nothing of an upload that %s', async (_, content, options, code) => {
    await expect(blobs.put(content, options)).rejects.toMatchObject({ code });
    expect(files()).toEqual([]);
  });

  it('has no blob under a name that is no address', async () => {
    await expect(blobs.read('0'.repeat(64))).rejects.toMatchObject({ code: 'not_found' });
    await expect(blobs.read('../../etc/passwd')).rejects.toThrow('no content address');
  });
});

const image = (change: Partial<Image>): Image => ({
  id: newUuid(),
  name: 'x',
  owner: 'p',
  visibility: 'private',
  status: 'active',
  protected: false,
  hidden: false,
  diskFormat: 'raw',
  containerFormat: 'bare',
  minDiskGib: 0,
  minRamMib: 0,
  tags: [],
  properties: {},
  content: null,
  staged: null,
  transfer: null,
  message: null,
  createdAt: 1,
  updatedAt: 1,
  ...change,
});

describe('the collector', () => {
  const put = async (text: string) => {
    const { contentId, size, md5, sha512 } = await blobs.put(chunks(text));
    return { contentId, size, checksum: md5, hash: sha512, virtualSize: null };
  };
  const pass = async (collector: BlobCollector) => {
    clock.advance(700_000);
    await collector.run();
  };

  it('removes what nobody refers to after the grace time, and nothing else', async () => {
    const collector = new BlobCollector({ blobs, records, clock, log: silentLog });
    const used = image({ content: await put('used'), staged: await put('staged') });
    const ofServer = await put('of a deleted image');
    const server = { id: 's1', image: { contentId: ofServer.contentId } } as Server;
    const garbage = await put('garbage');
    await records.transact((tx) => {
      tx.create(IMAGE, used);
      tx.create(SERVER, server);
    });
    await collector.run();
    expect(existsSync(blobPath(root, garbage.contentId))).toBe(true);
    await pass(collector);
    expect(files().sort()).toEqual([used.content?.contentId, used.staged?.contentId, ofServer.contentId].sort());
    await records.transact((tx) => {
      tx.delete(IMAGE, used.id);
      tx.delete(SERVER, 's1');
    });
    await collector.run();
    expect(files()).toHaveLength(3);
    await pass(collector);
    expect(files()).toEqual([]);
  });

  it('begins the grace time anew for what was referred to in between', async () => {
    const collector = new BlobCollector({ blobs, records, clock, log: silentLog });
    const content = await put('wanted again');
    await collector.run();
    const wanting = image({ content });
    await records.transact((tx) => tx.create(IMAGE, wanting));
    await pass(collector);
    await records.transact((tx) => tx.delete(IMAGE, wanting.id));
    await collector.run();
    expect(files()).toHaveLength(1);
    await pass(collector);
    expect(files()).toEqual([]);
  });

  it('removes uploads that have stood still for a day', async () => {
    const collector = new BlobCollector({ blobs, records, clock, log: silentLog });
    const [dead, alive] = [join(root, 'incoming', 'dead'), join(root, 'incoming', 'alive')];
    for (const path of [dead, alive]) writeFileSync(path, 'x');
    utimesSync(dead, clock.now() / 1e6 - 90_000, clock.now() / 1e6 - 90_000);
    utimesSync(alive, clock.now() / 1e6 - 60, clock.now() / 1e6 - 60);
    await collector.run();
    expect(files()).toEqual(['alive']);
  });
});

it('an upload whose process died goes back to queued, one that moves does not', async () => {
  const watch = new TransferWatch({ records, clock });
  const dead = image({ status: 'saving', transfer: { id: 't1', beats: 3 } });
  const alive = image({ status: 'importing', transfer: { id: 't2', beats: 0 } });
  await records.transact((tx) => {
    tx.create(IMAGE, dead);
    tx.create(IMAGE, alive);
  });
  expect(await watch.run()).toEqual([]);
  clock.advance(50_000);
  await records.transact((tx) => {
    const moving = tx.get(IMAGE, alive.id) as Image;
    tx.update(IMAGE, { ...moving, transfer: { id: 't2', beats: 1 } });
  });
  expect(await watch.run()).toEqual([]);
  clock.advance(15_000);
  expect(await watch.run()).toEqual([dead.id]);
  expect(records.peek(IMAGE, dead.id)?.value).toMatchObject({ status: 'queued', transfer: null });
  expect(records.peek(IMAGE, alive.id)?.value).toMatchObject({ status: 'importing' });
});

describe('seeding', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'seeds-'));
    for (const name of ['kernel', 'initrd', 'disk.qcow2']) writeFileSync(join(folder, name), `the ${name}`);
    const part = (file: string, format: string, container = format) => ({
      file,
      disk_format: format,
      container_format: container,
    });
    const manifest = {
      name: 'tiny',
      kernel: part('kernel', 'aki'),
      ramdisk: part('initrd', 'ari'),
      disk: part('disk.qcow2', 'qcow2', 'bare'),
      properties: { os_command_line: 'console=ttyS0' },
    };
    writeFileSync(join(folder, 'image.json'), JSON.stringify(manifest));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const seed = () => seedImages({ records, blobs, clock, log: silentLog, owner: 'admin' }, folder);

  it('makes the images once, with kernel and ramdisk, also under the name that DevStack suites look for', async () => {
    const ids = await seed();
    expect([...ids.keys()]).toEqual(['tiny-kernel', 'tiny-initrd', 'tiny', 'cirros-tiny-riscv64-disk']);
    expect(await seed()).toEqual(ids);
    const images = records.peekList(IMAGE).map(({ value }) => value);
    expect(images).toHaveLength(4);
    const [tiny, cirros] = ['tiny', 'cirros-tiny-riscv64-disk'].map((name) =>
      images.find((made) => made.name === name),
    );
    expect(tiny?.properties).toMatchObject({
      kernel_id: ids.get('tiny-kernel'),
      ramdisk_id: ids.get('tiny-initrd'),
      hw_architecture: 'riscv64',
      os_command_line: 'console=ttyS0',
      img_config_drive: 'mandatory',
    });
    expect(cirros?.content).toEqual(tiny?.content);
    expect(tiny).toMatchObject({ status: 'active', visibility: 'public', diskFormat: 'qcow2', owner: 'admin' });
  });

  it('makes a new image of new bytes and hides the old one', async () => {
    const before = await seed();
    writeFileSync(join(folder, 'disk.qcow2'), 'a newer disk');
    const after = await seed();
    expect(after.get('tiny-kernel')).toBe(before.get('tiny-kernel'));
    expect(after.get('tiny')).not.toBe(before.get('tiny'));
    expect(records.peek(IMAGE, before.get('tiny') ?? '')?.value.hidden).toBe(true);
    expect(records.peek(IMAGE_SEED, 'tiny')?.value.imageId).toBe(after.get('tiny'));
  });

  it('leaves alone what was deleted', async () => {
    const before = await seed();
    await records.transact((tx) => tx.delete(IMAGE, before.get('tiny') ?? ''));
    await seed();
    expect(records.peekList(IMAGE)).toHaveLength(3);
  });

  it('puts a new kernel under the same disk', async () => {
    const before = await seed();
    writeFileSync(join(folder, 'kernel'), 'a newer kernel');
    const after = await seed();
    expect(after.get('tiny')).toBe(before.get('tiny'));
    expect(after.get('tiny-kernel')).not.toBe(before.get('tiny-kernel'));
    const tiny = records.peek(IMAGE, after.get('tiny') ?? '')?.value;
    expect(tiny?.properties.kernel_id).toBe(after.get('tiny-kernel'));
  });

  it('takes the images that come with this repository', async () => {
    const repository = join(import.meta.dirname, '../../deploy/images/tiny');
    const ids = await seedImages({ records, blobs, clock, log: silentLog, owner: 'admin' }, repository);
    const made = (name: string) => records.peek(IMAGE, ids.get(name) ?? '')?.value;
    expect(made('tiny')).toMatchObject({ diskFormat: 'qcow2', content: { virtualSize: 64 * 1024 * 1024 } });
    expect(made('tiny-kernel')).toMatchObject({ diskFormat: 'aki', containerFormat: 'aki' });
    const kernel = await blobs.inspect(made('tiny-kernel')?.content?.contentId ?? '');
    expect(kernel).toMatchObject({ format: 'linux', architecture: 'riscv64' });
  });

  it('does nothing without the folder', async () => {
    expect((await seedImages({ records, blobs, clock, log: silentLog, owner: 'admin' }, '/nonexistent')).size).toBe(0);
    expect(files()).toEqual([]);
  });
});
