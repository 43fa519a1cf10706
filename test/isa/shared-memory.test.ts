// Harts on different threads: atomic operations and reservations hold between them.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { compileInterpreter, newRamMemory, newStateMemory } from '#emulator';
import { assemble } from '../../services/emulator/isa/assemble.ts';

const HARTS = 4;
const ROUNDS = 5_000;
const COUNTERS = 0x10000;

/** Each hart adds ROUNDS times by each means; a0 = 1 says that it is done. */
const PROGRAM = `
  auipc s0, ${COUNTERS}
  lui s1, 0x1000
  addi s1, s1, ${ROUNDS - 0x1000}
  addi t0, zero, 1
round:
  amoadd.w zero, t0, (s0)
  addi s2, s0, 8
again:
  lr.d t1, (s2)
  addi t1, t1, 1
  sc.d t2, t1, (s2)
  bne t2, zero, again
  addi s3, s0, 16
lock:
  amoswap.w t2, t0, (s3)
  bne t2, zero, lock
  fence 255
  ld t1, 24(s0)
  addi t1, t1, 1
  sd t1, 24(s0)
  fence 255
  amoswap.w zero, zero, (s3)
  addi s1, s1, -1
  bne s1, zero, round
  addi a0, zero, 1
end:
  jal zero, end
`;

describe('several harts', () => {
  it('lose no update by amoadd, lr and sc, or a lock of amoswap', async () => {
    const ram = newRamMemory(1024 * 1024);
    const state = newStateMemory(HARTS);
    const module = compileInterpreter();
    new Uint8Array(ram.buffer).set(assemble(PROGRAM));
    const done = Array.from({ length: HARTS }, async (_, id) => {
      const worker = new Worker(new URL('./hart-worker.ts', import.meta.url), {
        workerData: { id, ram, state, module },
      });
      const [a0] = await once(worker, 'message');
      await worker.terminate();
      return a0 as bigint;
    });
    expect(await Promise.all(done)).toEqual(new Array(HARTS).fill(1n));
    const counters = new DataView(ram.buffer, COUNTERS);
    const total = BigInt(HARTS * ROUNDS);
    expect(counters.getUint32(0, true)).toBe(HARTS * ROUNDS);
    expect(counters.getBigUint64(8, true)).toBe(total);
    expect(counters.getBigUint64(24, true)).toBe(total);
  });
});
