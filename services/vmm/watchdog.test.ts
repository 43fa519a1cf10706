import { expect, it } from 'vitest';
import { Watchdog } from './watchdog.ts';

const hart = (retired: bigint, waiting = false, id = 0) => ({
  id,
  pc: 0x8020_1234n,
  privilege: 1 as const,
  retired,
  waiting,
});

it('says where a hart stands that retires nothing, and for how long', () => {
  const dog = new Watchdog();
  for (let now = 0; now <= 5000; now += 1000) dog.look([hart(7n), hart(BigInt(now), false, 1)], now);
  expect(dog.stalled([hart(7n), hart(5000n, false, 1)], 5500)).toEqual([
    { id: 0, pc: '0x80201234', mode: 'S', milliseconds: 5500 },
  ]);
  expect(dog.stalled([hart(8n)], 5500)).toEqual([]);
});

it('leaves a hart alone that waits for an interrupt, or has been stopped with all the others', () => {
  const dog = new Watchdog();
  for (let now = 0; now <= 5000; now += 1000) dog.look([hart(7n, true)], now);
  expect(dog.stalled([hart(7n, true)], 5500)).toEqual([]);
  dog.look([hart(7n)], 6000);
  // SIGSTOP for an hour.
  dog.look([hart(7n)], 3_606_000);
  expect(dog.stalled([hart(7n)], 3_607_000)).toEqual([]);
});
