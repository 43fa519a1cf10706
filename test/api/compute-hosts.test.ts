// What operators see of hosts: hypervisors, services, zones, aggregates, /os-hosts.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeArea, servers } from '#api';
import { ALLOCATION, HOST, RESOURCE_PROVIDER, take } from '#model';
import { type Answer, startApi, type TestApi } from '#test/support/api.ts';
import { addHosts, host } from '#test/support/compute-records.ts';

let api: TestApi;
let admin: string;
let demo: string;

/** node-1 runs a server of 1 VCPU, 512 MiB, 1 GB; node-3 is down. */
beforeAll(async () => {
  api = await startApi((components) => [computeArea(servers(components))]);
  [admin, demo] = [await api.token('admin'), await api.token('demo')];
  await addHosts(api.components.records, [host(1), host(2), host(3, { state: 'down' })]);
  const allocation = {
    consumerId: '11111111-1111-4111-8111-111111111111',
    providerName: 'node-1',
    resources: { VCPU: 1, MEMORY_MB: 512, DISK_GB: 1 },
    projectId: api.projects.demo,
    userId: 'u',
    consumerGeneration: 1,
    createdAt: 0,
  };
  await api.components.records.transact((tx) => {
    const provider = tx.get(RESOURCE_PROVIDER, 'node-1')!;
    tx.update(RESOURCE_PROVIDER, take(provider, allocation, provider.updatedAt));
    tx.create(ALLOCATION, allocation);
  });
});

afterAll(() => api.close());

const ask = (method: string, path: string, version = '2.1', body?: unknown, token = admin): Promise<Answer> =>
  api.call(method, `/compute/v2.1${path}`, {
    token,
    body,
    headers: { 'OpenStack-API-Version': `compute ${version}` },
  });

const CAPACITY = [
  ...['current_workload', 'disk_available_least', 'free_disk_gb', 'free_ram_mb', 'local_gb', 'local_gb_used'],
  ...['memory_mb', 'memory_mb_used', 'running_vms', 'vcpus', 'vcpus_used'],
];

describe('a hypervisor', () => {
  it('is a number until 2.52 and the UUID of its provider from 2.53', async () => {
    const old = (await ask('GET', '/os-hypervisors')).body.hypervisors;
    expect(old[0]).toEqual({ id: 1, hypervisor_hostname: 'node-1', state: 'up', status: 'enabled' });
    expect(old.map(({ state }: { state: string }) => state)).toEqual(['up', 'up', 'down']);
    const uuid = (await ask('GET', '/os-hypervisors', '2.53')).body.hypervisors[0].id;
    expect((await ask('GET', `/os-hypervisors/${uuid}`, '2.53')).body.hypervisor.id).toBe(uuid);
    expect((await ask('GET', '/os-hypervisors/1')).body.hypervisor.id).toBe(1);
    expect((await ask('GET', '/os-hypervisors/1', '2.53')).status).toBe(400);
    expect((await ask('GET', '/os-hypervisors/99')).status).toBe(404);
    expect((await ask('GET', '/os-hypervisors/11111111-1111-4111-8111-111111111111', '2.53')).status).toBe(404);
  });

  it('shows what it has and what is used', async () => {
    const { hypervisor } = (await ask('GET', '/os-hypervisors/1')).body;
    expect(hypervisor).toMatchObject({
      vcpus: 4,
      vcpus_used: 1,
      memory_mb: 8192,
      memory_mb_used: 1024,
      free_ram_mb: 7168,
      local_gb: 100,
      local_gb_used: 1,
      free_disk_gb: 99,
      running_vms: 1,
      hypervisor_type: 'emulator',
      service: { host: 'node-1', id: 1, disabled_reason: null },
      cpu_info: 'rv64gc',
    });
    const keys = ['cpu_info', 'host_ip', 'hypervisor_hostname', 'hypervisor_type', 'hypervisor_version', 'id'];
    expect(Object.keys(hypervisor).sort()).toEqual([...CAPACITY, ...keys, 'service', 'state', 'status'].sort());
    expect((await ask('GET', '/os-hypervisors/1', '2.28')).body.hypervisor.cpu_info).toEqual({ model: 'rv64gc' });
  });

  it('is summed up, searched, and says how long it runs', async () => {
    const { hypervisor_statistics: sums } = (await ask('GET', '/os-hypervisors/statistics')).body;
    expect(sums).toMatchObject({ count: 3, vcpus: 12, vcpus_used: 1, memory_mb: 3 * 8192, running_vms: 1 });
    expect(Object.keys(sums).sort()).toEqual([...CAPACITY, 'count'].sort());
    expect((await ask('GET', '/os-hypervisors/ode-2/search')).body.hypervisors).toHaveLength(1);
    expect((await ask('GET', '/os-hypervisors/nothing/search')).status).toBe(404);
    expect((await ask('GET', '/os-hypervisors/node/search', '2.53')).status).toBe(404);
    expect(
      (await ask('GET', '/os-hypervisors?hypervisor_hostname_pattern=ode-2', '2.53')).body.hypervisors,
    ).toHaveLength(1);
    expect((await ask('GET', '/os-hypervisors/1/uptime')).body.hypervisor.uptime).toMatch(
      / up (\d+ days?, )?\d+:\d\d$/,
    );
    expect((await ask('GET', '/os-hypervisors/3/uptime')).status).toBe(400);
  });

  it('is listed in pages from 2.33 on', async () => {
    const first = (await ask('GET', '/os-hypervisors?limit=1', '2.33')).body;
    expect(first.hypervisors).toHaveLength(1);
    expect(first.hypervisors_links[0].href).toContain('marker=1');
    expect((await ask('GET', '/os-hypervisors?limit=1', '2.32')).body.hypervisors).toHaveLength(3);
  });

  it.each(['', '/detail', '/statistics', '/1', '/99', '/1/uptime', '/node/search'])(
    'is not for others (%s), also where there is none',
    async (path) => {
      expect((await ask('GET', `/os-hypervisors${path}`, '2.1', undefined, demo)).status).toBe(403);
    },
  );
});

describe('a compute service', () => {
  const service = async (version = '2.1') => (await ask('GET', '/os-services?host=node-2', version)).body.services[0];

  it('is listed, by host and binary too', async () => {
    expect(await service()).toEqual({
      id: 2,
      binary: 'nova-compute',
      host: 'node-2',
      zone: 'nova',
      status: 'enabled',
      state: 'up',
      updated_at: '2026-01-02T12:00:00.000000',
      disabled_reason: null,
    });
    expect((await service('2.11')).forced_down).toBe(false);
    expect((await service('2.53')).id).toBe(host(2).uuid);
    expect((await ask('GET', '/os-services?binary=nova-scheduler')).body.services).toEqual([]);
    expect((await ask('GET', '/os-services')).body.services).toHaveLength(3);
  });

  it('is disabled with a reason and enabled again', async () => {
    const body = { host: 'node-2', binary: 'nova-compute' };
    const disabled = await ask('PUT', '/os-services/disable-log-reason', '2.1', { ...body, disabled_reason: 'disk' });
    expect(disabled.body.service).toEqual({ ...body, status: 'disabled', disabled_reason: 'disk' });
    expect(await service()).toMatchObject({ status: 'disabled', disabled_reason: 'disk' });
    expect((await ask('GET', '/os-hypervisors/2')).body.hypervisor).toMatchObject({
      status: 'disabled',
      service: { disabled_reason: 'disk' },
    });
    expect((await ask('PUT', '/os-services/enable', '2.1', body)).body.service).toEqual({ ...body, status: 'enabled' });
    expect((await ask('PUT', '/os-services/disable', '2.1', body)).body.service.status).toBe('disabled');
    const put = await ask('PUT', `/os-services/${host(2).uuid}`, '2.53', { status: 'enabled' });
    expect(put.body.service).toMatchObject({ id: host(2).uuid, status: 'enabled', state: 'up' });
  });

  it('is down when an operator says so', async () => {
    const put = (forced_down: boolean) => ask('PUT', `/os-services/${host(2).uuid}`, '2.53', { forced_down });
    expect((await put(true)).body.service).toMatchObject({ forced_down: true, state: 'down' });
    expect((await ask('GET', '/os-hypervisors/2')).body.hypervisor.state).toBe('down');
    expect((await put(false)).body.service).toMatchObject({ forced_down: false, state: 'up' });
  });

  it.each([
    ['an unknown host', 'PUT', '/os-services/enable', '2.1', { host: 'nobody', binary: 'nova-compute' }, 404],
    ['an unknown binary', 'PUT', '/os-services/enable', '2.1', { host: 'node-1', binary: 'nova-x' }, 404],
    ['an unknown id', 'PUT', '/os-services/11111111-1111-4111-8111-111111111111', '2.53', { status: 'enabled' }, 404],
    ['an id that is no UUID', 'PUT', '/os-services/1', '2.53', { status: 'enabled' }, 400],
    ['nothing to change', 'PUT', `/os-services/${host(1).uuid}`, '2.53', {}, 400],
    ['a reason without disabling', 'PUT', `/os-services/${host(1).uuid}`, '2.53', { disabled_reason: 'x' }, 400],
    ['a host that runs servers', 'DELETE', '/os-services/1', '2.1', undefined, 409],
  ])('is left alone for %s', async (_what, method, path, version, body, status) => {
    expect((await ask(method, path, version, body)).status).toBe(status);
  });

  it('of a host that is gone for good is removed', async () => {
    expect((await ask('DELETE', `/os-services/${host(3).uuid}`, '2.53')).status).toBe(204);
    expect((await ask('GET', '/os-hypervisors')).body.hypervisors).toHaveLength(2);
    await addHosts(api.components.records, [host(3, { state: 'down' })]);
  });
});

describe('an aggregate', () => {
  const make = async (aggregate: Record<string, unknown>) => ask('POST', '/os-aggregates', '2.1', { aggregate });
  const act = (id: number, body: unknown) => ask('POST', `/os-aggregates/${id}/action`, '2.1', body);
  const zoneOf = async (name: string) => (await api.components.records.get(HOST, name))?.value.availabilityZone;

  it('puts its hosts into its zone, and gives them back', async () => {
    const made = await make({ name: 'west', availability_zone: 'west' });
    expect(made.status).toBe(200);
    expect(made.body.aggregate).toMatchObject({ name: 'west', availability_zone: 'west', deleted: false });
    expect(made.body.aggregate).not.toHaveProperty('hosts');
    expect(made.body.aggregate).not.toHaveProperty('uuid');
    const { id } = made.body.aggregate;
    const added = await act(id, { add_host: { host: 'node-2' } });
    expect(added.body.aggregate).toMatchObject({ hosts: ['node-2'], metadata: { availability_zone: 'west' } });
    expect(await zoneOf('node-2')).toBe('west');
    const zones = (await ask('GET', '/os-availability-zone', '2.1', undefined, demo)).body.availabilityZoneInfo;
    expect(zones).toEqual([
      { zoneName: 'nova', zoneState: { available: true }, hosts: null },
      { zoneName: 'west', zoneState: { available: true }, hosts: null },
    ]);
    const detail = (await ask('GET', '/os-availability-zone/detail')).body.availabilityZoneInfo;
    expect(detail[1].hosts['node-2']['nova-compute']).toEqual({
      available: true,
      active: true,
      updated_at: '2026-01-02T12:00:00.000000',
    });
    expect((await ask('DELETE', `/os-aggregates/${id}`)).status).toBe(400);
    expect((await act(id, { remove_host: { host: 'node-2' } })).body.aggregate.hosts).toEqual([]);
    expect(await zoneOf('node-2')).toBe('nova');
    expect((await ask('DELETE', `/os-aggregates/${id}`)).status).toBe(200);
    expect((await ask('GET', `/os-aggregates/${id}`)).status).toBe(404);
  });

  it('takes metadata, where the zone is one key', async () => {
    const { id } = (await make({ name: 'marked' })).body.aggregate;
    await act(id, { add_host: { host: 'node-2' } });
    const set = await act(id, { set_metadata: { metadata: { ssd: 'true', availability_zone: 'east' } } });
    expect(set.body.aggregate).toMatchObject({
      availability_zone: 'east',
      metadata: { ssd: 'true', availability_zone: 'east' },
    });
    expect(await zoneOf('node-2')).toBe('east');
    const cleared = await act(id, { set_metadata: { metadata: { ssd: null, availability_zone: null } } });
    expect(cleared.body.aggregate).toMatchObject({ availability_zone: null, metadata: {} });
    expect(await zoneOf('node-2')).toBe('nova');
    const put = await ask('PUT', `/os-aggregates/${id}`, '2.41', { aggregate: { name: 'renamed' } });
    expect(put.body.aggregate).toMatchObject({ name: 'renamed', hosts: ['node-2'], uuid: expect.any(String) });
    expect((await make({ name: 'marked' })).status).toBe(200);
    expect((await make({ name: 'renamed' })).status).toBe(409);
    expect((await ask('PUT', `/os-aggregates/${id}`, '2.1', { aggregate: { name: 'marked' } })).status).toBe(409);
  });

  it('keeps a host in one zone, and its servers in theirs', async () => {
    const [north, south] = [
      (await make({ name: 'north', availability_zone: 'north' })).body.aggregate.id,
      (await make({ name: 'south', availability_zone: 'south' })).body.aggregate.id,
    ];
    expect((await act(north, { add_host: { host: 'node-2' } })).status).toBe(200);
    expect((await act(south, { add_host: { host: 'node-2' } })).status).toBe(409);
    expect((await act(north, { add_host: { host: 'node-2' } })).status).toBe(409);
    const busy = await act(south, { add_host: { host: 'node-1' } });
    expect([busy.status, busy.body.conflictingRequest?.message]).toEqual([
      409,
      `Cannot perform action 'add_host_to_aggregate' on aggregate ${south}. Reason: One or more hosts contain instances in this zone.`,
    ]);
    expect(await zoneOf('node-1')).toBe('nova');
  });

  it.each([
    ['an empty name', { name: '' }, 400],
    ['a name of 256 characters', { name: 'x'.repeat(256) }, 400],
    ['a zone with a colon', { name: 'z', availability_zone: 'a:b' }, 400],
    ['an unknown key', { name: 'z', colour: 'red' }, 400],
  ])('is refused for %s', async (_what, aggregate, status) => {
    expect((await make(aggregate)).status).toBe(status);
  });

  it('is not there for hosts, ids and actions that are not', async () => {
    const { id } = (await make({ name: 'empty' })).body.aggregate;
    expect((await act(id, { add_host: { host: 'nobody' } })).status).toBe(404);
    expect((await act(id, { remove_host: { host: 'node-1' } })).status).toBe(404);
    expect((await act(id, { burn: {} })).status).toBe(400);
    expect((await act(9999, { add_host: { host: 'node-1' } })).status).toBe(404);
    for (const [method, body] of [
      ['GET', undefined],
      ['PUT', { aggregate: { name: 'x' } }],
      ['DELETE', undefined],
    ] as const) {
      expect((await ask(method, '/os-aggregates/9999', '2.1', body)).status).toBe(404);
      expect((await ask(method, '/os-aggregates/9999', '2.1', body, demo)).status).toBe(403);
    }
  });
});

describe('/os-hosts', () => {
  it('answers until 2.42', async () => {
    const { hosts } = (await ask('GET', '/os-hosts?zone=nova')).body;
    expect(hosts).toContainEqual({ host_name: 'node-1', service: 'compute', zone: 'nova' });
    const rows = (await ask('GET', '/os-hosts/node-1')).body.host;
    expect(rows.map(({ resource }: { resource: { project: string } }) => resource.project)).toEqual([
      '(total)',
      '(used_now)',
      '(used_max)',
      api.projects.demo,
    ]);
    expect(rows[1].resource).toMatchObject({ cpu: 1, memory_mb: 512, disk_gb: 1 });
    expect((await ask('GET', '/os-hosts/nobody')).status).toBe(404);
    expect((await ask('GET', '/os-hosts', '2.43')).status).toBe(404);
  });
});
