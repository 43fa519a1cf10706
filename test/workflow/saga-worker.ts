// The child of the saga tests: opens the store (a folder, or the address of an etcd), runs its sagas, and ends when all of
// them have ended. With `begin` it first starts them. Each step works on a file outside the store, as a real one on a host.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CumuletError, silentLog, systemClock } from '#base';
import type { Kind } from '#model';
import { connectEtcdStore, createRecords, openEmbeddedStore } from '#store';
import { createSagaRunner, newSaga, SAGA, type SagaDefinition, type Step } from '#workflow';

const [place = '', outside = '', begin = '', slowest = '5'] = process.argv.slice(2);
const moment = () => sleep(Math.random() * Number(slowest));

interface Input {
  readonly name: string;
  /** The last step refuses. */
  readonly doomed: boolean;
}
const MADE: Kind<{ id: string }> = { name: 'made', id: (made) => made.id };

const work = (name: string): Step<Input> => ({
  name,
  action: async ({ input }) => {
    writeFileSync(join(outside, `${input.name}.${name}`), 'made');
    await moment();
    return {
      output: name,
      commit: (tx) => {
        const id = `${input.name}.${name}`;
        if (tx.get(MADE, id) === undefined) tx.create(MADE, { id });
      },
    };
  },
  undo: async ({ input }) => {
    rmSync(join(outside, `${input.name}.${name}`), { force: true });
    await moment();
    return { commit: (tx) => tx.delete(MADE, `${input.name}.${name}`) };
  },
});

const refuse: Step<Input> = {
  name: 'refuse',
  action: async ({ input }) => {
    for (const name of ['one', 'two', 'three']) readFileSync(join(outside, `${input.name}.${name}`));
    if (input.doomed) throw new CumuletError('invalid', 'doomed');
    return undefined;
  },
};

const definition: SagaDefinition<Input> = { name: 'make', steps: [work('one'), work('two'), work('three'), refuse] };

const store = place.startsWith('http')
  ? await connectEtcdStore({ hosts: [place] })
  : await openEmbeddedStore({ folder: place });
const records = createRecords(store, { log: silentLog });
await records.start();
if (begin === 'begin') {
  for (let index = 0; index < 40; index++) {
    const input: Input = { name: `s${index}`, doomed: index % 2 === 1 };
    const context = { requestId: 'req-1', now: systemClock.now() };
    await records.transact((tx) => tx.create(SAGA, newSaga('make', { kind: 'thing', id: input.name }, input, context)));
  }
}
process.stdout.write('open\n');
records.watch(SAGA, (change) => {
  if (change.type === 'put') process.stdout.write(`${change.value.state} ${change.value.step}\n`);
});
const components = { records, store, clock: systemClock, log: silentLog, owner: String(process.pid) };
const runner = createSagaRunner(components, [definition], { limit: 8, leaseSeconds: 2, sweepMs: 500 });
await runner.start();
const isOver = () => records.peekList(SAGA, ({ state }) => state !== 'succeeded' && state !== 'failed').length === 0;
while (!isOver()) await sleep(5);
await runner.stop();
await records.stop();
await store.close();
process.stdout.write('over\n');
