// Flavors over HTTP: who sees what, how they are made and refused, and what appears at which microversion.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeArea, seedFlavors, servers } from '#api';
import { type Answer, startApi, type TestApi } from '#test/support/api.ts';

let api: TestApi;
let admin: string;
let demo: string;
let alt: string;

beforeAll(async () => {
  api = await startApi((components) => [computeArea(servers(components))]);
  await seedFlavors(api.components);
  [admin, demo, alt] = [await api.token('admin'), await api.token('demo'), await api.token('alt_demo')];
});

afterAll(() => api.close());

interface Ask {
  readonly version?: string;
  readonly body?: unknown;
}

const ask = (token: string, method: string, path: string, { version, body }: Ask = {}): Promise<Answer> =>
  api.call(method, `/compute/v2.1${path}`, {
    token,
    body,
    headers: version === undefined ? {} : { 'OpenStack-API-Version': `compute ${version}` },
  });

const ids = (answer: Answer): string[] => answer.body.flavors.map((flavor: { id: string }) => flavor.id);

const make = async (flavor: Record<string, unknown>, version?: string): Promise<Answer> =>
  ask(admin, 'POST', '/flavors', { body: { flavor: { ram: 64, vcpus: 1, disk: 0, ...flavor } }, version });

describe('a new cloud', () => {
  it("has DevStack's flavors with DevStack's ids, in order of id", async () => {
    const answer = await ask(demo, 'GET', '/flavors/detail');
    expect(answer.status).toBe(200);
    expect(ids(answer)).toEqual(['1', '2', '3', '4', '42', '5', '84', 'c1', 'd1', 'd2', 'd3', 'd4']);
    const tiny = answer.body.flavors[0];
    expect([tiny.name, tiny.ram, tiny.disk, tiny.vcpus]).toEqual(['m1.tiny', 512, 1, 1]);
  });

  it('does not bring back what an operator has removed', async () => {
    const [name, id] = ['gone', 'gone'];
    await make({ name, id });
    expect((await ask(admin, 'DELETE', `/flavors/${id}`)).status).toBe(202);
    await seedFlavors(api.components);
    expect((await ask(admin, 'GET', `/flavors/${id}`)).status).toBe(404);
  });
});

describe('a flavor', () => {
  it.each([
    ['2.1', { swap: '' }, ['description', 'extra_specs']],
    ['2.55', { swap: '', description: null }, ['extra_specs']],
    ['2.61', { swap: '', description: null, extra_specs: {} }, []],
    ['2.75', { swap: 0, description: null, extra_specs: {} }, []],
  ])('shows at %s what that version has and nothing else', async (version, there, absent) => {
    const { flavor } = (await ask(demo, 'GET', '/flavors/1', { version })).body;
    expect(flavor).toMatchObject(there);
    for (const key of absent) expect(flavor).not.toHaveProperty(key);
  });

  it('has links that lead back by the address that the caller used', async () => {
    const answer = await api.call('GET', '/compute/v2.1/flavors/1', {
      token: demo,
      headers: { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'cloud.example', 'X-Forwarded-Prefix': '/a' },
    });
    expect(answer.body.flavor.links).toEqual([
      { rel: 'self', href: 'https://cloud.example/a/compute/v2.1/flavors/1' },
      { rel: 'bookmark', href: 'https://cloud.example/a/compute/flavors/1' },
    ]);
  });

  it('is refused to an asker that it is not given to, as if it were not there', async () => {
    const made = await make({ name: 'private', id: 'private', 'os-flavor-access:is_public': false });
    expect(made.body.flavor['os-flavor-access:is_public']).toBe(false);
    expect((await ask(demo, 'GET', '/flavors/private')).status).toBe(404);
    const give = { addTenantAccess: { tenant: api.projects.demo } };
    const given = await ask(admin, 'POST', '/flavors/private/action', { body: give });
    expect(given.status).toBe(200);
    expect(given.body.flavor_access).toContainEqual({ flavor_id: 'private', tenant_id: api.projects.demo });
    expect((await ask(demo, 'GET', '/flavors/private')).status).toBe(200);
    expect(ids(await ask(demo, 'GET', '/flavors'))).toContain('private');
    expect(ids(await ask(alt, 'GET', '/flavors'))).not.toContain('private');
    expect((await ask(admin, 'POST', '/flavors/private/action', { body: give })).status).toBe(409);
    const take = { removeTenantAccess: { tenant: api.projects.demo } };
    expect((await ask(admin, 'POST', '/flavors/private/action', { body: take })).status).toBe(200);
    expect((await ask(demo, 'GET', '/flavors/private')).status).toBe(404);
    expect((await ask(admin, 'POST', '/flavors/private/action', { body: take })).status).toBe(404);
  });

  it('that is public has no access list', async () => {
    expect((await ask(admin, 'GET', '/flavors/1/os-flavor-access')).status).toBe(404);
    const body = { addTenantAccess: { tenant: api.projects.demo } };
    expect((await ask(admin, 'POST', '/flavors/1/action', { body })).status).toBe(409);
    expect((await ask(demo, 'POST', '/flavors/1/action', { body })).status).toBe(403);
  });

  it('takes a description from 2.55 on', async () => {
    expect((await make({ name: 'told', description: 'x' })).status).toBe(400);
    const made = await make({ name: 'told', id: 'told', description: 'x' }, '2.55');
    expect([made.status, made.body.flavor.description]).toEqual([200, 'x']);
    const body = { flavor: { description: 'y' } };
    const put = await ask(admin, 'PUT', '/flavors/told', { body, version: '2.55' });
    expect([put.status, put.body.flavor.description]).toEqual([200, 'y']);
    expect((await ask(admin, 'PUT', '/flavors/told', { body })).status).toBe(404);
  });
});

describe('making a flavor', () => {
  it('invents an id when none is given, and takes numbers in strings', async () => {
    const made = await make({ name: 'auto', ram: '128', vcpus: '2', swap: 16, rxtx_factor: '1.5' });
    expect(made.status).toBe(200);
    expect(made.body.flavor).toMatchObject({ ram: 128, vcpus: 2, swap: 16, rxtx_factor: 1.5 });
    expect(made.body.flavor.id).toMatch(/^[0-9a-f-]{36}$/);
    expect((await ask(admin, 'DELETE', `/flavors/${made.body.flavor.id}`)).status).toBe(202);
  });

  it.each([
    ['a name that is taken', { name: 'm1.tiny' }, 409, 'Flavor with name m1.tiny already exists.'],
    ['an id that is taken', { name: 'other', id: '1' }, 409, 'Flavor with ID 1 already exists.'],
    ['an empty name', { name: '' }, 400, "Invalid input for field/attribute name. Value: . '' is too short"],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, 400, 'is too long'],
    ['white space around the name', { name: ' x' }, 400, 'does not match'],
    ['no memory', { name: 'x', ram: 0 }, 400, 'less than the minimum of 1'],
    ['memory as text', { name: 'x', ram: 'lots' }, 400, 'Invalid input for field/attribute ram. Value: lots.'],
    ['a negative disk', { name: 'x', disk: -1 }, 400, 'less than the minimum of 0'],
    ['more than an integer holds', { name: 'x', vcpus: 2 ** 31 }, 400, 'greater than the maximum of 2147483647'],
    ['an id with a slash', { name: 'x', id: 'a/b' }, 400, 'does not match'],
    ['an unknown key', { name: 'x', cost: 1 }, 400, "Additional properties are not allowed ('cost' was unexpected)"],
    ['no name', { name: undefined }, 400, "'name' is a required property"],
  ])('is refused for %s', async (_what, flavor, status, message) => {
    const answer = await make(flavor);
    expect(answer.status).toBe(status);
    const [fault] = Object.values(answer.body) as { code: number; message: string }[];
    expect(fault?.code).toBe(status);
    expect(fault?.message).toContain(message);
  });

  it('is for admins', async () => {
    const body = { flavor: { name: 'mine', ram: 64, vcpus: 1, disk: 0 } };
    const answer = await ask(demo, 'POST', '/flavors', { body });
    expect(answer.status).toBe(403);
    expect(answer.body.forbidden.message).toBe(
      "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed.",
    );
    expect((await ask(demo, 'DELETE', '/flavors/no-such')).status).toBe(403);
    expect((await ask(admin, 'DELETE', '/flavors/no-such')).status).toBe(404);
  });
});

describe('the list', () => {
  it('is cut at the limit and says where it goes on', async () => {
    const first = await ask(demo, 'GET', '/flavors?limit=2');
    expect(ids(first)).toEqual(['1', '2']);
    expect(first.body.flavors_links).toEqual([
      { rel: 'next', href: `${api.url}/compute/v2.1/flavors?limit=2&marker=2` },
    ]);
    const second = await api.call('GET', first.body.flavors_links[0].href.slice(api.url.length), { token: demo });
    expect(ids(second)).toEqual(['3', '4']);
    expect(await ask(demo, 'GET', '/flavors')).not.toHaveProperty('body.flavors_links');
  });

  it('knows its order and its filters', async () => {
    expect(ids(await ask(demo, 'GET', '/flavors?sort_key=memory_mb&sort_dir=desc&limit=1'))).toEqual(['5']);
    expect(ids(await ask(demo, 'GET', '/flavors?minRam=8192'))).toEqual(['4', '5']);
    expect(ids(await ask(demo, 'GET', '/flavors?minDisk=160'))).toEqual(['5']);
    const hidden = ids(await ask(admin, 'GET', '/flavors?is_public=False'));
    expect(hidden).toContain('private');
    expect(hidden).not.toContain('1');
    expect(ids(await ask(admin, 'GET', '/flavors?is_public=None'))).toEqual(expect.arrayContaining(['1', 'private']));
    expect(ids(await ask(demo, 'GET', '/flavors?is_public=False'))).toContain('1');
  });

  it.each([
    ['limit=-1', 'limit'],
    ['limit=x', 'limit'],
    ['marker=no-such', 'marker [no-such] not found'],
    ['minRam=x', 'Invalid minRam filter [x]'],
    ['sort_key=colour', "'colour' is not one of"],
    ['sort_dir=up&sort_key=name', 'Unknown sort direction'],
  ])('refuses %s', async (query, message) => {
    const answer = await ask(demo, 'GET', `/flavors?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.body.badRequest.message).toContain(message);
  });

  it('ignores unknown query keys until 2.74 and refuses them from 2.75', async () => {
    expect((await ask(demo, 'GET', '/flavors?colour=red', { version: '2.74' })).status).toBe(200);
    expect((await ask(demo, 'GET', '/flavors?colour=red', { version: '2.75' })).status).toBe(400);
  });
});

describe('extra specs', () => {
  const path = '/flavors/2/os-extra_specs';

  it('are set, read, changed and removed', async () => {
    const set = await ask(admin, 'POST', path, { body: { extra_specs: { 'hw:numa_nodes': 1, 'hw:cpu_policy': 'x' } } });
    expect([set.status, set.body]).toEqual([200, { extra_specs: { 'hw:numa_nodes': '1', 'hw:cpu_policy': 'x' } }]);
    expect((await ask(demo, 'GET', path)).body).toEqual(set.body);
    const put = await ask(admin, 'PUT', `${path}/hw:numa_nodes`, { body: { 'hw:numa_nodes': '2' } });
    expect([put.status, put.body]).toEqual([200, { 'hw:numa_nodes': '2' }]);
    expect((await ask(demo, 'GET', `${path}/hw:numa_nodes`)).body).toEqual({ 'hw:numa_nodes': '2' });
    expect((await ask(admin, 'DELETE', `${path}/hw:cpu_policy`)).status).toBe(200);
    expect((await ask(demo, 'GET', path)).body).toEqual({ extra_specs: { 'hw:numa_nodes': '2' } });
    expect((await ask(demo, 'GET', `${path}/hw:cpu_policy`)).status).toBe(404);
    expect((await ask(admin, 'DELETE', `${path}/hw:cpu_policy`)).status).toBe(404);
  });

  it.each([
    ['another key than the path names', 'PUT', `${path}/a`, { b: '1' }],
    ['two keys at once', 'PUT', `${path}/a`, { a: '1', b: '1' }],
    ['a key with a slash', 'POST', path, { extra_specs: { 'a/b': '1' } }],
    ['a value that is no text', 'POST', path, { extra_specs: { a: ['1'] } }],
    ['no body', 'POST', path, undefined],
  ])('are refused for %s', async (_what, method, target, body) => {
    expect((await ask(admin, method, target, { body })).status).toBe(400);
  });

  it('are changed by admins alone', async () => {
    expect((await ask(demo, 'POST', path, { body: { extra_specs: { a: '1' } } })).status).toBe(403);
    expect((await ask(demo, 'DELETE', `${path}/hw:numa_nodes`)).status).toBe(403);
  });
});

describe('old spellings of the root', () => {
  it.each([
    '/compute/v2/flavors/1',
    '/compute/v2.1/0123456789abcdef0123456789abcdef/flavors/1',
    '/compute/v2.1/flavors/1/',
  ])('%s leads to the same flavor', async (path) => {
    const answer = await api.call('GET', path, { token: demo });
    expect([answer.status, answer.body.flavor?.id]).toEqual([200, '1']);
  });

  it('HEAD answers where GET does, without a body', async () => {
    const answer = await api.call('HEAD', '/compute/v2.1/flavors/1', { token: demo });
    expect([answer.status, answer.body]).toEqual([200, '']);
  });

  it('version documents ask for no token', async () => {
    const root = await api.call('GET', '/compute/');
    expect([root.status, root.body.versions.map(({ id }: { id: string }) => id)]).toEqual([200, ['v2.0', 'v2.1']]);
    const current = await api.call('GET', '/compute/v2.1/');
    expect(current.body.version).toMatchObject({ id: 'v2.1', status: 'CURRENT', min_version: '2.1' });
    expect(current.body.version.links[0]).toEqual({ rel: 'self', href: `${api.url}/compute/v2.1/` });
    expect((await api.call('GET', '/compute/v2/')).body.version.id).toBe('v2.0');
  });
});
