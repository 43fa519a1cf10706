import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { silentLog } from '#base';
import type { Kind } from '#model';
import { createRecords, openEmbeddedStore } from '#store';
import { type Child, startChild } from '#test/support/children.ts';
import { tempFolder } from '#test/support/programs.ts';
import { waitUntil } from '#test/support/wait.ts';
import { SAGA, SAGA_CLAIM } from '#workflow';

let folder: ReturnType<typeof tempFolder>;
let outside: ReturnType<typeof tempFolder>;
let child: Child | undefined;
beforeEach(() => {
  folder = tempFolder('store');
  outside = tempFolder('outside');
});
afterEach(async () => {
  await child?.kill();
  folder.remove();
  outside.remove();
});

const MADE: Kind<{ id: string }> = { name: 'made', id: (made) => made.id };

it('sagas go on after each kill of their process and end whole: all of it done, or all of it undone', async () => {
  let kills = 0;
  for (let begin = 'begin'; ; begin = '') {
    const worker = startChild('workflow/saga-worker.ts', folder.path, outside.path, begin);
    child = worker;
    // Somewhere in the middle: after a number of entries that grows too slowly for one life to be enough.
    const entries = 25 + Math.floor(Math.random() * 25);
    await waitUntil(
      () => worker.lines.length > entries || worker.lines.includes('over') || worker.process.exitCode !== null,
    );
    if (worker.lines.includes('over')) break;
    expect(worker.process.exitCode).toBeNull();
    await sleep(Math.random() * 10);
    await worker.kill();
    kills++;
  }
  expect(kills).toBeGreaterThan(2);
  const store = await openEmbeddedStore({ folder: folder.path });
  const records = createRecords(store, { log: silentLog });
  await records.start();
  const expected: string[] = [];
  for (const { value } of records.peekList(SAGA)) {
    const index = Number(value.resource.id.slice(1));
    expect(value.state).toBe(index % 2 === 1 ? 'failed' : 'succeeded');
    if (value.state === 'succeeded') expected.push(...['one', 'two', 'three'].map((step) => `s${index}.${step}`));
  }
  expect(expected).toHaveLength(60);
  expect(readdirSync(outside.path).sort()).toEqual(expected.sort());
  expect(
    records
      .peekList(MADE)
      .map(({ value }) => value.id)
      .sort(),
  ).toEqual(expected);
  expect(records.peekList(SAGA_CLAIM)).toEqual([]);
  await records.stop();
  await store.close();
});
