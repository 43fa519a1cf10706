// Servers through the whole control plane: API over HTTP, embedded store on disk, sagas, node agents with pretend guests.
// `node test/bench/servers.ts [count] [at once]` prints what one waits for, and how many a second.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectQuotaId, QUOTA_SET } from '#model';
import { openEmbeddedStore } from '#store';
import { ServerApi } from '../support/server-api.ts';
import { PROJECT } from '../support/server-cloud.ts';

const count = Number(process.argv[2] ?? 200);
const atOnce = Number(process.argv[3] ?? 16);
const folder = mkdtempSync(join(tmpdir(), 'cumulet-bench-'));
const store = await openEmbeddedStore({ folder });
const api = await ServerApi.started({
  store,
  conductor: { sagas: {}, hosts: {}, lookEveryMs: 10_000 },
  agent: { resources: { vcpus: 10_000, memoryMib: 1 << 24, diskGib: 1 << 20 }, heartbeatMs: 2000 },
});
const limits = { instances: -1, cores: -1, ram: -1 };
await api.cloud.records.transact((tx) => tx.create(QUOTA_SET, { id: projectQuotaId(PROJECT), limits }));

const percentile = (values: number[], at: number): string =>
  `${values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * at))]!.toFixed(0)} ms`;

/** Runs `work` `times` times, `atOnce` side by side; what each took. */
async function measure(
  times: number,
  work: (index: number) => Promise<void>,
): Promise<{ took: number[]; all: number }> {
  const took: number[] = [];
  let next = 0;
  const began = performance.now();
  const worker = async () => {
    for (let index = next++; index < times; index = next++) {
      const start = performance.now();
      await work(index);
      took.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { took, all: performance.now() - began };
}

async function until(id: string, statuses: readonly number[] | string): Promise<void> {
  for (;;) {
    const { status, body } = await api.ask('GET', `/servers/${id}`);
    if (typeof statuses === 'string' ? body?.server?.status === statuses : statuses.includes(status)) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const report = (what: string, { took, all }: { took: number[]; all: number }) =>
  process.stdout.write(
    `${what}: p50 ${percentile(took, 0.5)}, p95 ${percentile(took, 0.95)}, ${((took.length * 1000) / all).toFixed(1)}/s\n`,
  );

const ids: string[] = [];
const make = async () => {
  const id = await api.create();
  ids.push(id);
  await until(id, 'ACTIVE');
};
await measure(16, make);
const before = await store.revision();
report(`create to ACTIVE, ${atOnce} at once`, await measure(count, make));
const perServer = ((await store.revision()) - before) / count;
process.stdout.write(`store transactions for a create: ${perServer.toFixed(2)}\n`);
report(
  `GET /servers/detail with ${ids.length} servers`,
  await measure(40, async () => {
    await api.ask('GET', '/servers/detail');
  }),
);
report(
  `delete to 404, ${atOnce} at once`,
  await measure(ids.length, async (index) => {
    await api.ask('DELETE', `/servers/${ids[index]}`);
    await until(ids[index]!, [404]);
  }),
);
await api.stop();
rmSync(folder, { recursive: true, force: true });
