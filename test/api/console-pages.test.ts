// The pages that show consoles, and what they load.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { consoleArea } from '#api';
import { startApi } from '../support/api.ts';

let api: Awaited<ReturnType<typeof startApi>>;
beforeAll(async () => {
  api = await startApi(() => [consoleArea()]);
});
afterAll(() => api.close());

it('has pages for consoles, and no other files', async () => {
  const get = async (path: string) => {
    const answer = await fetch(`${api.url}/console/${path}`);
    return { status: answer.status, type: answer.headers.get('content-type'), text: await answer.text(), answer };
  };
  const page = await get('vnc_lite.html?path=console/vnc?token=x');
  expect([page.status, page.type]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.answer.headers.get('referrer-policy')).toBe('no-referrer');
  expect(page.answer.headers.get('cache-control')).toBe('no-store');
  // All that the pages load, and what that loads, is there.
  const seen = new Set<string>();
  const load = async (path: string): Promise<void> => {
    if (seen.has(path)) return;
    seen.add(path);
    const { status, type, text } = await get(path);
    expect([path, status]).toEqual([path, 200]);
    const wanted = type?.startsWith('text/html')
      ? [...text.matchAll(/(?:src|href)="([^"]+)"/g)]
      : type?.startsWith('text/javascript') && !path.endsWith('.mjs')
        ? [...text.matchAll(/^(?:import|export)\s(?:[^'"]*\sfrom\s+)?["']([^"']+)["']/gm)]
        : [];
    for (const [, name] of wanted) await load(new URL(name!, `http://h/${path}`).pathname.slice(1));
  };
  await load('vnc_lite.html');
  await load('serial.html');
  expect(seen.size).toBeGreaterThan(30);
  for (const path of [
    'nothing.html',
    'pages.ts',
    'novnc/package.json',
    'novnc/..%2f..%2fpackage.json',
    '%2e%2e/area.ts',
    '%00',
  ])
    expect([path, (await get(path)).status]).toEqual([path, 404]);
});
