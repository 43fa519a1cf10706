// What every store must do (services/store/store.ts), as a function that each implementation runs.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Change, Entry, Lease, Store, WatchBatch } from '#store';
import { waitUntil } from '#test/support/wait.ts';

export interface StoreHarness {
  /** A store with nothing of this test in it. */
  open(): Promise<Store>;
  /** Forgets the history up to and with `revision`. */
  compact(store: Store, revision: number): Promise<void>;
  /** Ends a lease as if its holder had died. */
  expire(store: Store, lease: Lease): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
const put = (key: string, value = 'x') => ({ put: key, value: bytes(value) });

interface Seen {
  readonly batches: WatchBatch[];
  readonly ends: string[];
  keys(): string[];
}

async function watch(store: Store, prefix: string, from: number): Promise<Seen & { cancel(): Promise<void> }> {
  const batches: WatchBatch[] = [];
  const ends: string[] = [];
  const name = (change: Change) => (change.type === 'put' ? change.entry.key : `-${change.key}`);
  const handle = await store.watch(prefix, {
    from,
    onBatch: (batch) => batches.push(batch),
    onEnd: (reason) => ends.push(reason),
  });
  return {
    batches,
    ends,
    keys: () => batches.flatMap((batch) => batch.changes.map(name)),
    cancel: () => handle.cancel(),
  };
}

export function storeCompliance(harness: StoreHarness): void {
  let store: Store;
  beforeEach(async () => {
    store = await harness.open();
  });
  afterEach(() => store.close());

  const present = (entries: readonly Entry[]) => entries.map((entry) => `${entry.key}=${text(entry.value)}`);

  describe('transactions', () => {
    it('put, replace and delete with one global revision', async () => {
      const first = await store.txn([], [put('/a', '1')]);
      const second = await store.txn([], [put('/b', '1')]);
      const third = await store.txn([], [put('/a', '2')]);
      expect(second.revision).toBe(first.revision + 1);
      expect(await store.get('/a')).toMatchObject({ createRevision: first.revision, modRevision: third.revision });
      expect(text((await store.get('/a'))?.value)).toBe('2');
      await store.txn([], [{ delete: '/a' }]);
      expect(await store.get('/a')).toBeUndefined();
      const again = await store.txn([], [put('/a', '3')]);
      expect(await store.get('/a')).toMatchObject({ createRevision: again.revision });
    });

    it('give all their writes one revision', async () => {
      const { revision } = await store.txn([], [put('/a'), put('/b'), put('/c')]);
      const { entries } = await store.list('/');
      expect(entries.map((entry) => entry.modRevision)).toEqual([revision, revision, revision]);
    });

    it('write nothing when a compare does not hold', async () => {
      const { revision } = await store.txn([], [put('/a')]);
      for (const compare of [
        { key: '/a', modRevision: revision + 1 },
        { key: '/a', modRevision: 0 },
        { key: '/none', exists: true as const },
        { key: '/none', modRevision: revision },
      ]) {
        const result = await store.txn([{ key: '/a', modRevision: revision }, compare], [put('/b'), { delete: '/a' }]);
        expect(result).toEqual({ succeeded: false, revision });
      }
      expect(present((await store.list('/')).entries)).toEqual(['/a=x']);
    });

    it('write when every compare holds', async () => {
      const { revision } = await store.txn([], [put('/a')]);
      const compares = [
        { key: '/a', modRevision: revision },
        { key: '/a', exists: true as const },
        { key: '/b', modRevision: 0 },
      ];
      expect(await store.txn(compares, [put('/b')])).toEqual({ succeeded: true, revision: revision + 1 });
    });

    it('take no revision when they change nothing', async () => {
      const { revision } = await store.txn([], [put('/a')]);
      expect(await store.txn([], [{ delete: '/none' }])).toEqual({ succeeded: true, revision });
      expect(await store.txn([{ key: '/a', exists: true }], [])).toEqual({ succeeded: true, revision });
      expect(await store.revision()).toBe(revision);
    });

    it('let one of many that compare the same revision win', async () => {
      const { revision } = await store.txn([], [put('/counter', '0')]);
      const racers = Array.from({ length: 20 }, (_, index) =>
        store.txn([{ key: '/counter', modRevision: revision }], [put('/counter', String(index))]),
      );
      const results = await Promise.all(racers);
      expect(results.filter((result) => result.succeeded)).toHaveLength(1);
    });

    it('accept 128 compares and operations and refuse one more, or a key written twice', async () => {
      const ops = Array.from({ length: 127 }, (_, index) => put(`/k${index}`));
      const compare = { key: '/none', modRevision: 0 };
      expect(await store.txn([compare], ops)).toMatchObject({ succeeded: true });
      await expect(store.txn([compare, compare], ops)).rejects.toMatchObject({ code: 'invalid' });
      await expect(store.txn([], [put('/a'), { delete: '/a' }])).rejects.toMatchObject({ code: 'invalid' });
      await expect(store.txn([], [put('')])).rejects.toMatchObject({ code: 'invalid' });
    });

    it('keep a value of a megabyte and refuse one of two', async () => {
      const large = new Uint8Array(1_000_000).fill(7);
      await store.txn([], [{ put: '/large', value: large }]);
      expect(Buffer.compare((await store.get('/large'))?.value ?? bytes(''), large)).toBe(0);
      const larger = store.txn([], [{ put: '/larger', value: new Uint8Array(2_000_000) }]);
      await expect(larger).rejects.toMatchObject({ code: 'too_large' });
    });

    it('keep the bytes of the moment when they were called', async () => {
      const value = bytes('before');
      const written = store.txn([], [{ put: '/a', value }]);
      value.fill(0);
      await written;
      expect(text((await store.get('/a'))?.value)).toBe('before');
    });
  });

  describe('lists', () => {
    it('hold what lies under the prefix in the order of the UTF-8 bytes', async () => {
      const keys = ['/p/\u{1f600}', '/p/\uff5e', '/p/b', '/p/a/c', '/p/a', '/p', '/q', '/pp'];
      await store.txn(
        [],
        keys.map((key) => put(key)),
      );
      const { entries, revision } = await store.list('/p/');
      expect(entries.map((entry) => entry.key)).toEqual(['/p/a', '/p/a/c', '/p/b', '/p/\uff5e', '/p/\u{1f600}']);
      expect(revision).toBe(await store.revision());
      expect((await store.list('/none')).entries).toEqual([]);
    });

    it('hold thousands of entries', async () => {
      const put100 = (block: number) => Array.from({ length: 100 }, (_, index) => put(`/n/${block * 100 + index}`));
      await Promise.all(Array.from({ length: 30 }, (_, block) => store.txn([], put100(block))));
      expect((await store.list('/n/')).entries).toHaveLength(3000);
    });
  });

  describe('watches', () => {
    it('show each change once, in order, whole transactions together', async () => {
      const start = await store.revision();
      const seen = await watch(store, '/w/', start + 1);
      await store.txn([], [put('/w/a'), put('/w/b'), put('/other')]);
      await store.txn([], [{ delete: '/w/a' }, put('/w/c')]);
      const { revision } = await store.txn([], [put('/w/d', 'last')]);
      await waitUntil(() => seen.batches.at(-1)?.revision === revision);
      expect(seen.keys()).toEqual(['/w/a', '/w/b', '-/w/a', '/w/c', '/w/d']);
      const last = seen.batches.at(-1)?.changes.at(-1);
      expect(last).toMatchObject({ type: 'put', entry: { modRevision: revision, createRevision: revision } });
      for (const batch of seen.batches) {
        const revisions = batch.changes.map((change) =>
          change.type === 'put' ? change.entry.modRevision : change.modRevision,
        );
        expect(Math.max(0, ...revisions)).toBeLessThanOrEqual(batch.revision);
      }
    });

    it('begin at a past revision and go on without a gap', async () => {
      const { revision } = await store.txn([], [put('/w/1')]);
      await store.txn([], [put('/w/2')]);
      await store.txn([], [put('/w/3')]);
      const seen = await watch(store, '/w/', revision + 1);
      await store.txn([], [put('/w/4')]);
      await waitUntil(() => seen.keys().length >= 3);
      expect(seen.keys()).toEqual(['/w/2', '/w/3', '/w/4']);
    });

    it('tell the progress of revisions that changed nothing under the prefix', async () => {
      const seen = await watch(store, '/w/', (await store.revision()) + 1);
      const { revision } = await store.txn([], [put('/other')]);
      await waitUntil(() => seen.batches.at(-1)?.revision === revision);
      expect(seen.keys()).toEqual([]);
    });

    it('end as compacted when their first revision is gone', async () => {
      const { revision } = await store.txn([], [put('/w/1')]);
      await store.txn([], [put('/w/2')]);
      const last = await store.txn([], [put('/w/3')]);
      await harness.compact(store, revision + 1);
      const late = await watch(store, '/w/', revision);
      await waitUntil(() => late.ends.length > 0);
      expect(late.ends).toEqual(['compacted']);
      expect(late.keys()).toEqual([]);
      const inTime = await watch(store, '/w/', revision + 2);
      await waitUntil(() => inTime.keys().length > 0);
      expect(inTime.keys()).toEqual(['/w/3']);
      expect(await store.revision()).toBe(last.revision);
    });

    it('are silent after cancel, and the others go on', async () => {
      const from = (await store.revision()) + 1;
      const cancelled = await watch(store, '/w/', from);
      const other = await watch(store, '/w/', from);
      await cancelled.cancel();
      await store.txn([], [put('/w/a')]);
      await waitUntil(() => other.keys().length > 0);
      expect(cancelled.keys()).toEqual([]);
      expect(cancelled.ends).toEqual([]);
    });

    it('end as closed when the store closes', async () => {
      const seen = await watch(store, '/w/', (await store.revision()) + 1);
      await store.close();
      await waitUntil(() => seen.ends.length > 0);
      expect(seen.ends).toEqual(['closed']);
    });
  });

  describe('leases', () => {
    it('take their keys with them when revoked, in one revision', async () => {
      const lease = await store.lease(60);
      const kept = put('/l/kept');
      await store.txn([], [{ ...put('/l/a'), leaseId: lease.id }, { ...put('/l/b'), leaseId: lease.id }, kept]);
      expect(await store.get('/l/a')).toMatchObject({ leaseId: lease.id });
      const seen = await watch(store, '/l/', (await store.revision()) + 1);
      await lease.revoke();
      await lease.lost;
      expect(present((await store.list('/l/')).entries)).toEqual(['/l/kept=x']);
      await waitUntil(() => seen.keys().length === 2);
      expect(seen.keys().sort()).toEqual(['-/l/a', '-/l/b']);
      expect(
        new Set(
          seen.batches.flatMap((batch) => batch.changes.map((change) => 'modRevision' in change && change.modRevision)),
        ).size,
      ).toBe(1);
    });

    it('lose a key that is put again without them', async () => {
      const lease = await store.lease(60);
      await store.txn([], [{ ...put('/l/a'), leaseId: lease.id }]);
      await store.txn([], [put('/l/a', 'free')]);
      await lease.revoke();
      expect(text((await store.get('/l/a'))?.value)).toBe('free');
    });

    it('take no key once they are gone', async () => {
      const lease = await store.lease(60);
      await lease.revoke();
      const late = store.txn([], [{ ...put('/l/a'), leaseId: lease.id }]);
      await expect(late).rejects.toMatchObject({ code: 'not_found' });
      expect(await store.get('/l/a')).toBeUndefined();
    });

    it('tell their holder when they end without it', async () => {
      const lease = await store.lease(2);
      await store.txn([], [{ ...put('/l/a'), leaseId: lease.id }]);
      await harness.expire(store, lease);
      await lease.lost;
      await waitUntil(async () => (await store.get('/l/a')) === undefined);
    });
  });

  it('answers unavailable once it is closed', async () => {
    await store.close();
    await expect(store.get('/a')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.txn([], [put('/a')])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.revision()).rejects.toMatchObject({ code: 'unavailable' });
  });
}
