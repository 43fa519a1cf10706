// One hart on a thread of its own, for shared-memory.test.ts: runs from RAM_BASE until its a0 is not 0.

import { parentPort, workerData } from 'node:worker_threads';
import { Hart, type HartOptions, RAM_BASE } from '#emulator';

const { id, ram, state, module } = workerData as Pick<HartOptions, 'id' | 'ram' | 'state' | 'module'>;
const bus = { load: () => undefined, store: () => false, time: () => 0 };
const hart = new Hart({ id, ram, state, module, bus, firmware: 'none' });
hart.reset(BigInt(RAM_BASE), 3, 0n, 0n);
const LIMIT = 20_000;
for (let slices = 0; slices < LIMIT && hart.getX(10) === 0n; slices++) hart.run(20_000);
parentPort!.postMessage(hart.getX(10));
