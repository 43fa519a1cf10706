import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { storeCompliance } from '#test/compliance/store.ts';
import { type EmbeddedStore, memoryStore, openEmbeddedStore } from './embedded-store.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const put = (key: string, size = 3) => ({ put: key, value: new Uint8Array(size).fill(120) });

describe('the embedded store', () => {
  storeCompliance({
    open: () => openEmbeddedStore({ folder }),
    compact: async (store, revision) => (store as EmbeddedStore).compact(revision),
    expire: (store, lease) => (store as EmbeddedStore).expire(lease.id),
  });
});

describe('the memory store', () => {
  storeCompliance({
    open: async () => memoryStore(),
    compact: async (store, revision) => (store as EmbeddedStore).compact(revision),
    expire: (store, lease) => (store as EmbeddedStore).expire(lease.id),
  });
});

describe('the embedded store on disk', () => {
  it('has all entries and its revision after it was opened again', async () => {
    const first = await openEmbeddedStore({ folder });
    await first.txn([], [put('/a'), put('/b')]);
    await first.txn([], [{ delete: '/a' }]);
    const before = await first.list('/');
    await first.close();
    const second = await openEmbeddedStore({ folder });
    expect(await second.list('/')).toEqual(before);
    expect((await second.txn([], [put('/c')])).revision).toBe(before.revision + 1);
    await second.close();
  });

  it('has no key of a lease of the process before', async () => {
    const first = await openEmbeddedStore({ folder });
    const lease = await first.lease(60);
    await first.txn([], [{ ...put('/leased'), leaseId: lease.id }, put('/kept')]);
    const copy = mkdtempSync(join(tmpdir(), 'store-'));
    // What a kill -9 leaves: the file and its log, with no clean end.
    for (const file of ['store.db', 'store.db-wal']) copyFileSync(join(folder, file), join(copy, file));
    await first.close();
    const second = await openEmbeddedStore({ folder: copy });
    expect((await second.list('/')).entries.map((entry) => entry.key)).toEqual(['/kept']);
    await second.close();
    rmSync(copy, { recursive: true });
  });

  it('refuses a second opener and says who has it', async () => {
    const store = await openEmbeddedStore({ folder });
    await expect(openEmbeddedStore({ folder })).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await store.close();
    await (await openEmbeddedStore({ folder })).close();
  });

  it('fails a transaction that the disk has no room for, keeps what was there, and goes on when there is room', async () => {
    const store = await openEmbeddedStore({ folder, quotaBytes: 64 * 1024 });
    await store.txn([], [put('/a', 1000)]);
    const { revision } = await store.txn([], [put('/filler', 30_000)]);
    const batch = ['/b', '/c', '/d'].map((key) => store.txn([], [put(key, 20_000)]));
    const results = await Promise.allSettled(batch);
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'unavailable' } });
    expect(await store.revision()).toBe(revision);
    expect(await store.get('/b')).toBeUndefined();
    await store.txn([], [{ delete: '/filler' }]);
    await store.txn([], [put('/b', 20_000)]);
    const before = await store.list('/');
    await store.close();
    const again = await openEmbeddedStore({ folder });
    expect(await again.list('/')).toEqual(before);
    await again.close();
  });

  it('tells watches nothing that is not on disk', async () => {
    const store = await openEmbeddedStore({ folder, quotaBytes: 64 * 1024 });
    const keys: string[] = [];
    await store.watch('/', {
      from: (await store.revision()) + 1,
      onBatch: (batch) =>
        keys.push(...batch.changes.map((change) => (change.type === 'put' ? change.entry.key : change.key))),
      onEnd: () => {},
    });
    await expect(store.txn([], [put('/too-large', 200_000)])).rejects.toMatchObject({ code: 'unavailable' });
    await store.txn([], [put('/fits')]);
    expect(keys).toEqual(['/fits']);
    await store.close();
  });

  async function filled(): Promise<Buffer> {
    const store = await openEmbeddedStore({ folder });
    for (let index = 0; index < 40; index++) await store.txn([], [put(`/key-${index}`, 3000)]);
    await store.close();
    return readFileSync(join(folder, 'store.db'));
  }

  it.each([
    ['cut short', (file: Buffer) => file.subarray(0, file.length - 8192)],
    ['overwritten at its start', (file: Buffer) => Buffer.concat([Buffer.alloc(512, 1), file.subarray(512)])],
    ['changed in one byte of a value', (file: Buffer) => withByte(file, file.lastIndexOf('xxxxxxxx'), 0)],
    ['another thing altogether', () => Buffer.from('not a database, and long enough to be looked at '.repeat(200))],
  ])('refuses a file that is %s, and leaves it as it is', async (_, damage) => {
    const damaged = damage(await filled());
    writeFileSync(join(folder, 'store.db'), damaged);
    await expect(openEmbeddedStore({ folder })).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('cannot be used'),
    });
    expect(Buffer.compare(readFileSync(join(folder, 'store.db')), damaged)).toBe(0);
  });

  it('refuses a log that lost acknowledged commits in its middle, and drops a torn end', async () => {
    const store = await openEmbeddedStore({ folder });
    for (let index = 0; index < 20; index++) await store.txn([], [put(`/key-${index}`, 3000)]);
    const main = readFileSync(join(folder, 'store.db'));
    const wal = readFileSync(join(folder, 'store.db-wal'));
    await store.close();
    const reopen = async (log: Buffer) => {
      writeFileSync(join(folder, 'store.db'), main);
      writeFileSync(join(folder, 'store.db-wal'), log);
      const opened = await openEmbeddedStore({ folder });
      const { entries } = await opened.list('/');
      await opened.close();
      return entries.length;
    };
    expect(await reopen(wal)).toBe(20);
    expect(await reopen(wal.subarray(0, wal.length - 100))).toBe(19);
    const middle = 32 + 4120 * Math.floor((wal.length - 32) / 4120 / 2) + 100;
    await expect(reopen(withByte(wal, middle, (wal[middle] ?? 0) ^ 255))).rejects.toMatchObject({ code: 'internal' });
    await expect(reopen(withByte(wal, 3, 0))).rejects.toMatchObject({ code: 'internal' });
  });
});

function withByte(file: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(file);
  copy[at] = value;
  return copy;
}
