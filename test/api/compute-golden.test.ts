// Bodies of compute's resources at 2.1 and at the newest version: a field too many is as wrong as one too few, for clients
// check both. test/golden/compute/resources-<version>.json; `UPDATE_GOLDEN=1` rewrites, the change is reviewed.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { COMPUTE_MAX, COMPUTE_MIN, computeArea, seedFlavors, servers } from '#api';
import { startApi, type TestApi } from '#test/support/api.ts';
import { addHosts, host } from '#test/support/compute-records.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g';

let api: TestApi;
let admin: string;

beforeAll(async () => {
  api = await startApi((components) => [computeArea(servers(components))]);
  admin = await api.token('admin');
  await seedFlavors(api.components);
  await addHosts(api.components.records, [host(1)]);
});

afterAll(() => api.close());

/** What differs from run to run, by what it is. */
const steady = (text: string): string =>
  text
    .replaceAll(api.url, 'http://cloud')
    .replaceAll(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>')
    .replaceAll(/\b[0-9a-f]{32}\b/g, '<id>')
    .replaceAll(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"/g, '"<time.micros>"')
    .replaceAll(/ \d\d:\d\d:\d\d up [^"]*"/g, ' <uptime>"');

it.each([COMPUTE_MIN, COMPUTE_MAX])('every resource looks at %s as it was reviewed', async (version) => {
  const headers = { 'OpenStack-API-Version': `compute ${version}` };
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await api.call(method, `/compute/v2.1${path}`, { token: admin, headers, body });
    return { status: answer.status, body: answer.body };
  };
  const old = version === COMPUTE_MIN;
  const id = old ? '1' : '00000000-0000-4000-9000-000000000001';
  const flavor = { id: 'g', name: 'golden', ram: 64, vcpus: 1, disk: 0 };
  const shown: Record<string, unknown> = {
    'POST /flavors': await ask('POST', '/flavors', { flavor }),
    'GET /flavors?limit=1': await ask('GET', '/flavors?limit=1'),
    'GET /flavors/detail?limit=1': await ask('GET', '/flavors/detail?limit=1'),
    'GET /flavors/g': await ask('GET', '/flavors/g'),
    'DELETE /flavors/g': await ask('DELETE', '/flavors/g'),
    'POST /os-keypairs': await ask('POST', '/os-keypairs', { keypair: { name: 'k', public_key: KEY } }),
    'GET /os-keypairs': await ask('GET', '/os-keypairs'),
    'GET /os-keypairs/k': await ask('GET', '/os-keypairs/k'),
    'DELETE /os-keypairs/k': await ask('DELETE', '/os-keypairs/k'),
    'GET /limits': await ask('GET', '/limits'),
    'GET /os-quota-sets': await ask('GET', `/os-quota-sets/${api.projects.admin}`),
    'GET /os-quota-sets/detail': await ask('GET', `/os-quota-sets/${api.projects.admin}/detail`),
    'GET /os-quota-class-sets/default': await ask('GET', '/os-quota-class-sets/default'),
    'GET /os-availability-zone/detail': await ask('GET', '/os-availability-zone/detail'),
    'GET /os-hypervisors': await ask('GET', '/os-hypervisors'),
    'GET /os-hypervisors/detail': await ask('GET', '/os-hypervisors/detail'),
    'GET /os-hypervisors/id/uptime': await ask('GET', `/os-hypervisors/${id}/uptime`),
    'GET /os-hypervisors/statistics': await ask('GET', '/os-hypervisors/statistics'),
    'GET /os-services': await ask('GET', '/os-services'),
    'GET /os-hosts': await ask('GET', '/os-hosts'),
    'POST /os-aggregates': await ask('POST', '/os-aggregates', { aggregate: { name: 'a' } }),
  };
  const found = (await ask('GET', '/os-aggregates')).body as { aggregates: { id: number }[] };
  shown['GET /os-aggregates'] = { ...found, aggregates: found.aggregates.map((each) => ({ ...each, id: 0 })) };
  shown['DELETE /os-aggregates'] = await ask('DELETE', `/os-aggregates/${found.aggregates[0]!.id}`);
  const text = `${steady(JSON.stringify(shown, null, 2))}\n`.replaceAll(/"id": [12],/g, '"id": 1,');
  const file = fileURLToPath(new URL(`../golden/compute/resources-${version}.json`, import.meta.url));
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, text);
  expect(text).toBe(readFileSync(file, 'utf8'));
});
