// What every bus must do (services/bus/bus.ts), as a function that each implementation runs.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CumuletError } from '#base';
import { type Bus, topic } from '#bus';
import { computeV1 } from '#gen';
import { waitUntil } from '#test/support/wait.ts';

export interface BusHarness {
  /** Two ends of one bus: the same object where there is but one process. */
  open(): Promise<{ here: Bus; there: Bus }>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);

export function busCompliance(harness: BusHarness): void {
  let here: Bus;
  let there: Bus;
  beforeEach(async () => {
    ({ here, there } = await harness.open());
  });
  afterEach(async () => {
    await here.close();
    await there.close();
  });

  async function collect(bus: Bus, pattern: string, queue?: string): Promise<string[]> {
    const seen: string[] = [];
    await bus.subscribe(pattern, (message) => seen.push(`${message.subject}=${text(message.payload)}`), { queue });
    return seen;
  }

  /** A message behind all others: when it has arrived, so have they. */
  async function settle(): Promise<void> {
    const seen = await collect(there, 'test.v1.last');
    here.publish('test.v1.last', bytes(''));
    await waitUntil(() => seen.length === 1);
  }

  describe('publish and subscribe', () => {
    it('reach every subscriber, in order, in a later turn', async () => {
      const one = await collect(there, 'test.v1.a');
      const two = await collect(here, 'test.v1.a');
      for (let index = 0; index < 100; index++) here.publish('test.v1.a', bytes(String(index)));
      expect(two).toEqual([]);
      const all = Array.from({ length: 100 }, (_, index) => `test.v1.a=${index}`);
      await waitUntil(() => one.length === 100 && two.length === 100);
      expect(one).toEqual(all);
      expect(two).toEqual(all);
    });

    it('match one token by * and the rest by >', async () => {
      const star = await collect(there, 'test.*.host.*.up');
      const rest = await collect(there, 'test.v1.>');
      for (const subject of ['test.v1.host.n1.up', 'test.v1.host.n1', 'test.v1', 'test.v2.host.n2.up', 'other.v1.x']) {
        here.publish(subject, bytes('x'));
      }
      await settle();
      expect(star).toEqual(['test.v1.host.n1.up=x', 'test.v2.host.n2.up=x']);
      expect(rest.filter((seen) => !seen.includes('last'))).toEqual(['test.v1.host.n1.up=x', 'test.v1.host.n1=x']);
    });

    it('give a message to one member of each queue', async () => {
      const members = [await collect(here, 'test.v1.q', 'one'), await collect(there, 'test.v1.q', 'one')];
      const other = await collect(there, 'test.v1.q', 'two');
      for (let index = 0; index < 50; index++) here.publish('test.v1.q', bytes(String(index)));
      await waitUntil(() => other.length === 50 && members.flat().length >= 50);
      await settle();
      expect(new Set(members.flat()).size).toBe(50);
      expect(members.flat()).toHaveLength(50);
    });

    it('stop after unsubscribe', async () => {
      const seen: string[] = [];
      const subscription = await there.subscribe('test.v1.a', (message) => seen.push(text(message.payload)));
      await subscription.unsubscribe();
      here.publish('test.v1.a', bytes('late'));
      await settle();
      expect(seen).toEqual([]);
    });

    it('share no bytes between sender and receivers', async () => {
      const payloads: Uint8Array[] = [];
      for (let index = 0; index < 2; index++) {
        await there.subscribe('test.v1.a', (message) => {
          payloads.push(Uint8Array.from(message.payload));
          message.payload.fill(0);
        });
      }
      const sent = bytes('whole');
      here.publish('test.v1.a', sent);
      sent.fill(0);
      await waitUntil(() => payloads.length === 2);
      expect(payloads.map(text)).toEqual(['whole', 'whole']);
    });

    it('survive a handler that throws', async () => {
      await there.subscribe('test.v1.a', () => {
        throw new Error('a bad handler');
      });
      const seen = await collect(there, 'test.v1.a');
      here.publish('test.v1.a', bytes('1'));
      here.publish('test.v1.a', bytes('2'));
      await waitUntil(() => seen.length === 2);
    });

    it('refuse subjects that are none, and payloads over a megabyte', async () => {
      for (const subject of ['', 'a..b', 'a.*', 'a.>', 'a b', '.a']) {
        expect(() => here.publish(subject, bytes(''))).toThrow(CumuletError);
      }
      for (const pattern of ['', 'a..b', 'a.>.b', 'a b']) {
        await expect(here.subscribe(pattern, () => {})).rejects.toMatchObject({ code: 'invalid' });
      }
      const large = new Uint8Array(1_048_577);
      await expect(here.request('test.v1.a', large)).rejects.toMatchObject({ code: 'too_large' });
    });
  });

  describe('request and respond', () => {
    it('carry a question and its answer', async () => {
      await there.respond('test.v1.*.double', async (message) => bytes(`${message.subject}:${text(message.payload)}`));
      const asked = Array.from({ length: 30 }, (_, index) => here.request(`test.v1.${index}.double`, bytes('x')));
      const answers = await Promise.all(asked);
      expect(answers.map(text)).toEqual(Array.from({ length: 30 }, (_, index) => `test.v1.${index}.double:x`));
    });

    it('carry a CumuletError with code, message and detail, and any other as internal', async () => {
      await there.respond('test.v1.refuse', async () => {
        throw new CumuletError('stale_generation', 'Generation 3 is newer.', {
          internal: 'secret',
          detail: { generation: 3 },
        });
      });
      await there.respond('test.v1.break', async () => {
        throw new TypeError('broken');
      });
      const refused = await here.request('test.v1.refuse', bytes('')).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(CumuletError);
      expect(refused).toMatchObject({
        code: 'stale_generation',
        message: 'Generation 3 is newer.',
        detail: { generation: 3 },
        internal: undefined,
      });
      await expect(here.request('test.v1.break', bytes(''))).rejects.toMatchObject({ code: 'internal' });
    });

    it('fail at once as unavailable when nobody answers on the subject', async () => {
      const start = performance.now();
      await expect(here.request('test.v1.nobody', bytes(''))).rejects.toMatchObject({ code: 'unavailable' });
      const subscription = await there.respond('test.v1.once', async () => bytes(''));
      await subscription.unsubscribe();
      await expect(here.request('test.v1.once', bytes(''))).rejects.toMatchObject({ code: 'unavailable' });
      expect(performance.now() - start).toBeLessThan(3000);
    });

    it('fail as timeout when the answer does not come, and as aborted when given up', async () => {
      await there.respond('test.v1.silent', () => new Promise(() => {}));
      await expect(here.request('test.v1.silent', bytes(''), { timeout: 50 })).rejects.toMatchObject({
        code: 'timeout',
      });
      const signal = AbortSignal.timeout(50);
      await expect(here.request('test.v1.silent', bytes(''), { signal })).rejects.toMatchObject({ code: 'aborted' });
    });

    it('ask one member of a queue', async () => {
      let asked = 0;
      for (const bus of [here, there]) {
        await bus.respond(
          'test.v1.work',
          async () => {
            asked++;
            return bytes('done');
          },
          { queue: 'workers' },
        );
      }
      for (let index = 0; index < 20; index++) await here.request('test.v1.work', bytes(''));
      expect(asked).toBe(20);
    });

    it('carry typed messages, and refuse bytes that are none', async () => {
      const codecs = { request: computeV1.listRequest, response: computeV1.listResponse };
      await topic.respond(there, 'test.v1.list', codecs, async () => ({
        instances: [{ instanceId: 'i1', generation: 7 }],
      }));
      const answer = await topic.request(here, 'test.v1.list', codecs, {});
      expect(answer.instances).toMatchObject([{ instanceId: 'i1', generation: 7 }]);
      await expect(here.request('test.v1.list', bytes('\u0007\u0007'))).rejects.toMatchObject({ code: 'invalid' });
      const heartbeats: string[] = [];
      await topic.subscribe(there, 'test.v1.beat', computeV1.heartbeat, (beat) => heartbeats.push(beat.host));
      topic.publish(here, 'test.v1.beat', computeV1.heartbeat, { host: 'node-1' });
      await waitUntil(() => heartbeats.length === 1);
      expect(heartbeats).toEqual(['node-1']);
    });
  });

  it('is closed once for all: requests fail, publications vanish', async () => {
    await there.respond('test.v1.silent', () => new Promise(() => {}));
    const pending = here.request('test.v1.silent', bytes('')).catch((error: unknown) => error);
    await here.close();
    expect(await pending).toMatchObject({ code: 'unavailable' });
    await expect(here.request('test.v1.a', bytes(''))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(here.subscribe('test.v1.a', () => {})).rejects.toMatchObject({ code: 'unavailable' });
    expect(() => here.publish('test.v1.a', bytes(''))).not.toThrow();
  });
}
