// Neutron's API: requests and answers, in the order that people and clients make them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { networkArea } from '#api';
import { systemClock } from '#base';
import { HOST } from '#model';
import { seedNetworks } from '#network';
import { type Answer, startApi, type TestApi } from '#test/support/api.ts';

let api: TestApi;
let admin: string;
let demo: string;
let other: string;

beforeAll(async () => {
  api = await startApi(() => [networkArea()]);
  await seedNetworks({ records: api.components.records, clock: systemClock, projects: api.projects });
  admin = await api.token('admin');
  demo = await api.token('demo');
  other = await api.token('alt_demo');
});

afterAll(() => api.close());

// biome-ignore lint/suspicious/noExplicitAny: bodies are read as clients read them
type Body = any;

const request =
  (method: string) =>
  (token: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> =>
    api.call(method, `/network/v2.0${path}`, { token, body, headers });
const get = request('GET');
const post = request('POST');
const put = request('PUT');
const remove = request('DELETE');

const neutronError = (answer: Answer): [number, string] => [answer.status, (answer.body as Body).NeutronError?.type];

/** Makes something that must work, and returns it. */
async function make(token: string, path: string, body: Record<string, unknown>): Promise<Body> {
  const answer = await post(token, path, body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return (answer.body as Body)[Object.keys(body)[0] ?? ''];
}

const network = (name: string, more: object = {}, token = demo) =>
  make(token, '/networks', { network: { name, ...more } });
const subnet = (networkId: string, cidr: string, more: object = {}, token = demo) =>
  make(token, '/subnets', { subnet: { network_id: networkId, cidr, ip_version: cidr.includes(':') ? 6 : 4, ...more } });
const port = (networkId: string, more: object = {}, token = demo) =>
  make(token, '/ports', { port: { network_id: networkId, ...more } });

describe('versions and extensions', () => {
  test('the root needs no token and leads to v2.0', async () => {
    const answer = await api.call('GET', '/network/', {});
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${api.url}/network/v2.0/` }] }],
    });
  });

  test('the version itself wants a token', async () => {
    expect((await api.call('GET', '/network/v2.0/', {})).status).toBe(401);
    expect((await get(demo, '/')).status).toBe(200);
  });

  test('an extension is shown by its alias, an unknown one is 404', async () => {
    const { body } = await get(demo, '/extensions');
    expect((body as Body).extensions.map((extension: Body) => extension.alias)).toContain('security-group');
    expect((await get(demo, '/extensions/router')).status).toBe(200);
    expect((await get(demo, '/extensions/nonsense')).status).toBe(404);
  });
});

describe('a new cloud', () => {
  test('has the networks of DevStack', async () => {
    const { body } = await get(admin, '/networks?fields=name&sort_key=name&sort_dir=asc');
    expect((body as Body).networks).toEqual([{ name: 'private' }, { name: 'public' }, { name: 'shared' }]);
    const [outside] = ((await get(demo, '/networks?router:external=True')).body as Body).networks;
    expect(outside).toMatchObject({ name: 'public', shared: false, status: 'ACTIVE', is_default: true });
    const [inner] = ((await get(demo, '/subnets?name=private-subnet')).body as Body).subnets;
    expect(inner).toMatchObject({
      cidr: '10.0.0.0/26',
      gateway_ip: '10.0.0.1',
      allocation_pools: [{ start: '10.0.0.2', end: '10.0.0.62' }],
    });
    const [router] = ((await get(demo, '/routers?name=router1')).body as Body).routers;
    expect(router.external_gateway_info.network_id).toBe(outside.id);
    const interfaces = ((await get(demo, `/ports?device_id=${router.id}`)).body as Body).ports;
    expect(interfaces).toMatchObject([
      { device_owner: 'network:router_interface', status: 'ACTIVE', fixed_ips: [{ ip_address: '10.0.0.1' }] },
    ]);
  });
});

describe('networks', () => {
  test('are shown with what Neutron shows, and to admins with their segment', async () => {
    const made = await network('n1', { description: 'first' });
    expect(made).toMatchObject({
      name: 'n1',
      description: 'first',
      admin_state_up: true,
      status: 'ACTIVE',
      subnets: [],
      shared: false,
      'router:external': false,
      mtu: 1500,
      port_security_enabled: true,
      revision_number: 1,
      tags: [],
      project_id: api.projects.demo,
      tenant_id: api.projects.demo,
    });
    expect(made.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(made).not.toHaveProperty('provider:network_type');
    const seen = ((await get(admin, `/networks/${made.id}`)).body as Body).network;
    expect(seen['provider:network_type']).toBe('vxlan');
    expect(seen['provider:segmentation_id']).toBeGreaterThan(0);
  });

  test('of another project do not exist; shared and external ones are seen and not changed', async () => {
    const made = await network('mine');
    expect(neutronError(await get(other, `/networks/${made.id}`))).toEqual([404, 'NetworkNotFound']);
    expect(neutronError(await remove(other, `/networks/${made.id}`))).toEqual([404, 'NetworkNotFound']);
    const [inner] = ((await get(other, '/networks?name=shared')).body as Body).networks;
    expect(neutronError(await put(other, `/networks/${inner.id}`, { network: { name: 'x' } }))).toEqual([
      403,
      'PolicyNotAuthorized',
    ]);
    expect(neutronError(await remove(other, `/networks/${inner.id}`))).toEqual([403, 'PolicyNotAuthorized']);
  });

  test.each([{ shared: true }, { 'router:external': true }, { 'provider:segmentation_id': 77 }])(
    "with %o are the operator's to make",
    async (attributes) => {
      const body = { network: { name: 'x', ...attributes } };
      expect(neutronError(await post(demo, '/networks', body))).toEqual([403, 'PolicyNotAuthorized']);
    },
  );

  test('never share a segment', async () => {
    const body = { network: { name: 'x', 'provider:network_type': 'vxlan', 'provider:segmentation_id': 4242 } };
    expect((await post(admin, '/networks', body)).status).toBe(201);
    expect(neutronError(await post(admin, '/networks', body))).toEqual([409, 'TunnelIdInUse']);
  });

  test.each([
    [{ network: { nmae: 'x' } }, "Unrecognized attribute(s) 'nmae'"],
    [{ network: { name: 'x'.repeat(256) } }, 'name'],
    [{ network: { admin_state_up: 'perhaps' } }, 'admin_state_up'],
    [{ subnet: {} }, "Unable to find 'network' in request body"],
    [{ networks: [] }, 'networks'],
  ])('made from %o are refused', async (body, words) => {
    const answer = await post(demo, '/networks', body);
    expect(answer.status).toBe(400);
    expect((answer.body as Body).NeutronError.message).toContain(words);
  });

  test('are made many at once, or none of them', async () => {
    const answer = await post(demo, '/networks', { networks: [{ name: 'bulk-1' }, { name: 'bulk-2' }] });
    expect(answer.status).toBe(201);
    const made = (answer.body as Body).networks;
    expect(made.map((each: Body) => each.name)).toEqual(['bulk-1', 'bulk-2']);
    expect((await post(demo, '/networks', { networks: [{ name: 'bulk-3' }, { nmae: 'x' }] })).status).toBe(400);
    expect(((await get(demo, '/networks?name=bulk-3')).body as Body).networks).toEqual([]);
  });

  test('count their changes, and take a revision as a precondition', async () => {
    const { id } = await network('counted');
    const changed = await put(demo, `/networks/${id}`, { network: { name: 'renamed', admin_state_up: 'False' } });
    expect((changed.body as Body).network).toMatchObject({
      name: 'renamed',
      admin_state_up: false,
      revision_number: 2,
    });
    const headers = { 'If-Match': 'revision_number=1' };
    expect(neutronError(await put(demo, `/networks/${id}`, { network: { name: 'late' } }, headers))).toEqual([
      412,
      'RevisionNumberConstraintFailed',
    ]);
  });

  test('with ports stay; without, they go with their subnets', async () => {
    const { id } = await network('in-use');
    await subnet(id, '10.1.0.0/24');
    const held = await port(id);
    const refused = await remove(demo, `/networks/${id}`);
    expect(neutronError(refused)).toEqual([409, 'NetworkInUse']);
    await remove(demo, `/ports/${held.id}`);
    expect((await remove(demo, `/networks/${id}`)).status).toBe(204);
    expect((await get(demo, `/networks/${id}`)).status).toBe(404);
    expect(((await get(demo, `/subnets?network_id=${id}`)).body as Body).subnets).toEqual([]);
  });

  test('have tags', async () => {
    const { id } = await network('tagged');
    expect((await put(demo, `/networks/${id}/tags/red`)).status).toBe(201);
    expect((await put(demo, `/networks/${id}/tags`, { tags: ['red', 'blue'] })).status).toBe(200);
    expect((await get(demo, `/networks/${id}/tags/blue`)).status).toBe(204);
    expect((await remove(demo, `/networks/${id}/tags/blue`)).status).toBe(204);
    expect(neutronError(await get(demo, `/networks/${id}/tags/blue`))).toEqual([404, 'TagNotFound']);
    expect(((await get(demo, '/networks?tags=red&fields=id')).body as Body).networks).toEqual([{ id }]);
  });

  test('are listed in pages that do not overlap', async () => {
    const seen: string[] = [];
    let path = '/networks?limit=2&sort_key=name&sort_dir=desc&fields=name&fields=id';
    for (let pages = 0; pages < 50 && path !== ''; pages++) {
      const body = (await get(demo, path)).body as Body;
      seen.push(...body.networks.map((each: Body) => each.id));
      const next: string = body.networks_links?.[0]?.href ?? '';
      path = next.replace(`${api.url}/network/v2.0`, '');
    }
    const all = ((await get(demo, '/networks')).body as Body).networks.map((each: Body) => each.id);
    expect(seen).toHaveLength(all.length);
    expect(new Set(seen)).toEqual(new Set(all));
  });
});

describe('subnets', () => {
  test('get a gateway and a pool, and are refused when they overlap or make no sense', async () => {
    const { id } = await network('nets');
    expect(await subnet(id, '10.2.0.0/24')).toMatchObject({
      gateway_ip: '10.2.0.1',
      enable_dhcp: true,
      ip_version: 4,
      allocation_pools: [{ start: '10.2.0.2', end: '10.2.0.254' }],
    });
    const attempt = async (attributes: object) =>
      neutronError(await post(demo, '/subnets', { subnet: { network_id: id, ip_version: 4, ...attributes } }));
    expect(await attempt({ cidr: '10.2.0.128/25' })).toEqual([400, 'InvalidInput']);
    expect(await attempt({ cidr: '10.3.0.0/24', ip_version: 6 })).toEqual([400, 'InvalidInput']);
    expect((await attempt({ cidr: 'x' }))[0]).toBe(400);
    expect((await attempt({ cidr: '10.3.0.0/24', network_id: '7d1cd0f0-0000-4000-8000-000000000001' }))[0]).toBe(404);
    expect(await attempt({ cidr: '10.3.0.0/24', allocation_pools: [{ start: '10.3.0.9', end: '10.4.0.1' }] })).toEqual([
      400,
      'OutOfBoundsAllocationPool',
    ]);
  });

  test('with ports stay', async () => {
    const { id } = await network('held');
    const { id: subnetId } = await subnet(id, '10.4.0.0/24');
    await port(id);
    expect(neutronError(await remove(demo, `/subnets/${subnetId}`))).toEqual([409, 'SubnetInUse']);
    const changed = await put(demo, `/subnets/${subnetId}`, {
      subnet: { name: 'n', dns_nameservers: ['9.9.9.9'], enable_dhcp: false, gateway_ip: null },
    });
    expect((changed.body as Body).subnet).toMatchObject({
      gateway_ip: null,
      enable_dhcp: false,
      dns_nameservers: ['9.9.9.9'],
    });
  });

  test('are in the list of their network', async () => {
    const { id } = await network('listed');
    const { id: subnetId } = await subnet(id, 'fd00:7::/64', { ipv6_address_mode: 'slaac', ipv6_ra_mode: 'slaac' });
    expect(((await get(demo, `/networks/${id}`)).body as Body).network.subnets).toEqual([subnetId]);
    expect((await remove(demo, `/subnets/${subnetId}`)).status).toBe(204);
    expect(((await get(demo, `/networks/${id}`)).body as Body).network.subnets).toEqual([]);
  });
});

describe('ports', () => {
  test('get a MAC address, an address and the default security group', async () => {
    const { id } = await network('ports');
    await subnet(id, '10.5.0.0/24');
    const made = await port(id, { name: 'p', dns_name: 'web' });
    expect(made).toMatchObject({
      status: 'DOWN',
      device_id: '',
      'binding:vnic_type': 'normal',
      port_security_enabled: true,
    });
    expect(made.mac_address).toMatch(/^fa:16:3e/);
    expect(made.fixed_ips).toHaveLength(1);
    expect(made).not.toHaveProperty('binding:host_id');
    const groups = ((await get(demo, '/security-groups?name=default')).body as Body).security_groups;
    expect(made.security_groups).toEqual([groups[0].id]);
    expect(((await get(admin, `/ports/${made.id}`)).body as Body).port).toMatchObject({
      'binding:host_id': '',
      'binding:vif_type': 'unbound',
    });
    const byAddress = await get(
      demo,
      `/ports?fixed_ips=ip_address=${made.fixed_ips[0].ip_address}&fields=id&network_id=${id}`,
    );
    expect((byAddress.body as Body).ports).toEqual([{ id: made.id }]);
  });

  test('keep the address that is asked for, and nobody gets it twice', async () => {
    const { id } = await network('fixed');
    const { id: subnetId } = await subnet(id, '10.6.0.0/24');
    const fixed_ips = [{ subnet_id: subnetId, ip_address: '10.6.0.77' }];
    const made = await port(id, { fixed_ips });
    expect(made.fixed_ips).toEqual(fixed_ips);
    const twice = await post(demo, '/ports', { port: { network_id: id, fixed_ips } });
    expect(neutronError(twice)).toEqual([409, 'IpAddressAlreadyAllocated']);
    const sameMac = await post(demo, '/ports', { port: { network_id: id, mac_address: made.mac_address } });
    expect(neutronError(sameMac)).toEqual([409, 'MacAddressInUse']);
    const changed = await put(demo, `/ports/${made.id}`, {
      port: { fixed_ips: [...fixed_ips, { subnet_id: subnetId }], security_groups: [] },
    });
    expect((changed.body as Body).port.fixed_ips).toHaveLength(2);
    expect((changed.body as Body).port.security_groups).toEqual([]);
  });

  test('are refused when the pool is empty', async () => {
    const { id } = await network('small');
    await subnet(id, '10.7.0.0/30');
    await port(id);
    expect(neutronError(await post(demo, '/ports', { port: { network_id: id } }))).toEqual([
      409,
      'IpAddressGenerationFailure',
    ]);
  });

  test('made at the same time never share an address', async () => {
    const { id } = await network('busy');
    await subnet(id, '10.8.0.0/26');
    const made = await Promise.all(Array.from({ length: 30 }, () => port(id)));
    expect(new Set(made.map((each) => each.fixed_ips[0].ip_address)).size).toBe(30);
  });

  test('are bound by operators alone', async () => {
    const { id } = await network('bound');
    await subnet(id, '10.9.0.0/24');
    const body = { port: { network_id: id, 'binding:host_id': 'node-1' } };
    expect(neutronError(await post(demo, '/ports', body))).toEqual([403, 'PolicyNotAuthorized']);
    const made = ((await post(admin, '/ports', body)).body as Body).port;
    expect(made).toMatchObject({ 'binding:host_id': 'node-1', 'binding:vif_type': 'cumulet', status: 'DOWN' });
  });

  test('on a shared network may not be given what belongs to its owner', async () => {
    const [inner] = ((await get(other, '/networks?name=shared')).body as Body).networks;
    const attempt = async (attributes: object) =>
      (await post(other, '/ports', { port: { network_id: inner.id, ...attributes } })).status;
    expect(await attempt({ mac_address: 'fa:16:3e:11:22:33' })).toBe(403);
    expect(await attempt({ port_security_enabled: false })).toBe(403);
    expect(await attempt({ device_owner: 'network:dhcp' })).toBe(403);
    expect(await attempt({})).toBe(201);
  });
});

describe('security groups', () => {
  test('every project has one called default, made once', async () => {
    const lists = await Promise.all(Array.from({ length: 5 }, () => get(other, '/security-groups')));
    const ids = new Set(lists.flatMap(({ body }) => (body as Body).security_groups.map((group: Body) => group.id)));
    expect(ids.size).toBe(1);
    const [group] = lists.map(({ body }) => (body as Body).security_groups[0]);
    expect(group).toMatchObject({ name: 'default', description: 'Default security group', stateful: true });
    expect(group.security_group_rules.map((rule: Body) => [rule.direction, rule.ethertype]).sort()).toEqual([
      ['egress', 'IPv4'],
      ['egress', 'IPv6'],
      ['ingress', 'IPv4'],
      ['ingress', 'IPv6'],
    ]);
    expect(neutronError(await remove(other, `/security-groups/${group.id}`))).toEqual([
      409,
      'SecurityGroupCannotRemoveDefault',
    ]);
    expect(neutronError(await post(other, '/security-groups', { security_group: { name: 'default' } }))).toEqual([
      409,
      'SecurityGroupDefaultAlreadyExists',
    ]);
  });

  test('have rules; the same rule twice is refused', async () => {
    const group = await make(demo, '/security-groups', { security_group: { name: 'web' } });
    expect(group.security_group_rules).toHaveLength(2);
    const rule = {
      security_group_id: group.id,
      direction: 'ingress',
      protocol: 'tcp',
      port_range_min: 80,
      port_range_max: 80,
    };
    const made = await make(demo, '/security-group-rules', { security_group_rule: rule });
    expect(made).toMatchObject({ ethertype: 'IPv4', remote_ip_prefix: null, port_range_min: 80 });
    const attempt = async (attributes: object) =>
      neutronError(await post(demo, '/security-group-rules', { security_group_rule: { ...rule, ...attributes } }));
    expect(await attempt({})).toEqual([409, 'SecurityGroupRuleExists']);
    expect(await attempt({ protocol: 'xyz' })).toEqual([400, 'SecurityGroupRuleInvalidProtocol']);
    expect(await attempt({ port_range_min: 90 })).toEqual([400, 'SecurityGroupInvalidPortRange']);
    expect(await attempt({ protocol: null })).toEqual([400, 'SecurityGroupProtocolRequiredWithPorts']);
    expect(await attempt({ ethertype: 'IPv6', remote_ip_prefix: '10.0.0.0/8' })).toEqual([
      400,
      'SecurityGroupRuleParameterConflict',
    ]);
    expect((await attempt({ direction: 'sideways' }))[0]).toBe(400);
    expect((await remove(demo, `/security-group-rules/${made.id}`)).status).toBe(204);
    expect(neutronError(await get(demo, `/security-group-rules/${made.id}`))).toEqual([
      404,
      'SecurityGroupRuleNotFound',
    ]);
  });

  test('that ports use stay', async () => {
    const { id } = await network('grouped');
    await subnet(id, '10.10.0.0/24');
    const group = await make(demo, '/security-groups', { security_group: { name: 'used' } });
    const held = await port(id, { security_groups: [group.id] });
    expect(neutronError(await remove(demo, `/security-groups/${group.id}`))).toEqual([409, 'SecurityGroupInUse']);
    await remove(demo, `/ports/${held.id}`);
    expect((await remove(demo, `/security-groups/${group.id}`)).status).toBe(204);
  });
});

describe('routers', () => {
  test('join subnets, and stay while they do', async () => {
    const { id } = await network('routed');
    const { id: subnetId } = await subnet(id, '10.11.0.0/24');
    const router = await make(demo, '/routers', { router: { name: 'r' } });
    const joined = await put(demo, `/routers/${router.id}/add_router_interface`, { subnet_id: subnetId });
    expect(joined.status).toBe(200);
    expect(joined.body).toMatchObject({ id: router.id, subnet_id: subnetId, network_id: id });
    const portId = (joined.body as Body).port_id;
    expect(((await get(demo, `/ports/${portId}`)).body as Body).port).toMatchObject({
      device_id: router.id,
      device_owner: 'network:router_interface',
      fixed_ips: [{ ip_address: '10.11.0.1' }],
    });
    expect((await put(demo, `/routers/${router.id}/add_router_interface`, { subnet_id: subnetId })).status).toBe(400);
    expect(neutronError(await remove(demo, `/routers/${router.id}`))).toEqual([409, 'RouterInUse']);
    expect(neutronError(await remove(demo, `/ports/${portId}`))).toEqual([409, 'ServicePortInUse']);
    expect(neutronError(await remove(demo, `/subnets/${subnetId}`))).toEqual([409, 'SubnetInUse']);
    expect((await put(demo, `/routers/${router.id}/remove_router_interface`, { subnet_id: subnetId })).status).toBe(
      200,
    );
    expect((await put(demo, `/routers/${router.id}/remove_router_interface`, { subnet_id: subnetId })).status).toBe(
      404,
    );
    expect((await remove(demo, `/routers/${router.id}`)).status).toBe(204);
  });

  test('have a gateway on an external network alone', async () => {
    const [outside] = ((await get(demo, '/networks?router:external=true')).body as Body).networks;
    const [inner] = ((await get(demo, '/networks?name=private')).body as Body).networks;
    const router = await make(demo, '/routers', {
      router: { name: 'g', external_gateway_info: { network_id: outside.id } },
    });
    expect(router.external_gateway_info).toMatchObject({ network_id: outside.id, enable_snat: true });
    expect(router.external_gateway_info.external_fixed_ips[0].ip_address).toMatch(/^172\.24\.4\./);
    const wrong = { router: { external_gateway_info: { network_id: inner.id } } };
    expect((await put(demo, `/routers/${router.id}`, wrong)).status).toBe(400);
    const snat = { router: { external_gateway_info: { network_id: outside.id, enable_snat: false } } };
    expect((await put(admin, `/routers/${router.id}`, snat)).status).toBe(200);
    const cleared = await put(demo, `/routers/${router.id}`, { router: { external_gateway_info: {} } });
    expect((cleared.body as Body).router.external_gateway_info).toBeNull();
    expect((await remove(demo, `/routers/${router.id}`)).status).toBe(204);
    const left = await get(admin, `/ports?device_id=${router.id}`);
    expect((left.body as Body).ports).toEqual([]);
  });
});

describe('floating IPs', () => {
  test('are refused with the reason, since nothing would answer at them', async () => {
    expect((await get(demo, '/floatingips')).body).toEqual({ floatingips: [] });
    const answer = await post(demo, '/floatingips', { floatingip: { floating_network_id: 'x' } });
    expect(answer.status).toBe(501);
    expect((answer.body as Body).NeutronError.message).toContain('not available');
  });
});

describe('quotas', () => {
  test('are set by admins, and hold also against requests at the same time', async () => {
    const { projects } = api;
    expect(((await get(other, `/quotas/${projects.alt_demo}`)).body as Body).quota).toMatchObject({
      network: 100,
      port: 500,
    });
    expect((await get(other, `/quotas/${projects.demo}`)).status).toBe(403);
    expect((await put(other, `/quotas/${projects.alt_demo}`, { quota: { network: 1 } })).status).toBe(403);
    expect((await put(admin, `/quotas/${projects.alt_demo}`, { quota: { network: 3 } })).status).toBe(200);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) => post(other, '/networks', { network: { name: `q${index}` } })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 409).map((answer) => neutronError(answer)[1])).toEqual(
      Array(5).fill('OverQuota'),
    );
    const detail = await get(admin, `/quotas/${projects.alt_demo}/details.json`);
    expect((detail.body as Body).quota.network).toEqual({ limit: 3, used: 3, reserved: 0 });
    expect((await remove(admin, `/quotas/${projects.alt_demo}`)).status).toBe(204);
    expect(neutronError(await remove(admin, `/quotas/${projects.alt_demo}`))).toEqual([404, 'TenantQuotaNotFound']);
  });
});

describe('operations', () => {
  test('agents are the hosts, for admins', async () => {
    await api.components.records.transact((tx) =>
      tx.create(HOST, {
        name: 'node-1',
        uuid: '7d1cd0f0-0000-4000-8000-000000000001',
        number: 1,
        availabilityZone: 'nova',
        state: 'up',
        disabled: null,
        heartbeatAt: systemClock.now(),
        startedAt: systemClock.now(),
        createdAt: systemClock.now(),
        hypervisorType: 'fake',
        resources: { vcpus: 1, memoryMib: 1, diskGib: 1 },
        traits: [],
        grpcAddress: '',
        vtepAddress: '127.0.0.1:4789',
        hostIp: '',
        cpuInfo: '',
      }),
    );
    const { agents } = (await get(admin, '/agents?host=node-1')).body as Body;
    expect(agents).toMatchObject([{ host: 'node-1', alive: true, configurations: { tunneling_ip: '127.0.0.1' } }]);
    expect((await get(demo, '/agents')).body).toEqual({ agents: [] });
  });

  test('the use of addresses is counted', async () => {
    const { id } = await network('counted');
    await subnet(id, '10.12.0.0/28');
    await port(id);
    const { network_ip_availability: counts } = (await get(admin, `/network-ip-availabilities/${id}`)).body as Body;
    expect(counts).toMatchObject({ total_ips: 13, used_ips: 1 });
  });

  test.each(['/service-providers', '/subnetpools', '/address-scopes', '/availability_zones'])(
    '%s is a list',
    async (path) => {
      expect((await get(demo, path)).status).toBe(200);
    },
  );

  test('a path that is not there is 404, a method that is not 405', async () => {
    expect((await get(demo, '/nonsense')).status).toBe(404);
    expect((await request('PATCH')(demo, '/networks')).status).toBe(405);
  });
});
