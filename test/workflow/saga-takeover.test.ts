import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { connectEtcdStore } from '#store';
import { type Child, startChild } from '#test/support/children.ts';
import { type EtcdServer, startEtcd } from '#test/support/etcd.ts';
import { tempFolder } from '#test/support/programs.ts';
import { waitUntil } from '#test/support/wait.ts';
import { expectWholeSagas } from './saga-outcome.ts';

let etcd: EtcdServer;
let outside: ReturnType<typeof tempFolder>;
let children: Child[];
beforeAll(async () => {
  etcd = await startEtcd();
});
afterAll(() => etcd?.stop());
beforeEach(() => {
  outside = tempFolder('outside');
  children = [];
});
afterEach(async () => {
  for (const child of children) await child.kill();
  outside.remove();
});

function start(begin = ''): Child {
  const child = startChild('workflow/saga-worker.ts', etcd.endpoint, outside.path, begin, '400');
  children.push(child);
  return child;
}

it('over etcd another controller ends the sagas of one that was killed', async () => {
  const first = start('begin');
  await waitUntil(() => first.lines.length > 30, 30_000);
  const second = start();
  await waitUntil(() => second.lines.includes('open'), 30_000);
  await first.kill();
  expect(first.lines).not.toContain('over');
  await waitUntil(() => second.lines.includes('over'), 60_000);
  const store = await connectEtcdStore({ hosts: [etcd.endpoint] });
  await expectWholeSagas(store, outside.path);
  await store.close();
});
