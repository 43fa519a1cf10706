import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '#base';
import type { Kind } from '#model';
import { connectEtcdStore, createRecords, type Store } from '#store';
import { type EtcdServer, startEtcd } from '#test/support/etcd.ts';
import { waitUntil } from '#test/support/wait.ts';
import { storeCompliance } from './store.ts';

let server: EtcdServer;
let admin: Etcd3;
beforeAll(async () => {
  server = await startEtcd();
  admin = new Etcd3({ hosts: server.endpoint });
});
afterAll(async () => {
  admin?.close();
  await server?.stop();
});

const connect = (): Promise<Store> => connectEtcdStore({ hosts: [server.endpoint] });
const bytes = (text: string) => Buffer.from(text);

describe('the store over etcd', () => {
  storeCompliance({
    open: async () => {
      await admin.delete().all();
      return connect();
    },
    compact: async (_store, revision) => {
      await admin.kv.compact({ revision });
    },
    expire: async (_store, lease) => {
      await admin.leaseClient.leaseRevoke({ ID: lease.id });
    },
  });

  it('says which etcd it cannot reach', async () => {
    await expect(connectEtcdStore({ hosts: ['http://127.0.0.1:1'] })).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('http://127.0.0.1:1'),
    });
  });

  it('keeps watches and leases over a restart of etcd, without a word', async () => {
    const store = await connect();
    const lease = await store.lease(30);
    await store.txn([], [{ put: '/r/leased', value: bytes('x'), leaseId: lease.id }]);
    const keys: string[] = [];
    const ends: string[] = [];
    await store.watch('/r/', {
      from: (await store.revision()) + 1,
      onBatch: (batch) =>
        keys.push(...batch.changes.map((change) => (change.type === 'put' ? change.entry.key : `-${change.key}`))),
      onEnd: (reason) => ends.push(reason),
    });
    await store.txn([], [{ put: '/r/before', value: bytes('x') }]);
    await server.kill();
    await expect(store.txn([], [{ put: '/r/lost', value: bytes('x') }])).rejects.toMatchObject({ code: 'unavailable' });
    await server.restart();
    await waitUntil(() => store.txn([], [{ put: '/r/after', value: bytes('x') }]).catch(() => false));
    await waitUntil(() => keys.includes('/r/after'));
    expect(keys).toEqual(['/r/before', '/r/after']);
    expect(ends).toEqual([]);
    expect(await store.get('/r/leased')).toBeDefined();
    await lease.revoke();
    expect(await store.get('/r/leased')).toBeUndefined();
    await store.close();
  });

  it('keeps a lease alive beyond its time, and reports one that etcd has ended', async () => {
    const store = await connect();
    const lease = await store.lease(2);
    await store.txn([], [{ put: '/k/leased', value: bytes('x'), leaseId: lease.id }]);
    const start = performance.now();
    await waitUntil(() => performance.now() - start > 5000);
    expect(await store.get('/k/leased')).toBeDefined();
    await admin.leaseClient.leaseRevoke({ ID: lease.id });
    await lease.lost;
    await store.close();
  });

  it('feeds records, which list what another process has just written', async () => {
    const THING: Kind<{ id: string }> = {
      name: 'thing',
      id: (value) => value.id,
      unique: (value) => [`name/${value.id}`],
    };
    const stores = [await connect(), await connect()] as const;
    const [one, two] = stores.map((store) => createRecords(store, { log: silentLog }));
    await one?.start();
    await two?.start();
    for (let index = 0; index < 20; index++) {
      await one?.transact((tx) => tx.create(THING, { id: `${index}` }));
      expect(await two?.list(THING)).toHaveLength(index + 1);
      expect(await two?.get(THING, `${index}`)).toBeDefined();
    }
    await expect(two?.transact((tx) => tx.create(THING, { id: '7' }))).rejects.toMatchObject({
      code: 'already_exists',
    });
    await one?.stop();
    await two?.stop();
    for (const store of stores) await store.close();
  });
});
