// What must be true once all sagas of saga-worker.ts have ended: of each all effects are there, or none.

import { readdirSync } from 'node:fs';
import { expect } from 'vitest';
import { silentLog } from '#base';
import type { Kind } from '#model';
import { createRecords, type Store } from '#store';
import { SAGA, SAGA_CLAIM } from '#workflow';

const MADE: Kind<{ id: string }> = { name: 'made', id: (made) => made.id };

export async function expectWholeSagas(store: Store, outside: string): Promise<void> {
  const records = createRecords(store, { log: silentLog });
  await records.start();
  const expected: string[] = [];
  for (const { value } of await records.list(SAGA)) {
    const index = Number(value.resource.id.slice(1));
    expect(value.state).toBe(index % 2 === 1 ? 'failed' : 'succeeded');
    if (value.state === 'succeeded') expected.push(...['one', 'two', 'three'].map((step) => `s${index}.${step}`));
  }
  expect(expected).toHaveLength(60);
  expect(readdirSync(outside).sort()).toEqual(expected.sort());
  const made = records.peekList(MADE).map(({ value }) => value.id);
  expect(made.sort()).toEqual(expected);
  expect(records.peekList(SAGA_CLAIM)).toEqual([]);
  await records.stop();
}
