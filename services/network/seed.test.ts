import { expect, it } from 'vitest';
import { ManualClock } from '#base';
import { NETWORK, PORT, ROUTER, SUBNET } from '#model';
import { createRecords, memoryStore } from '#store';
import { seedNetworks } from './seed.ts';

it('a new cloud has the networks of DevStack, made once', async () => {
  const records = createRecords(memoryStore());
  await records.start();
  const components = { records, clock: new ManualClock(), projects: { admin: 'a', demo: 'd' } };
  await seedNetworks(components);
  const names = records
    .peekList(NETWORK)
    .map(({ value }) => [value.name, value.projectId, value.external, value.shared]);
  expect(names.sort()).toEqual([
    ['private', 'd', false, false],
    ['public', 'a', true, false],
    ['shared', 'a', false, true],
  ]);
  const inside = records.peekList(SUBNET, (subnet) => subnet.name === 'private-subnet')[0]?.value;
  expect(inside).toMatchObject({ cidr: '10.0.0.0/26', gatewayIp: '10.0.0.1', enableDhcp: true });
  const [router] = records.peekList(ROUTER);
  const ports = records.peekList(PORT, (port) => port.deviceId === router?.value.id);
  expect(ports.map(({ value }) => value.deviceOwner).sort()).toEqual([
    'network:router_gateway',
    'network:router_interface',
  ]);
  expect(ports.flatMap(({ value }) => value.fixedIps.map((ip) => ip.ipAddress))).toContain('10.0.0.1');
  const id = records.peekList(NETWORK, (network) => network.name === 'shared')[0]!.value.id;
  await records.transact((tx) => tx.delete(NETWORK, id));
  await seedNetworks(components);
  expect(records.peekList(NETWORK, (network) => network.name === 'shared')).toEqual([]);
  await records.stop();
});
