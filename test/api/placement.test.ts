// Placement's reads over HTTP, by microversion.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { placementArea } from '#api';
import { AGGREGATE, ALLOCATION, RESOURCE_PROVIDER, take } from '#model';
import { type Answer, startApi, type TestApi } from '#test/support/api.ts';
import { addHosts, host, provider } from '#test/support/compute-records.ts';

const CONSUMER = '11111111-1111-4111-8111-111111111111';
const AGGREGATE_UUID = '22222222-2222-4222-8222-222222222222';
const [ONE, TWO] = [provider(host(1)).uuid, provider(host(2)).uuid];

let api: TestApi;
let admin: string;
let demo: string;

/** node-1 holds an allocation of 1 VCPU and 4096 MB; node-2 is in an aggregate and has a trait of its own. */
beforeAll(async () => {
  api = await startApi(() => [placementArea()]);
  [admin, demo] = [await api.token('admin'), await api.token('demo')];
  await addHosts(api.components.records, [host(1), host(2, { traits: ['CUSTOM_ARCH_RISCV64', 'CUSTOM_FAST'] })]);
  const allocation = {
    consumerId: CONSUMER,
    providerName: 'node-1',
    resources: { VCPU: 1, MEMORY_MB: 4096, DISK_GB: 0 },
    projectId: api.projects.demo,
    userId: 'u',
    consumerGeneration: 3,
    createdAt: 0,
  };
  await api.components.records.transact((tx) => {
    const held = tx.get(RESOURCE_PROVIDER, 'node-1')!;
    tx.update(RESOURCE_PROVIDER, take(held, allocation, held.updatedAt));
    tx.create(ALLOCATION, allocation);
    tx.create(AGGREGATE, {
      id: '1',
      uuid: AGGREGATE_UUID,
      name: 'a',
      availabilityZone: null,
      hosts: ['node-2'],
      metadata: {},
      createdAt: 0,
      updatedAt: null,
    });
  });
});

afterAll(() => api.close());

const ask = (path: string, version = '1.39', token = admin): Promise<Answer> =>
  api.call('GET', `/placement${path}`, { token, headers: { 'OpenStack-API-Version': `placement ${version}` } });

const names = (answer: Answer): string[] => answer.body.resource_providers.map(({ name }: { name: string }) => name);

describe('a version', () => {
  it('is told to whoever asks, without a token', async () => {
    const answer = await api.call('GET', '/placement/');
    expect(answer.body.versions[0]).toMatchObject({ id: 'v1.0', min_version: '1.0', max_version: '1.39' });
  });

  it('that is not served is a 406 with the range', async () => {
    const answer = await ask('/resource_providers', '1.99');
    expect(answer.status).toBe(406);
    expect(answer.body.errors[0]).toMatchObject({ status: 406, min_version: '1.0', max_version: '1.39' });
  });
});

describe('a resource provider', () => {
  it('shows its links and its place in the tree from their versions on', async () => {
    const rels = async (version: string) => {
      const { body } = await ask(`/resource_providers/${ONE}`, version);
      return body.links.map(({ rel }: { rel: string }) => rel);
    };
    expect(await rels('1.0')).toEqual(['self', 'inventories', 'usages']);
    expect(await rels('1.11')).toEqual(['self', 'inventories', 'usages', 'aggregates', 'traits', 'allocations']);
    expect((await ask(`/resource_providers/${ONE}`, '1.13')).body).not.toHaveProperty('root_provider_uuid');
    expect((await ask(`/resource_providers/${ONE}`, '1.14')).body).toMatchObject({
      root_provider_uuid: ONE,
      parent_provider_uuid: null,
    });
  });

  it('says what it has, what is used and by whom', async () => {
    const inventories = (await ask(`/resource_providers/${ONE}/inventories`)).body;
    expect(inventories.inventories.MEMORY_MB).toEqual({
      total: 8192,
      reserved: 512,
      min_unit: 1,
      max_unit: 8192,
      step_size: 1,
      allocation_ratio: 1,
    });
    expect((await ask(`/resource_providers/${ONE}/inventories/VCPU`)).body).toMatchObject({
      total: 4,
      allocation_ratio: 16,
    });
    expect((await ask(`/resource_providers/${ONE}/inventories/GOLD`)).status).toBe(404);
    expect((await ask(`/resource_providers/${ONE}/usages`)).body.usages).toEqual({
      VCPU: 1,
      MEMORY_MB: 4096,
      DISK_GB: 0,
    });
    expect((await ask(`/resource_providers/${ONE}/allocations`)).body.allocations).toEqual({
      [CONSUMER]: { resources: { VCPU: 1, MEMORY_MB: 4096 }, consumer_generation: 3 },
    });
    expect((await ask(`/resource_providers/${TWO}/aggregates`)).body.aggregates).toEqual([AGGREGATE_UUID]);
    expect((await ask(`/resource_providers/${TWO}/traits`)).body.traits).toContain('CUSTOM_FAST');
    expect((await ask(`/resource_providers/${TWO}/traits`, '1.5')).status).toBe(404);
  });

  it.each([
    ['name=node-2', ['node-2']],
    [`uuid=${ONE}`, ['node-1']],
    [`in_tree=${ONE}`, ['node-1']],
    ['resources=MEMORY_MB:4096', ['node-2']],
    ['resources=VCPU:1', ['node-1', 'node-2']],
    ['required=CUSTOM_FAST', ['node-2']],
    ['required=!CUSTOM_FAST', ['node-1']],
    [`member_of=in:${AGGREGATE_UUID}`, ['node-2']],
  ])('is found by %s', async (query, expected) => {
    expect(names(await ask(`/resource_providers?${query}`))).toEqual(expected);
  });

  it.each(['colour=red', 'resources=VCPU', 'required=a b', 'member_of=x'])('is not looked for by %s', async (query) => {
    const answer = await ask(`/resource_providers?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0]).toMatchObject({ status: 400, title: 'Bad Request' });
  });

  it('that is not there is a 404 in placement form', async () => {
    const answer = await ask(`/resource_providers/${CONSUMER}`);
    expect(answer.status).toBe(404);
    expect(answer.body.errors[0]).toMatchObject({ status: 404, title: 'Not Found', request_id: expect.any(String) });
  });

  it('may not be cached, from 1.15 on', async () => {
    expect((await ask('/resource_providers', '1.14')).headers.get('cache-control')).toBeNull();
    const answer = await ask('/resource_providers', '1.15');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(answer.headers.get('last-modified')).toBe('Fri, 02 Jan 2026 12:00:00 GMT');
  });
});

describe('allocation candidates', () => {
  it('are the providers that have enough left, in the form of each version', async () => {
    const query = '/allocation_candidates?resources=VCPU:1,MEMORY_MB:4096';
    const newest = (await ask(query)).body;
    expect(newest.allocation_requests).toEqual([
      { allocations: { [TWO]: { resources: { VCPU: 1, MEMORY_MB: 4096 } } }, mappings: { '': [TWO] } },
    ]);
    expect(newest.provider_summaries[TWO].resources.VCPU).toEqual({ capacity: 64, used: 0 });
    expect(newest.provider_summaries[TWO].resources).toHaveProperty('DISK_GB');
    const oldest = (await ask(query, '1.10')).body;
    expect(oldest.allocation_requests).toEqual([
      { allocations: [{ resource_provider: { uuid: TWO }, resources: { VCPU: 1, MEMORY_MB: 4096 } }] },
    ]);
    expect(oldest.provider_summaries[TWO]).not.toHaveProperty('traits');
    expect(oldest.provider_summaries[TWO].resources).not.toHaveProperty('DISK_GB');
    expect((await ask('/allocation_candidates?resources=VCPU:1&limit=1')).body.allocation_requests).toHaveLength(1);
    expect((await ask('/allocation_candidates')).status).toBe(400);
    expect((await ask(query, '1.9')).status).toBe(404);
  });
});

describe('allocations and usages', () => {
  it('of a consumer say where and how much', async () => {
    expect((await ask(`/allocations/${CONSUMER}`)).body).toEqual({
      allocations: { [ONE]: { generation: 2, resources: { VCPU: 1, MEMORY_MB: 4096 } } },
      project_id: api.projects.demo,
      user_id: 'u',
      consumer_generation: 3,
      consumer_type: 'INSTANCE',
    });
    expect(Object.keys((await ask(`/allocations/${CONSUMER}`, '1.11')).body)).toEqual(['allocations']);
    expect((await ask(`/allocations/${AGGREGATE_UUID}`)).body).toEqual({ allocations: {} });
  });

  it('of a project are summed up for its readers', async () => {
    const own = await ask(`/usages?project_id=${api.projects.demo}`, '1.9', demo);
    expect(own.body).toEqual({ usages: { VCPU: 1, MEMORY_MB: 4096 } });
    expect((await ask(`/usages?project_id=${api.projects.demo}`, '1.38')).body.usages).toEqual({
      INSTANCE: { consumer_count: 1, VCPU: 1, MEMORY_MB: 4096 },
    });
    expect((await ask(`/usages?project_id=${api.projects.admin}`, '1.9', demo)).status).toBe(403);
    expect((await ask('/usages')).status).toBe(400);
  });
});

describe('the vocabulary', () => {
  it('lists classes and traits', async () => {
    const classes = (await ask('/resource_classes')).body.resource_classes;
    expect(classes.map(({ name }: { name: string }) => name)).toEqual(['VCPU', 'MEMORY_MB', 'DISK_GB']);
    expect((await ask('/resource_classes/GOLD')).status).toBe(404);
    expect((await ask('/traits?name=startswith:CUSTOM_F')).body.traits).toEqual(['CUSTOM_FAST']);
    expect((await ask('/traits/CUSTOM_FAST')).status).toBe(204);
    expect((await ask('/traits/CUSTOM_SLOW')).status).toBe(404);
  });

  it('is for operators', async () => {
    for (const path of ['/resource_classes', '/traits', '/resource_providers', `/allocations/${CONSUMER}`]) {
      expect((await ask(path, '1.39', demo)).status).toBe(403);
    }
  });
});
