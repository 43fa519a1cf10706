// Security groups from record to frame: rules and members reach the nodes of the ports that they concern, and those alone.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PORT, type Port, SECURITY_GROUP_RULE } from '#model';
import { NetworkLab } from '#test/support/network-lab.ts';
import { waitUntil } from '#test/support/wait.ts';

let lab: NetworkLab;

beforeAll(async () => {
  lab = await NetworkLab.start({ hosts: 3 });
});

afterAll(() => lab.stop());

const SHORT = { timeout: 150 };

describe('a guest', () => {
  test('is reached as its rules say, from its own node and from others, and a change takes hold at once', async () => {
    const { network } = await lab.addNetwork();
    const closed = await lab.addGroup('closed');
    const a = await lab.addGuest(network, 'node-1', { securityGroupIds: [closed.id] });
    const near = await lab.addGuest(network, 'node-1');
    const far = await lab.addGuest(network, 'node-2');
    for (const { guest } of [a, near, far]) await guest.dhcp();
    for (const { guest } of [near, far]) expect(await guest.ping(a.guest.ip, SHORT)).toBeUndefined();
    // What it begins itself gets its answers.
    for (const { guest } of [near, far]) expect(await a.guest.ping(guest.ip)).toBeGreaterThan(0);

    const rule = await lab.addRule(closed, { protocol: 'icmp', remoteIpPrefix: `${far.guest.ip}/32` });
    await waitUntil(async () => (await far.guest.ping(a.guest.ip, SHORT)) !== undefined);
    expect(await near.guest.ping(a.guest.ip, SHORT)).toBeUndefined();

    await lab.records.transact((tx) => tx.delete(SECURITY_GROUP_RULE, rule.id));
    await waitUntil(async () => (await far.guest.ping(a.guest.ip, SHORT)) === undefined);
    expect(lab.agents.get('node-1')?.counters().switch.drops['ingress-rules']).toBeGreaterThan(2);
  });

  test('is reached by the members of a group, wherever they are, as long as they are members', async () => {
    const { network } = await lab.addNetwork();
    const clients = await lab.addGroup('clients');
    const servers = await lab.addGroup('servers', { protocol: 'icmp', remoteGroupId: clients.id });
    const server = await lab.addGuest(network, 'node-1', { securityGroupIds: [servers.id] });
    const client = await lab.addGuest(network, 'node-3', { securityGroupIds: [clients.id] });
    const stranger = await lab.addGuest(network, 'node-2');
    for (const { guest } of [server, client, stranger]) await guest.dhcp();
    expect(await client.guest.ping(server.guest.ip)).toBeGreaterThan(0);
    expect(await stranger.guest.ping(server.guest.ip, SHORT)).toBeUndefined();

    const move = (port: Port, ids: readonly string[]) =>
      lab.records.transact((tx) => tx.update(PORT, { ...tx.get(PORT, port.id)!, securityGroupIds: ids }));
    await move(stranger.port, [clients.id]);
    await move(client.port, [servers.id]);
    await waitUntil(async () => (await stranger.guest.ping(server.guest.ip, SHORT)) !== undefined);
    await waitUntil(async () => (await client.guest.ping(server.guest.ip, SHORT)) === undefined);
  });
});

describe('a change of a group', () => {
  test('is told to the nodes that have a port with it, or with a group that names it, and to no other', async () => {
    const { network } = await lab.addNetwork();
    const named = await lab.addGroup('named');
    const used = await lab.addGroup('used', { remoteGroupId: named.id });
    await lab.addGuest(network, 'node-1', { securityGroupIds: [used.id] });
    await lab.addGuest(network, 'node-2');
    const told: string[] = [];
    const subscription = await lab.bus.subscribe('network.v1.host.*.state', ({ subject }) => {
      told.push(subject.split('.')[3] ?? '');
    });
    await lab.addRule(used, { protocol: 'tcp', portRangeMin: 22, portRangeMax: 22 });
    await waitUntil(() => told.length > 0);
    // A member on node-3, of the group that is only named: node-3 learns of its port, node-1 of its address.
    told.length = 0;
    await lab.addGuest(network, 'node-3', { securityGroupIds: [named.id] });
    await waitUntil(() => told.includes('node-1') && told.includes('node-3'));
    told.length = 0;
    await lab.addRule(used, { protocol: 'tcp', portRangeMin: 23, portRangeMax: 23 });
    await waitUntil(() => told.length > 0);
    await subscription.unsubscribe();
    expect(told).toEqual(['node-1']);
  });
});
