// Milliseconds on the host's monotonic clock with one origin for all threads: performance.now() counts from the start of
// its own thread, and reads twice as fast as hrtime.

import { performance } from 'node:perf_hooks';

const origin = Number(process.hrtime.bigint()) / 1e6 - performance.now();

export const hostTime = (): number => performance.now() + origin;
