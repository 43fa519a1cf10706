import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openEmbeddedStore } from '#store';
import { type Child, startChild } from '#test/support/children.ts';
import { tempFolder } from '#test/support/programs.ts';
import { waitUntil } from '#test/support/wait.ts';
import { expectWholeSagas } from './saga-outcome.ts';

/** Long beside the pause between two looks at the child's lines, so that it is killed in the middle on a busy machine too. */
const SLOWEST_STEP_MS = '150';

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

it('sagas go on after each kill of their process and end whole: all of it done, or all of it undone', async () => {
  let kills = 0;
  for (let begin = 'begin'; ; begin = '') {
    const worker = startChild('workflow/saga-worker.ts', folder.path, outside.path, begin, SLOWEST_STEP_MS);
    child = worker;
    // Somewhere in the middle: each life begins with a line for each saga, and has time for some entries only.
    const entries = 55 + Math.floor(Math.random() * 40);
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
  await expectWholeSagas(store, outside.path);
  await store.close();
});
