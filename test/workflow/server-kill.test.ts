// kill -9 of the whole control plane in the middle of creates and deletes: the next start continues or undoes what was
// under way. Nothing is lost, doubled or stuck.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../support/server-cloud-program.ts', import.meta.url));

function start(mode: string, folder: string): { child: ChildProcess; lines: AsyncIterableIterator<string> } {
  const child = spawn(process.execPath, [PROGRAM, mode, folder], { stdio: ['ignore', 'pipe', 'inherit'] });
  async function* lines(): AsyncIterableIterator<string> {
    let rest = '';
    for await (const chunk of child.stdout!) {
      const parts = (rest + String(chunk)).split('\n');
      rest = parts.pop() ?? '';
      yield* parts;
    }
  }
  return { child, lines: lines() };
}

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

/** Lets it churn until it has asked `count` times, then kills it at once. */
async function churnAndKill(folder: string, count: number): Promise<void> {
  const { child, lines } = start('churn', folder);
  let asked = 0;
  for await (const line of lines) {
    if (line.startsWith('asked')) asked++;
    if (asked === count) break;
  }
  child.kill('SIGKILL');
  await ended(child);
}

it('six kills at different moments leave a cloud in which everything adds up', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cumulet-kill-'));
  try {
    for (const count of [1, 2, 3, 1, 5, 2]) await churnAndKill(folder, count);
    const { child, lines } = start('settle', folder);
    let told = '';
    for await (const line of lines) if (line.startsWith('{')) told = line;
    await ended(child);
    const { broken, states, deleted } = JSON.parse(told) as { broken: string[]; states: string[]; deleted: number };
    expect(broken).toEqual([]);
    expect(states.length).toBeGreaterThan(0);
    expect(states.filter((state) => state !== 'active' && state !== 'error')).toEqual([]);
    expect(states.length + deleted).toBeGreaterThanOrEqual(14);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
