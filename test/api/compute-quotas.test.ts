// Quotas and limits over HTTP: which names exist when, whose set holds, what is refused.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeArea, servers } from '#api';
import { COMPUTE_USAGE } from '#model';
import { type Answer, startApi, type TestApi } from '#test/support/api.ts';

let api: TestApi;
let admin: string;
let demo: string;

beforeAll(async () => {
  api = await startApi((components) => [computeArea(servers(components))]);
  [admin, demo] = [await api.token('admin'), await api.token('demo')];
});

afterAll(() => api.close());

const ask = (token: string, method: string, path: string, version = '2.1', body?: unknown): Promise<Answer> =>
  api.call(method, `/compute/v2.1${path}`, {
    token,
    body,
    headers: { 'OpenStack-API-Version': `compute ${version}` },
  });

const set = (project: string, quota_set: Record<string, unknown>, query = '', version = '2.1'): Promise<Answer> =>
  ask(admin, 'PUT', `/os-quota-sets/${project}${query}`, version, { quota_set });

const NETWORK = ['fixed_ips', 'floating_ips', 'security_group_rules', 'security_groups'];
const FILES = ['injected_file_content_bytes', 'injected_file_path_bytes', 'injected_files'];
const ALWAYS = ['cores', 'instances', 'key_pairs', 'metadata_items', 'ram', 'server_group_members', 'server_groups'];

describe('a quota set', () => {
  it.each([
    ['2.1', [...ALWAYS, ...FILES, ...NETWORK]],
    ['2.36', [...ALWAYS, ...FILES]],
    ['2.57', ALWAYS],
  ])('has at %s the names of that version', async (version, names) => {
    const { quota_set: quotas } = (await ask(demo, 'GET', `/os-quota-sets/${api.projects.demo}`, version)).body;
    expect(Object.keys(quotas).sort()).toEqual(['id', ...names].sort());
    expect(quotas).toMatchObject({ id: api.projects.demo, instances: 10, cores: 20, ram: 51200 });
    const { quota_set: usage } = (await ask(demo, 'GET', `/os-quota-sets/${api.projects.demo}/detail`, version)).body;
    expect(Object.keys(usage).sort()).toEqual(['id', ...names].sort());
    expect(usage.cores).toEqual({ limit: 20, in_use: 0, reserved: 0 });
    const refused = await set(api.projects.demo, { nonsense: 1 }, '', version);
    expect(refused.status).toBe(400);
  });

  it('is changed, narrowed for one user, and reset', async () => {
    const project = api.projects.demo;
    const put = await set(project, { instances: 5, cores: '7' });
    expect([put.status, put.body.quota_set.instances, put.body.quota_set.cores]).toEqual([200, 5, 7]);
    expect(put.body.quota_set).not.toHaveProperty('id');
    expect((await set(project, { instances: 3 }, '?user_id=u1')).body.quota_set.instances).toBe(3);
    expect((await set(project, { instances: 6 }, '?user_id=u1')).status).toBe(400);
    const of = async (query = '') =>
      (await ask(admin, 'GET', `/os-quota-sets/${project}${query}`)).body.quota_set.instances;
    expect([await of(), await of('?user_id=u1'), await of('?user_id=u2')]).toEqual([5, 3, 5]);
    expect((await ask(admin, 'DELETE', `/os-quota-sets/${project}?user_id=u1`)).status).toBe(202);
    expect(await of('?user_id=u1')).toBe(5);
    expect((await ask(admin, 'DELETE', `/os-quota-sets/${project}`)).status).toBe(202);
    expect(await of()).toBe(10);
  });

  it('cannot go below what is in use, unless it is forced to', async () => {
    const project = 'busy';
    await api.components.records.transact((tx) =>
      tx.create(COMPUTE_USAGE, { projectId: project, instances: 4, cores: 8, ramMib: 2048 }),
    );
    const refused = await set(project, { cores: 7 });
    expect([refused.status, refused.body.badRequest?.message]).toEqual([
      400,
      'Quota limit 7 for cores must be greater than or equal to already used and reserved 8.',
    ]);
    expect((await set(project, { cores: 7, force: true })).status).toBe(200);
    expect((await set(project, { cores: -1 })).status).toBe(200);
    const { quota_set: usage } = (await ask(admin, 'GET', `/os-quota-sets/${project}/detail`)).body;
    expect([usage.instances.in_use, usage.cores.in_use, usage.ram.in_use]).toEqual([4, 8, 2048]);
  });

  it.each([
    ['less than -1', { instances: -2 }],
    ['more than an integer holds', { instances: 2 ** 31 }],
    ['text', { instances: 'many' }],
  ])('is refused for %s', async (_what, quotas) => {
    expect((await set(api.projects.demo, quotas)).status).toBe(400);
  });

  it('of another project is shown to admins alone, and changed by admins alone', async () => {
    const other = `/os-quota-sets/${api.projects.alt_demo}`;
    expect((await ask(demo, 'GET', other)).status).toBe(403);
    expect((await ask(demo, 'GET', `${other}/detail`)).status).toBe(403);
    expect((await ask(demo, 'GET', `${other}/defaults`)).status).toBe(200);
    const body = { quota_set: { instances: 100 } };
    expect((await ask(demo, 'PUT', `/os-quota-sets/${api.projects.demo}`, '2.1', body)).status).toBe(403);
    expect((await ask(demo, 'DELETE', `/os-quota-sets/${api.projects.demo}`)).status).toBe(403);
  });
});

describe('a quota class', () => {
  it.each([
    ['2.1', [...ALWAYS.filter((name) => !name.startsWith('server_group')), ...FILES, ...NETWORK]],
    ['2.50', [...ALWAYS, ...FILES]],
    ['2.57', ALWAYS],
  ])('has at %s the names of that version', async (version, names) => {
    const { quota_class_set: quotas } = (await ask(admin, 'GET', '/os-quota-class-sets/default', version)).body;
    expect(Object.keys(quotas).sort()).toEqual(['id', ...names].sort());
  });

  it('called default holds for every project that has no quota of its own', async () => {
    const change = (instances: number) =>
      ask(admin, 'PUT', '/os-quota-class-sets/default', '2.1', { quota_class_set: { instances } });
    expect((await change(12)).body.quota_class_set.instances).toBe(12);
    const defaults = await ask(demo, 'GET', `/os-quota-sets/${api.projects.demo}/defaults`);
    expect(defaults.body.quota_set.instances).toBe(12);
    expect((await ask(demo, 'GET', '/limits')).body.limits.absolute.maxTotalInstances).toBe(12);
    await change(10);
    expect((await ask(demo, 'GET', '/os-quota-class-sets/default')).status).toBe(403);
  });
});

describe('limits', () => {
  const ONLY_UNTIL: readonly (readonly [version: string, gone: readonly string[]])[] = [
    ['2.36', ['maxSecurityGroups', 'maxSecurityGroupRules', 'maxTotalFloatingIps', 'totalFloatingIpsUsed']],
    ['2.39', ['maxImageMeta']],
    ['2.57', ['maxPersonality', 'maxPersonalitySize']],
  ];

  it('lose what Nova no longer speaks of', async () => {
    const oldest = (await ask(demo, 'GET', '/limits')).body.limits;
    expect(oldest.rate).toEqual([]);
    expect(oldest.absolute).toMatchObject({
      maxTotalCores: 20,
      totalCoresUsed: 0,
      maxServerMeta: 128,
      maxImageMeta: 128,
    });
    for (const [version, gone] of ONLY_UNTIL) {
      const { absolute } = (await ask(demo, 'GET', '/limits', version)).body.limits;
      for (const key of gone) {
        expect(oldest.absolute).toHaveProperty(key);
        expect(absolute).not.toHaveProperty(key);
      }
    }
  });

  it('of another project are shown to admins alone', async () => {
    expect((await ask(admin, 'GET', '/limits?tenant_id=busy')).body.limits.absolute.totalCoresUsed).toBe(8);
    expect((await ask(demo, 'GET', '/limits?tenant_id=busy')).status).toBe(403);
  });
});
