// Waiting for a condition, with a limit that fails loudly.

import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until the condition is true (or something truthy, which it returns). */
export async function waitUntil<T>(condition: () => T | Promise<T>, milliseconds = 15_000): Promise<T> {
  const deadline = performance.now() + milliseconds;
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) {
      throw new Error(`not true within ${milliseconds} ms: ${condition.toString().slice(0, 200)}`);
    }
    await sleep(pause);
  }
}
