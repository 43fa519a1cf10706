// Milliseconds on the host's monotonic clock with one origin for all threads: performance.now() counts from the start of
// its own thread, and reads twice as fast as hrtime.
//
// Threads must agree to less than the time that it takes one to hear from another: a Linux guest whose clock seems to go
// backwards from one hart to the next takes that for a jump of minutes.

import { performance } from 'node:perf_hooks';

const ENOUGH = 200;

/**
 * What to add to `local` to get `common`. A thread may be preempted between two reads, for milliseconds on a loaded host; so
 * each read of `local` is taken between two of `common`, and what all of them allow is narrow.
 */
export function originOf(common: () => number, local: () => number): number {
  let least = Number.NEGATIVE_INFINITY;
  let most = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < ENOUGH; sample++) {
    const before = common();
    const now = local();
    const after = common();
    least = Math.max(least, before - now);
    most = Math.min(most, after - now);
  }
  return (least + most) / 2;
}

const origin = originOf(
  () => Number(process.hrtime.bigint()) / 1e6,
  () => performance.now(),
);

export const hostTime = (): number => performance.now() + origin;
