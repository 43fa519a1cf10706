import { expect, it } from 'vitest';
import { hostTime, originOf } from './host-time.ts';

it('finds the origin however often the thread is preempted between two reads', () => {
  let time = 1_000_000;
  let seed = 7;
  const step = (): void => {
    seed = (seed * 48271) % 2147483647;
    // Half a microsecond a read; every fourth time the thread sleeps for 4 ms.
    time += seed % 4 === 0 ? 4 : 0.0005;
  };
  const common = (): number => {
    step();
    return time;
  };
  const local = (): number => {
    step();
    return time - 123_456.789;
  };
  expect(Math.abs(originOf(common, local) - 123_456.789)).toBeLessThan(0.001);
});

it('agrees with the clock that all threads share', () => {
  const before = Number(process.hrtime.bigint()) / 1e6;
  const now = hostTime();
  const after = Number(process.hrtime.bigint()) / 1e6;
  expect(now).toBeGreaterThan(before - 0.001);
  expect(now).toBeLessThan(after + 0.001);
});
