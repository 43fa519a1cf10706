import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openEmbeddedStore } from '#store';
import { type Child, startChild } from '#test/support/children.ts';
import { tempFolder } from '#test/support/programs.ts';
import { waitUntil } from '#test/support/wait.ts';

let folder: ReturnType<typeof tempFolder>;
let child: Child | undefined;
beforeEach(() => {
  folder = tempFolder('store');
});
afterEach(async () => {
  await child?.kill();
  folder.remove();
});

it('loses nothing that was acknowledged, and no half of a transaction stays, when its process is killed', async () => {
  const acknowledged: string[] = [];
  let newest = 0;
  for (let round = 0; round < 6; round++) {
    const writer = startChild('compliance/store-writer.ts', folder.path, String(round));
    child = writer;
    await waitUntil(() => writer.lines.length > 50 + 40 * round);
    await sleep(Math.random() * 20);
    await writer.kill();
    for (const line of writer.lines.slice(1)) {
      const [revision = '', name = ''] = line.split(' ');
      newest = Math.max(newest, Number(revision));
      acknowledged.push(name);
    }
    const store = await openEmbeddedStore({ folder: folder.path });
    expect(await store.revision()).toBeGreaterThanOrEqual(newest);
    const present = new Map((await store.list('/')).entries.map((entry) => [entry.key, entry]));
    for (const name of acknowledged) {
      const count = Number(name.split('/')[2]);
      expect(Buffer.from(present.get(`/a/${name}`)?.value ?? []).toString()).toBe(name.repeat(1 + (count % 50)));
    }
    for (const [key, entry] of present) {
      const twin = present.get(key.startsWith('/a/') ? `/b/${key.slice(3)}` : `/a/${key.slice(3)}`);
      expect(twin?.modRevision).toBe(entry.modRevision);
    }
    await store.close();
  }
  expect(acknowledged.length).toBeGreaterThan(500);
});

it('another process is refused while the first lives, and takes over once it is killed', async () => {
  const holder = startChild('compliance/store-writer.ts', folder.path, 'x');
  child = holder;
  await waitUntil(() => holder.lines.includes('open'));
  await expect(openEmbeddedStore({ folder: folder.path })).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`process ${holder.process.pid}`),
  });
  await holder.kill();
  await (await openEmbeddedStore({ folder: folder.path })).close();
});
