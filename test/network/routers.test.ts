// Routers from record to frame: subnets that a router joins reach each other on every node, and no others do.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PORT } from '#model';
import { NetworkLab } from '#test/support/network-lab.ts';
import { waitUntil } from '#test/support/wait.ts';

let lab: NetworkLab;

beforeAll(async () => {
  lab = await NetworkLab.start({ hosts: 3 });
});

afterAll(() => lab.stop());

const SHORT = { timeout: 150 };

test('a router joins networks across nodes, also to a node that has guests of one of them alone', async () => {
  const { network: blue } = await lab.addNetwork({ name: 'blue' }, { cidr: '10.1.0.0/24' });
  const { network: red } = await lab.addNetwork({ name: 'red' }, { cidr: '10.2.0.0/24' });
  const { network: green } = await lab.addNetwork({ name: 'green' }, { cidr: '10.3.0.0/24' });
  const a = await lab.addGuest(blue, 'node-1');
  const b = await lab.addGuest(red, 'node-2');
  const near = await lab.addGuest(red, 'node-1');
  const outsider = await lab.addGuest(green, 'node-3');
  const router = await lab.addRouter([blue, red]);
  for (const { guest } of [a, b, near, outsider]) await guest.dhcp();
  await waitUntil(async () => (await a.guest.ping(b.guest.ip, SHORT)) !== undefined);
  expect(await b.guest.ping(a.guest.ip)).toBeGreaterThan(0);
  expect(await a.guest.ping(near.guest.ip)).toBeGreaterThan(0);
  expect(await near.guest.ping(a.guest.ip)).toBeGreaterThan(0);
  expect(await a.guest.ping('10.2.0.1')).toBeGreaterThan(0);
  expect(await a.guest.ping(outsider.guest.ip, SHORT)).toBeUndefined();

  // A third network, on a node that knew of none of the others.
  const joint = await lab.addInterface(router, green);
  await waitUntil(async () => (await outsider.guest.ping(a.guest.ip, SHORT)) !== undefined);
  expect(await a.guest.ping(outsider.guest.ip)).toBeGreaterThan(0);
  await lab.records.transact((tx) => tx.delete(PORT, joint.id));
  await waitUntil(async () => (await outsider.guest.ping(a.guest.ip, SHORT)) === undefined);
  expect(await a.guest.ping(b.guest.ip)).toBeGreaterThan(0);
});

test('broadcasts stay in their network, and a node is not told of networks that no router joins to its own', async () => {
  const { network: one } = await lab.addNetwork({}, { cidr: '10.5.0.0/24' });
  const { network: two } = await lab.addNetwork({}, { cidr: '10.6.0.0/24' });
  const { network: apart } = await lab.addNetwork({}, { cidr: '10.7.0.0/24' });
  const a = await lab.addGuest(one, 'node-1');
  const b = await lab.addGuest(two, 'node-2');
  await lab.addGuest(apart, 'node-3');
  await lab.addRouter([one, two]);
  for (const { guest } of [a, b]) await guest.dhcp();
  await waitUntil(async () => (await a.guest.ping(b.guest.ip, SHORT)) !== undefined);
  const before = b.guest.received.length;
  a.guest.send(
    Buffer.from(`ffffffffffff${a.guest.mac.replaceAll(':', '')}08060001080006040001${'00'.repeat(20)}`, 'hex'),
  );
  expect(await a.guest.ping(b.guest.ip)).toBeGreaterThan(0);
  const broadcasts = b.guest.received.slice(before).filter((frame) => frame.readUIntBE(0, 6) === 0xffffffffffff);
  expect(broadcasts).toEqual([]);
});
