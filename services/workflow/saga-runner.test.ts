import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CumuletError, ManualClock, type Startable, silentLog, systemClock } from '#base';
import type { Kind } from '#model';
import { createRecords, type EmbeddedStore, memoryStore, type Records } from '#store';
import { waitUntil } from '#test/support/wait.ts';
import { newSaga, SAGA, type SagaDefinition, type SagaRecord, type Step } from './saga.ts';
import { SAGA_CLAIM } from './saga-claims.ts';
import { createSagaRunner, type SagaRunnerOptions } from './saga-runner.ts';

/** What the steps do to the world, in order. */
let journal: string[];
let store: EmbeddedStore;
let records: Records & Startable;
let running: Startable[];

beforeEach(async () => {
  journal = [];
  running = [];
  store = memoryStore();
  records = createRecords(store, { log: silentLog });
  await records.start();
});
afterEach(async () => {
  for (const runner of running) await runner.stop();
  await records.stop();
  await store.close();
});

interface Mark {
  readonly id: string;
}
const MARK: Kind<Mark> = { name: 'mark', id: (mark) => mark.id };

/** A step that marks the store and takes the mark away again. */
function step(name: string, overrides: Partial<Step<unknown>> = {}): Step<unknown> {
  return {
    name,
    action: async ({ saga }) => {
      journal.push(name);
      return { output: `${name} done`, commit: (tx) => tx.create(MARK, { id: `${saga.id}/${name}` }) };
    },
    undo: async ({ saga }) => {
      journal.push(`-${name}`);
      return { commit: (tx) => tx.delete(MARK, `${saga.id}/${name}`) };
    },
    ...overrides,
  };
}

const define = (steps: Step<unknown>[], extra: Partial<SagaDefinition<unknown>> = {}): SagaDefinition<unknown> => ({
  name: 'build',
  steps,
  ...extra,
});

async function run(definition: SagaDefinition<unknown>, options: SagaRunnerOptions = {}, owner = 'one', on = records) {
  const components = { records: on, store, clock: systemClock, log: silentLog, owner };
  const runner = createSagaRunner(components, [definition], { pause: () => 1, ...options });
  running.push(runner);
  await runner.start();
  return runner;
}

async function begin(name = 'build'): Promise<string> {
  const saga = newSaga(name, { kind: 'server', id: 's1' }, { size: 3 }, { requestId: 'req-1', now: systemClock.now() });
  await records.transact((tx) => tx.create(SAGA, saga));
  return saga.id;
}

const read = (id: string): SagaRecord | undefined => records.peek(SAGA, id)?.value;
const ended = (id: string) => waitUntil(() => ['succeeded', 'failed'].includes(read(id)?.state ?? '') && read(id));
const marks = () => records.peekList(MARK).map((mark) => mark.value.id.split('/')[1]);

describe('a saga', () => {
  it('runs its steps in order, keeps their outputs and ends as succeeded without a claim', async () => {
    await run(define([step('one'), step('two'), step('three')]));
    const id = await begin();
    expect(await ended(id)).toMatchObject({
      state: 'succeeded',
      outputs: { one: 'one done', two: 'two done', three: 'three done' },
    });
    expect(journal).toEqual(['one', 'two', 'three']);
    expect(marks()).toEqual(['one', 'two', 'three']);
    expect(records.peekList(SAGA_CLAIM)).toEqual([]);
  });

  it('hands the input and earlier outputs to its steps', async () => {
    const seen: unknown[] = [];
    const two = step('two', {
      action: async (context) => {
        seen.push(context.input, context.output('one'));
        expect(() => context.output('three')).toThrow('no output');
        return undefined;
      },
    });
    await run(define([step('one'), two]));
    await ended(await begin());
    expect(seen).toEqual([{ size: 3 }, 'one done']);
  });

  it.each([0, 1, 2])('whose step %i fails undoes what was done, that step included, in reverse', async (failing) => {
    const names = ['one', 'two', 'three'];
    const steps = names.map((name, at) => {
      if (at !== failing) return step(name);
      return step(name, {
        action: async () => {
          journal.push(`${name} fails`);
          throw new CumuletError('no_valid_host', 'No valid host was found.');
        },
      });
    });
    const failures: string[] = [];
    await run(define(steps, { onFailed: (_tx, _input, error) => failures.push(error.code) }));
    const saga = await ended(await begin());
    expect(saga).toMatchObject({
      state: 'failed',
      error: { code: 'no_valid_host', message: 'No valid host was found.' },
    });
    const done = names.slice(0, failing);
    const undone = names.slice(0, failing + 1).reverse();
    expect(journal).toEqual([...done, `${names[failing]} fails`, ...undone.map((name) => `-${name}`)]);
    expect(marks()).toEqual([]);
    expect(failures.at(-1)).toBe('no_valid_host');
    expect(records.peekList(SAGA_CLAIM)).toEqual([]);
  });

  it('tries a step again when its error may pass, and unwinds after so many tries', async () => {
    let tries = 0;
    const flaky = step('flaky', {
      action: async () => {
        if (++tries < 4) throw new CumuletError('unavailable', 'not yet');
        return undefined;
      },
    });
    await run(define([flaky]));
    expect(await ended(await begin())).toMatchObject({ state: 'succeeded' });
    expect(tries).toBe(4);

    const hopeless = step('hopeless', {
      attempts: 3,
      action: async () => {
        journal.push('try');
        throw new CumuletError('timeout', 'too slow');
      },
    });
    await run({ name: 'hopeless', steps: [hopeless] });
    expect(await ended(await begin('hopeless'))).toMatchObject({ state: 'failed', error: { code: 'timeout' } });
    expect(journal).toEqual(['try', 'try', 'try', '-hopeless']);
  });

  it('unwinds when the change of a step is refused', async () => {
    const refused = step('refused', {
      action: async () => ({
        commit: () => {
          throw new CumuletError('quota_exceeded', 'Quota exceeded.');
        },
      }),
    });
    await run(define([step('one'), refused]));
    expect(await ended(await begin())).toMatchObject({ state: 'failed', error: { code: 'quota_exceeded' } });
    expect(marks()).toEqual([]);
  });

  it('tries an undo again until it works', async () => {
    let tries = 0;
    const stubborn = step('stubborn', {
      undo: async () => {
        if (++tries < 12) throw new Error('still in use');
        return undefined;
      },
    });
    const bad = step('bad', { action: () => Promise.reject(new Error('bad')), undo: undefined });
    await run(define([stubborn, bad]));
    expect(await ended(await begin())).toMatchObject({ state: 'failed', error: { code: 'internal', message: 'bad' } });
    expect(tries).toBe(12);
  });

  it('writes nothing for steps that say nothing, and one entry for each that does', async () => {
    const quiet = (name: string) => step(name, { action: async () => undefined });
    await run(define([quiet('a'), quiet('b'), step('c'), quiet('d'), quiet('e')]));
    const before = await store.revision();
    await ended(await begin());
    // The saga itself, its claim, the entry of c, and the end.
    expect((await store.revision()) - before).toBe(4);
  });

  it('with no steps succeeds', async () => {
    await run(define([]));
    expect(await ended(await begin())).toMatchObject({ state: 'succeeded' });
  });

  it('goes on where the entries end when its runner is stopped, and repeats the step under way', async () => {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    let held = true;
    const slow = step('slow', {
      action: async ({ signal }) => {
        journal.push('slow');
        reach();
        if (held)
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
        return undefined;
      },
    });
    const definition = define([step('one'), slow, step('three')]);
    const first = await run(definition);
    const id = await begin();
    await reached;
    await first.stop();
    expect(read(id)).toMatchObject({ state: 'running', step: 1, failures: 0 });
    expect(records.peekList(SAGA_CLAIM)).toEqual([]);
    held = false;
    await run(definition, {}, 'two');
    expect(await ended(id)).toMatchObject({ state: 'succeeded' });
    expect(journal).toEqual(['one', 'slow', 'slow', 'three']);
  });

  it('goes on unwinding when its runner is replaced in the middle of it', async () => {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    let held = true;
    const slow = step('slow', {
      undo: async ({ signal }) => {
        journal.push('-slow');
        reach();
        if (held)
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
        return undefined;
      },
    });
    const bad = step('bad', { action: () => Promise.reject(new Error('bad')), undo: undefined });
    const definition = define([step('one'), slow, bad]);
    const first = await run(definition);
    const id = await begin();
    await reached;
    await first.stop();
    held = false;
    await run(definition, {}, 'two');
    expect(await ended(id)).toMatchObject({ state: 'failed' });
    expect(journal).toEqual(['one', 'slow', '-slow', '-slow', '-one']);
  });
});

describe('runners', () => {
  it('on one store run each saga once', async () => {
    const other = createRecords(store, { log: silentLog });
    await other.start();
    const definition = define([step('one'), step('two')]);
    await run(definition, {}, 'one');
    await run(definition, {}, 'two', other);
    const ids = await Promise.all(Array.from({ length: 50 }, () => begin()));
    for (const id of ids) expect(await ended(id)).toMatchObject({ state: 'succeeded' });
    expect(journal).toHaveLength(100);
    await Promise.all(running.splice(0).map((runner) => runner.stop()));
    await other.stop();
  });

  it('run no more sagas at a time than their limit', async () => {
    let now = 0;
    let most = 0;
    const busy = step('busy', {
      action: async () => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setTimeout(resolve, 2));
        now--;
        return undefined;
      },
    });
    await run(define([busy]), { limit: 4 });
    const ids = await Promise.all(Array.from({ length: 40 }, () => begin()));
    await Promise.all(ids.map(ended));
    expect(most).toBe(4);
  });

  it('give their place away while a saga pauses', async () => {
    let failing = true;
    const flaky = step('flaky', {
      attempts: 1000,
      action: async ({ saga }) => {
        if (failing && saga.resource.id === 'blocked') throw new CumuletError('unavailable', 'not yet');
        return undefined;
      },
    });
    await run(define([flaky]), { limit: 1, pause: () => 5 });
    const blocked = newSaga('build', { kind: 'server', id: 'blocked' }, {}, { requestId: 'r', now: 1 });
    await records.transact((tx) => tx.create(SAGA, blocked));
    await waitUntil(() => (read(blocked.id)?.failures ?? 0) > 0);
    expect(await ended(await begin())).toMatchObject({ state: 'succeeded' });
    failing = false;
    expect(await ended(blocked.id)).toMatchObject({ state: 'succeeded' });
  });

  it('that lost their lease write nothing more, and another takes over', async () => {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    const deaf = (name: string) =>
      step('deaf', {
        action: async () => {
          journal.push(`deaf on ${name}`);
          if (name === 'one') {
            reach();
            await released;
          }
          return { output: name };
        },
      });
    await run(define([deaf('one')]), {}, 'one');
    const id = await begin();
    await reached;
    const lease = (await store.get(`/v1/saga-claim/${id}`))?.leaseId ?? '';
    await run(define([deaf('two')]), {}, 'two');
    await store.expire(lease);
    expect(await ended(id)).toMatchObject({ state: 'succeeded', outputs: { deaf: 'two' } });
    release();
    await running[0]?.stop();
    expect(read(id)).toMatchObject({ outputs: { deaf: 'two' } });
  });

  it('leave a saga alone that they do not know', async () => {
    await run(define([step('one')]));
    const strange = await begin('strange');
    await ended(await begin());
    expect(read(strange)).toMatchObject({ state: 'running', step: 0 });
  });

  it('remove what ended more than an hour ago, and nothing else', async () => {
    const clock = new ManualClock(systemClock.now());
    const runner = createSagaRunner({ records, store, clock, log: silentLog, owner: 'one' }, [define([step('one')])], {
      sweepMs: 5,
    });
    running.push(runner);
    await runner.start();
    const old = await begin();
    await ended(old);
    clock.advance(3_590_000);
    const young = await begin();
    await ended(young);
    const strange = await begin('strange');
    clock.advance(20_000);
    await waitUntil(() => read(old) === undefined);
    expect(read(young)).toBeDefined();
    expect(read(strange)).toBeDefined();
  });
});
