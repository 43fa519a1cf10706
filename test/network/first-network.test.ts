// Guests of one network get their address by DHCP and reach each other, on one node and across nodes; guests of others
// do not see them; and it goes on through restarts of agents and of the controller.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST, PORT, ROUTER_INTERFACE } from '#model';
import { NetworkLab } from '#test/support/network-lab.ts';
import { waitUntil } from '#test/support/wait.ts';

let lab: NetworkLab;

beforeAll(async () => {
  lab = await NetworkLab.start({ hosts: 3 });
});

afterAll(() => lab.stop());

describe('a network', () => {
  test('gives its guests their addresses, and they ping each other on one node and across nodes', async () => {
    const { network } = await lab.addNetwork({ name: 'one' });
    const a = await lab.addGuest(network, 'node-1', { dnsName: 'web-a' });
    const b = await lab.addGuest(network, 'node-1', {}, 'ethernet');
    const c = await lab.addGuest(network, 'node-2');
    const d = await lab.addGuest(network, 'node-3');
    for (const { guest, port } of [a, b, c, d]) {
      const lease = await guest.dhcp();
      expect(lease.ip).toBe(port.fixedIps[0]?.ipAddress);
      expect(lease.options.get(26)?.readUInt16BE()).toBe(1500);
    }
    for (const from of [a, b, c, d]) {
      for (const to of [a, b, c, d]) {
        if (from !== to) expect(await from.guest.ping(to.guest.ip), `${from.host} to ${to.host}`).toBeGreaterThan(0);
      }
    }
    // The largest packet of the network crosses nodes in one piece.
    expect(await a.guest.ping(c.guest.ip, { size: 1500 - 28 })).toBeGreaterThan(0);
    expect(await a.guest.ping(c.guest.ip, { size: 1500 - 27, timeout: 200 })).toBeUndefined();
    expect(lab.agents.get('node-1')?.counters().switch.drops['too-big']).toBe(1);
  });

  test('says the host name by DHCP, and serves networks without a gateway', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '192.168.7.0/29', gatewayIp: null });
    const { guest } = await lab.addGuest(network, 'node-2', { dnsName: 'lonely' });
    const lease = await guest.dhcp();
    expect(lease.options.get(12)?.toString()).toBe('lonely');
    expect(lease.options.has(3)).toBe(false);
    expect(lease.server).toBe('169.254.169.254');
  });

  test("its router's address answers on every node", async () => {
    const { network, subnetId } = await lab.addNetwork({}, { cidr: '10.9.0.0/24' });
    await lab.addPort(network, {
      deviceOwner: ROUTER_INTERFACE,
      deviceId: 'router1',
      fixedIps: [{ subnetId, ipAddress: '10.9.0.1' }],
    });
    for (const host of ['node-1', 'node-2']) {
      const { guest } = await lab.addGuest(network, host);
      expect((await guest.dhcp()).options.get(3)?.toString('hex')).toBe('0a090001');
      expect(await guest.ping('10.9.0.1')).toBeGreaterThan(0);
    }
  });

  test('does not see the frames of another, even with the same addresses on the same nodes', async () => {
    const first = await lab.addNetwork({}, { cidr: '10.5.0.0/24' });
    const second = await lab.addNetwork({}, { cidr: '10.5.0.0/24' });
    const at = (ip: string) => ({ fixedIps: [{ ipAddress: ip }] });
    const a = await lab.addGuest(first.network, 'node-1', at('10.5.0.10'));
    const b = await lab.addGuest(first.network, 'node-2', at('10.5.0.11'));
    const stranger = await lab.addGuest(second.network, 'node-2', at('10.5.0.11'));
    const alone = await lab.addGuest(second.network, 'node-1', at('10.5.0.12'));
    for (const { guest } of [a, b, stranger, alone]) await guest.dhcp();
    stranger.guest.received.length = 0;
    expect(await a.guest.ping('10.5.0.11')).toBeGreaterThan(0);
    expect(await a.guest.ping('10.5.0.12', { timeout: 200 })).toBeUndefined();
    expect(await alone.guest.ping('10.5.0.10', { timeout: 200 })).toBeUndefined();
    // The strangers heard each other alone.
    const senders = new Set(stranger.guest.received.map((frame) => frame.readUIntBE(6, 6).toString(16)));
    expect(senders).not.toContain(a.port.macAddress.replaceAll(':', ''));
  });
});

describe('a restart', () => {
  test('of an agent: guests are found again, and nobody loses an address', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.20.0.0/24' });
    const a = await lab.addGuest(network, 'node-1');
    const b = await lab.addGuest(network, 'node-2');
    for (const { guest } of [a, b]) await guest.dhcp();
    expect(await a.guest.ping(b.guest.ip)).toBeGreaterThan(0);
    await lab.stopAgent('node-1');
    expect(await b.guest.ping(a.guest.ip, { timeout: 200 })).toBeUndefined();
    await lab.startAgent('node-1');
    await lab.plugAll('node-1');
    await waitUntil(() => b.guest.ping(a.guest.ip, { timeout: 200 }));
    expect((await a.guest.dhcp()).ip).toBe(a.port.fixedIps[0]?.ipAddress);
    expect(lab.records.peek(PORT, a.port.id)?.value.status).toBe('ACTIVE');
  });

  test('of an agent while no controller runs: it forwards as before', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.21.0.0/24' });
    const a = await lab.addGuest(network, 'node-3');
    const b = await lab.addGuest(network, 'node-3');
    for (const { guest } of [a, b]) await guest.dhcp();
    await lab.stopController();
    await lab.stopAgent('node-3');
    await lab.startAgent('node-3');
    await lab.plugAll('node-3');
    await waitUntil(() => a.guest.ping(b.guest.ip, { timeout: 200 }));
    await lab.startController();
  });

  test('of the controller: what was changed meanwhile reaches the agents', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.22.0.0/24' });
    const a = await lab.addGuest(network, 'node-1');
    await a.guest.dhcp();
    await lab.stopController();
    const late = lab.addGuest(network, 'node-2');
    await lab.startController();
    const b = await late;
    await b.guest.dhcp();
    expect(await a.guest.ping(b.guest.ip)).toBeGreaterThan(0);
  });

  test('of a guest process: the agent connects again', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.23.0.0/24' });
    const { guest, port } = await lab.addGuest(network, 'node-1');
    await guest.dhcp();
    await guest.stop();
    await lab.untilStatus(port.id, 'DOWN');
    const { PretendGuest } = await import('#test/support/pretend-guest.ts');
    const again = await new PretendGuest(guest.path, guest.mac).start();
    await lab.untilStatus(port.id, 'ACTIVE');
    expect((await again.dhcp()).ip).toBe(port.fixedIps[0]?.ipAddress);
    await again.stop();
  });
});

describe('a port', () => {
  test('that is deleted is out of reach at once, on all nodes', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.30.0.0/24' });
    const a = await lab.addGuest(network, 'node-1');
    const b = await lab.addGuest(network, 'node-2');
    for (const { guest } of [a, b]) await guest.dhcp();
    expect(await a.guest.ping(b.guest.ip)).toBeGreaterThan(0);
    await lab.records.transact((tx) => tx.delete(PORT, b.port.id));
    await waitUntil(async () => (await a.guest.ping(b.guest.ip, { timeout: 100 })) === undefined);
  });

  test('whose guest does not read stalls nobody else', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.31.0.0/24' });
    const a = await lab.addGuest(network, 'node-1');
    const stalled = await lab.addGuest(network, 'node-1');
    const c = await lab.addGuest(network, 'node-1');
    for (const { guest } of [a, stalled, c]) await guest.dhcp();
    await a.guest.ping(stalled.guest.ip);
    stalled.guest.stall();
    for (let round = 0; round < 60; round++) {
      for (let count = 0; count < 50; count++) void a.guest.ping(stalled.guest.ip, { size: 1400, timeout: 1 });
      expect(await a.guest.ping(c.guest.ip)).toBeGreaterThan(0);
    }
    const counters = lab.agents.get('node-1')?.counters();
    expect(counters?.ports[stalled.port.id]?.drops['queue-full']).toBeGreaterThan(0);
  });

  test('of a host whose tunnel endpoint moves stays in reach', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.32.0.0/24' });
    const a = await lab.addGuest(network, 'node-1');
    const b = await lab.addGuest(network, 'node-2');
    for (const { guest } of [a, b]) await guest.dhcp();
    const before = lab.records.peek(HOST, 'node-2')?.value.vtepAddress;
    await lab.stopAgent('node-2');
    await lab.startAgent('node-2');
    await lab.plugAll('node-2');
    expect(lab.records.peek(HOST, 'node-2')?.value.vtepAddress).not.toBe(before);
    await waitUntil(() => a.guest.ping(b.guest.ip, { timeout: 200 }));
  });
});

describe('addresses', () => {
  test('of ports made at the same time are never given twice', async () => {
    const { network } = await lab.addNetwork({}, { cidr: '10.40.0.0/26' });
    const made = await Promise.allSettled(Array.from({ length: 70 }, () => lab.addPort(network, {})));
    const ports = made.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(ports).toHaveLength(61);
    expect(new Set(ports.map((port) => port.fixedIps[0]?.ipAddress)).size).toBe(61);
    expect(new Set(ports.map((port) => port.macAddress)).size).toBe(61);
  });

  test('VNIs of networks made at the same time are never given twice', async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => lab.addNetwork({}, null)));
    expect(new Set(made.map(({ network }) => network.segmentationId)).size).toBe(20);
  });
});
