// Sagas a second over the embedded store, each of three steps that commit; and the store alone beside it.
// Run: node_modules/.bin/node test/bench/sagas.ts

import { silentLog, systemClock } from '#base';
import type { Kind } from '#model';
import { createRecords, openEmbeddedStore } from '#store';
import { createSagaRunner, newSaga, SAGA, type SagaDefinition } from '#workflow';
import { tempFolder } from '../support/programs.ts';

const SAGAS = 1000;
const THING: Kind<{ id: string; steps: number }> = { name: 'thing', id: (thing) => thing.id };

const step = (name: string) => ({
  name,
  action: async ({ input }: { input: { id: string } }) => ({
    commit: (tx: Parameters<NonNullable<SagaDefinition<unknown>['onFailed']>>[0]) => {
      const thing = tx.get(THING, input.id);
      if (thing) tx.update(THING, { ...thing, steps: thing.steps + 1 });
    },
  }),
});
const definition: SagaDefinition<{ id: string }> = { name: 'bench', steps: ['one', 'two', 'three'].map(step) };

const folder = tempFolder('bench');
const store = await openEmbeddedStore({ folder: folder.path });
const records = createRecords(store, { log: silentLog });
await records.start();
const runner = createSagaRunner({ records, store, clock: systemClock, log: silentLog, owner: 'bench' }, [definition]);
await runner.start();

const ended = Promise.withResolvers<void>();
let count = 0;
records.watch(SAGA, (change) => {
  if (change.type === 'put' && change.value.state === 'succeeded' && ++count === SAGAS) ended.resolve();
});
const start = performance.now();
const begun = await store.revision();
await Promise.all(
  Array.from({ length: SAGAS }, (_, index) =>
    records.transact((tx) => {
      const id = `t${index}`;
      tx.create(THING, { id, steps: 0 });
      tx.create(SAGA, newSaga('bench', { kind: 'thing', id }, { id }, { requestId: 'r', now: systemClock.now() }));
    }),
  ),
);
await ended.promise;
const seconds = (performance.now() - start) / 1000;
const writes = (await store.revision()) - begun;
console.log(`${Math.round(SAGAS / seconds)} sagas/s, ${writes / SAGAS} transactions each`);
await runner.stop();
await records.stop();
await store.close();
folder.remove();
