import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findRunning, leaveNote, removeNote, stopRunning } from './running.ts';

let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'cumulet-running-'));
});
afterEach(() => rm(state, { recursive: true }));

it('a note names the running cloud until it is removed', async () => {
  expect(await findRunning(state)).toBeUndefined();
  await leaveNote(state, 'http://127.0.0.1:1');
  expect(await findRunning(state)).toMatchObject({ pid: process.pid, url: 'http://127.0.0.1:1' });
  await removeNote(state);
  expect(await findRunning(state)).toBeUndefined();
});

it('a note of a process that is gone, or of another with its pid, names nobody', async () => {
  await writeFile(join(state, 'running.json'), JSON.stringify({ pid: 2 ** 22 + 1, startTime: '1', url: '' }));
  expect(await findRunning(state)).toBeUndefined();
  await writeFile(join(state, 'running.json'), JSON.stringify({ pid: process.pid, startTime: '1', url: '' }));
  expect(await findRunning(state)).toBeUndefined();
  await writeFile(join(state, 'running.json'), '{"pid":');
  expect(await findRunning(state)).toBeUndefined();
});

it('a second cloud on the folder is refused, and says who is there', async () => {
  const stat = (await import('node:fs')).readFileSync('/proc/1/stat', 'utf8');
  const startTime = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  await writeFile(join(state, 'running.json'), JSON.stringify({ pid: 1, startTime, url: 'http://x' }));
  await expect(leaveNote(state, 'http://127.0.0.1:1')).rejects.toThrow('(pid 1, http://x)');
});

it('there is nothing to stop where no cloud runs', async () => {
  expect(await stopRunning(state, 100)).toBe(false);
});
