import { expect, it } from 'vitest';
import { silentLog } from '#base';
import { waitUntil } from '#test/support/wait.ts';
import { reconcile } from './reconciler.ts';

const NEVER = 3_600_000;

it('runs at start, on each event and on the timer', async () => {
  let passes = 0;
  let fire = () => {};
  const run = async () => {
    passes++;
  };
  const triggers = [
    (due: () => void) => {
      fire = due;
      return () => {};
    },
  ];
  const onEvent = reconcile({ name: 'test', run, triggers, everyMs: NEVER, log: silentLog });
  await onEvent.start();
  await waitUntil(() => passes === 1);
  fire();
  await waitUntil(() => passes === 2);
  await onEvent.stop();
  const onTimer = reconcile({ name: 'test', run, everyMs: 2, log: silentLog });
  await onTimer.start();
  await waitUntil(() => passes > 5);
  await onTimer.stop();
});

it('makes one pass of all events that arrive during a pass, and never two at a time', async () => {
  let passes = 0;
  let now = 0;
  const reconciler = reconcile({
    name: 'test',
    run: async () => {
      expect(++now).toBe(1);
      if (passes++ === 0) for (let index = 0; index < 10; index++) reconciler.trigger();
      await new Promise((resolve) => setTimeout(resolve, 2));
      now--;
    },
    everyMs: NEVER,
    log: silentLog,
  });
  await reconciler.start();
  await waitUntil(() => passes === 2 && now === 0);
  await reconciler.stop();
  expect(passes).toBe(2);
});

it('tries again after a failure, and is not hurried by events meanwhile', async () => {
  let passes = 0;
  const reconciler = reconcile({
    name: 'test',
    run: async () => {
      if (++passes === 1) throw new Error('first');
    },
    everyMs: NEVER,
    log: silentLog,
  });
  const start = performance.now();
  await reconciler.start();
  await waitUntil(() => passes === 1);
  reconciler.trigger();
  await waitUntil(() => passes === 2);
  expect(performance.now() - start).toBeGreaterThan(150);
  await reconciler.stop();
});

it('stop waits for the pass under way and aborts it', async () => {
  let ended = false;
  const reconciler = reconcile({
    name: 'test',
    run: async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await new Promise((resolve) => setTimeout(resolve, 5));
      ended = true;
    },
    everyMs: NEVER,
    log: silentLog,
  });
  await reconciler.start();
  await reconciler.stop();
  expect(ended).toBe(true);
});
