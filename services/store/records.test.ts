import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Startable, silentLog } from '#base';
import type { Kind } from '#model';
import { waitUntil } from '#test/support/wait.ts';
import { type EmbeddedStore, memoryStore } from './embedded/embedded-store.ts';
import type { RecordChange, Records } from './records.ts';
import { createRecords } from './records-store.ts';

interface Network {
  readonly id: string;
  readonly name: string;
  readonly size: number;
}

const NETWORK: Kind<Network> = {
  name: 'network',
  id: (network) => network.id,
  unique: (network) => [`name/${network.name}`],
};
const network = (id: string, name = id, size = 0): Network => ({ id, name, size });

let store: EmbeddedStore;
let records: Records & Startable;
/** A second controller on the same store. */
let other: Records & Startable;

beforeEach(async () => {
  store = memoryStore();
  records = createRecords(store, { log: silentLog });
  other = createRecords(store, { log: silentLog });
  await records.start();
  await other.start();
});
afterEach(async () => {
  await records.stop();
  await other.stop();
  await store.close();
});

const create = (value: Network, on = records) => on.transact((tx) => tx.create(NETWORK, value));
const names = (found: { value: Network }[]) => found.map((item) => item.value.name).sort();

describe('records', () => {
  it('are in the index when the write returns', async () => {
    await create(network('1', 'blue'));
    expect(records.peek(NETWORK, '1')?.value).toEqual(network('1', 'blue'));
    expect(names(records.peekList(NETWORK))).toEqual(['blue']);
    expect(await store.get('/v1/network/1')).toBeDefined();
    expect(await store.get('/v1/unique/network/name/blue')).toBeDefined();
  });

  it('written elsewhere are found by get and by list at once', async () => {
    for (let index = 0; index < 20; index++) {
      await create(network(`${index}`), other);
      expect((await records.get(NETWORK, `${index}`))?.value.name).toBe(`${index}`);
    }
    await create(network('last'), other);
    expect(await records.list(NETWORK)).toHaveLength(21);
  });

  it('are not found when they do not exist', async () => {
    expect(await records.get(NETWORK, 'none')).toBeUndefined();
    expect(await records.list(NETWORK)).toEqual([]);
  });

  it('come as the same frozen value to all who read them', async () => {
    await create(network('1'));
    const value = records.peek(NETWORK, '1')?.value as { size: number };
    expect(() => {
      value.size = 5;
    }).toThrow(TypeError);
  });

  it('are there after the records are started again', async () => {
    await create(network('1', 'blue'));
    const late = createRecords(store, { log: silentLog });
    await late.start();
    expect(late.peek(NETWORK, '1')?.value.name).toBe('blue');
    await expect(create(network('2', 'blue'), late)).rejects.toMatchObject({ code: 'already_exists' });
    await late.stop();
  });
});

describe('a transaction', () => {
  it('sees its own writes', async () => {
    await create(network('1', 'old'));
    await records.transact((tx) => {
      tx.create(NETWORK, network('2'));
      const first = tx.get(NETWORK, '1') as Network;
      tx.update(NETWORK, { ...first, name: 'new' });
      expect(tx.peek(NETWORK, '1')?.name).toBe('new');
      expect(tx.get(NETWORK, '2')?.name).toBe('2');
      expect(
        tx
          .list(NETWORK)
          .map((value) => value.name)
          .sort(),
      ).toEqual(['2', 'new']);
      tx.delete(NETWORK, '1');
      expect(tx.get(NETWORK, '1')).toBeUndefined();
      expect(tx.list(NETWORK).map((value) => value.name)).toEqual(['2']);
    });
    expect(names(records.peekList(NETWORK))).toEqual(['2']);
  });

  it('runs again when what it read has changed, so that no change is lost', async () => {
    await create(network('1'));
    const add = (on: Records) =>
      on.transact((tx) => {
        const value = tx.get(NETWORK, '1') as Network;
        tx.update(NETWORK, { ...value, size: value.size + 1 });
        return value.size;
      });
    await Promise.all(Array.from({ length: 60 }, (_, index) => add(index % 2 ? records : other)));
    expect((await records.list(NETWORK))[0]?.value.size).toBe(60);
  });

  it('sends nothing when it writes nothing', async () => {
    await create(network('1'));
    const before = await store.revision();
    const size = await records.transact((tx) => {
      const value = tx.get(NETWORK, '1') as Network;
      tx.update(NETWORK, value);
      return value.size;
    });
    expect(size).toBe(0);
    expect(await store.revision()).toBe(before);
  });

  it('refuses a taken name or id, and says which', async () => {
    await create(network('1', 'blue'), other);
    await expect(create(network('2', 'blue'))).rejects.toMatchObject({
      code: 'already_exists',
      detail: { kind: 'network', unique: 'name/blue' },
    });
    await expect(create(network('1', 'red'))).rejects.toMatchObject({
      code: 'already_exists',
      detail: { kind: 'network', unique: undefined },
    });
    expect(await store.get('/v1/unique/network/name/red')).toBeUndefined();
  });

  it('lets one of many that want a name have it', async () => {
    const racers = Array.from({ length: 30 }, (_, index) =>
      create(network(`${index}`, 'blue'), index % 2 ? records : other),
    );
    const results = await Promise.allSettled(racers);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'already_exists' });
    }
  });

  it('frees the name of a record that is renamed or removed', async () => {
    await create(network('1', 'blue'));
    await records.transact((tx) => tx.update(NETWORK, { ...(tx.get(NETWORK, '1') as Network), name: 'red' }));
    await create(network('2', 'blue'));
    await records.transact((tx) => tx.delete(NETWORK, '1'));
    await create(network('3', 'red'));
    expect((await store.list('/v1/unique/')).entries.map((entry) => entry.key)).toEqual([
      '/v1/unique/network/name/blue',
      '/v1/unique/network/name/red',
    ]);
  });

  it('may hand a name from one record to another', async () => {
    await create(network('1', 'blue'));
    await create(network('2', 'red'));
    await records.transact((tx) => {
      const [one, two] = [tx.get(NETWORK, '1') as Network, tx.get(NETWORK, '2') as Network];
      tx.update(NETWORK, { ...one, name: two.name });
      tx.update(NETWORK, { ...two, name: one.name });
    });
    expect(names(records.peekList(NETWORK))).toEqual(['blue', 'red']);
    await expect(create(network('3', 'red'))).rejects.toMatchObject({ code: 'already_exists' });
    await records.transact((tx) => {
      tx.delete(NETWORK, '1');
      tx.create(NETWORK, network('4', 'red'));
    });
    await expect(create(network('5', 'red'))).rejects.toMatchObject({ code: 'already_exists' });
  });

  it('takes a name that was freed elsewhere a moment ago', async () => {
    for (let round = 0; round < 20; round++) {
      await create(network(`a${round}`, 'blue'));
      await other.transact((tx) => tx.delete(NETWORK, `a${round}`));
      await create(network(`b${round}`, 'blue'));
      await other.transact((tx) => tx.delete(NETWORK, `b${round}`));
    }
  });

  it('throws what its function throws, though not about the past', async () => {
    const find = (id: string) =>
      records.transact((tx) => {
        const value = tx.get(NETWORK, id);
        if (!value) throw new Error('gone');
        return value.name;
      });
    await expect(find('1')).rejects.toThrow('gone');
    for (let index = 0; index < 20; index++) {
      await create(network(`n${index}`), other);
      expect(await find(`n${index}`)).toBe(`n${index}`);
    }
  });

  it('has at most 128 compares and operations', async () => {
    const many = records.transact((tx) => {
      for (let index = 0; index < 40; index++) tx.create(NETWORK, network(`${index}`));
    });
    await expect(many).rejects.toMatchObject({ code: 'invalid' });
    expect(records.peekList(NETWORK)).toEqual([]);
  });

  it('refuses to update what it has not read', async () => {
    await create(network('1'));
    await expect(records.transact((tx) => tx.update(NETWORK, network('1', 'x')))).rejects.toThrow(
      'without having been read',
    );
  });
});

describe('a watch on a kind', () => {
  it('shows what is there and then each change in order', async () => {
    await create(network('1', 'a'));
    const seen: string[] = [];
    const note = (change: RecordChange<Network>) => {
      const before = change.previous ? change.previous.name : '';
      seen.push(change.type === 'put' ? `${before}>${change.value.name}` : `${before}>`);
    };
    const cancel = records.watch(NETWORK, note);
    await create(network('2', 'b'), other);
    await other.transact((tx) => tx.update(NETWORK, { ...(tx.get(NETWORK, '2') as Network), name: 'c' }));
    await other.transact((tx) => tx.delete(NETWORK, '1'));
    await waitUntil(() => seen.length === 4);
    expect(seen).toEqual(['>a', '>b', 'b>c', 'a>']);
    cancel();
    await create(network('3'));
    expect(seen).toHaveLength(4);
  });

  it('misses nothing when the history was compacted behind it', async () => {
    const slow = memoryStore({ history: 3 });
    const followers = createRecords(slow, { log: silentLog });
    await followers.start();
    const seen: string[] = [];
    followers.watch(NETWORK, (change) => seen.push(change.type));
    // Written in one batch, longer than the history that is kept.
    const writes = Array.from({ length: 10 }, (_, index) =>
      slow.txn([], [{ put: `/v1/network/${index}`, value: Buffer.from(JSON.stringify(network(`${index}`))) }]),
    );
    await Promise.all(writes);
    expect(await followers.list(NETWORK)).toHaveLength(10);
    await Promise.all(Array.from({ length: 5 }, (_, index) => slow.txn([], [{ delete: `/v1/network/${index}` }])));
    expect(await followers.list(NETWORK)).toHaveLength(5);
    expect(seen.filter((type) => type === 'put')).toHaveLength(10);
    expect(seen.filter((type) => type === 'delete')).toHaveLength(5);
    await followers.stop();
    await slow.close();
  });
});

it('10,000 records are listed and filtered without a look at the store beyond its revision', async () => {
  const blocks = Array.from({ length: 250 }, (_, block) =>
    Array.from({ length: 40 }, (_, index) => `${block * 40 + index}`),
  );
  await Promise.all(blocks.map((ids) => createAll(ids)));
  const scans = vi.spyOn(store, 'list');
  const reads = vi.spyOn(store, 'get');
  expect(await records.list(LIGHT, (value) => value.id.endsWith('7'))).toHaveLength(1000);
  expect(scans).not.toHaveBeenCalled();
  expect(reads).not.toHaveBeenCalled();
});

const createAll = (ids: string[]) =>
  records.transact((tx) => {
    for (const id of ids) tx.create(LIGHT, { id });
  });

const LIGHT: Kind<{ id: string }> = { name: 'light', id: (value) => value.id };
