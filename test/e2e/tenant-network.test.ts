// A tenant's networks with real guests: two subnets joined by a router, a security group, and metadata without a config
// drive, all made with the stock client. The guests' kernels are the judges.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CloudFolders, CloudProcess, cloudFolders } from '../support/cloud.ts';
import { GuestConsole } from '../support/guest-console.ts';
import { waitUntil } from '../support/wait.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGU7cXmWPBQ0XWmbwSkRnOhgXEZ4cTHlYlCbuUgGKGwV visitor';
const USER_DATA = '#!/bin/sh\necho "user data was here" > /run/user-data-ran\n';

let folders: CloudFolders;
let cloud: CloudProcess;
let blue: GuestConsole;

beforeAll(async () => {
  folders = await cloudFolders('tenant');
  cloud = await CloudProcess.start(folders);
});
afterAll(async () => {
  await cloud?.end('SIGINT');
  await folders?.dispose();
});

const openstack = (command: string): Promise<string> => cloud.openstack(command.split(' '));

async function boot(name: string, network: string, ...more: string[]): Promise<{ id: string; ip: string }> {
  const image = '--image tiny --flavor m1.tiny --wait'.split(' ');
  await cloud.openstack(['server', 'create', ...image, '--network', network, ...more, name]);
  const { body } = await cloud.api('GET', `/compute/v2.1/servers/detail?name=^${name}$`);
  const [server] = body.servers;
  return { id: server.id, ip: server.addresses[network][0].addr };
}

it('a guest gets key, name and user data from the metadata service', async () => {
  const [key, data] = [join(folders.home, 'key.pub'), join(folders.home, 'user-data')];
  await writeFile(key, `${KEY}\n`);
  await writeFile(data, USER_DATA);
  await openstack(`keypair create --public-key ${key} visitor`);
  for (const [name, range] of [
    ['blue', '10.1.0.0/24'],
    ['red', '10.2.0.0/24'],
  ] as const) {
    await openstack(`network create ${name}`);
    await openstack(`subnet create --network ${name} --subnet-range ${range} ${name}-subnet`);
  }
  const { id } = await boot('a', 'blue', '--key-name', 'visitor', '--user-data', data);
  blue = await GuestConsole.open(cloud.url, await cloud.token(), id);
  await blue.login();
  const run = async (command: string): Promise<string> => (await blue.run(command)).output;
  await waitUntil(async () => (await run('cat /run/user-data-ran')).includes('user data was here'), 30_000);
  expect(await run('sudo cat /home/cirros/.ssh/authorized_keys')).toContain(KEY);
  expect(await run('hostname')).toBe('a');
  const get = (path: string) => run(`wget -qO- http://169.254.169.254${path}`);
  expect(await get('/openstack/latest/meta_data.json')).toContain(id);
  expect(await get('/latest/meta-data/local-ipv4')).toMatch(/10\.1\.0\.\d+/);
  // What has changed since is told as it is now.
  await openstack('server set --property colour=green a');
  await waitUntil(async () => (await get('/openstack/latest/meta_data.json')).includes('"colour":"green"'), 20_000);
});

it('a router joins two subnets, and a security group decides who is let in', async () => {
  await openstack('security group create guarded');
  const { ip } = await boot('b', 'red', '--security-group', 'guarded');
  const pings = async (): Promise<boolean> => (await blue.run(`ping -c 1 -W 1 ${ip}`)).status === 0;
  expect(await pings()).toBe(false);
  await openstack('router create r1');
  await openstack('router add subnet r1 blue-subnet');
  await openstack('router add subnet r1 red-subnet');
  expect(await pings()).toBe(false);
  await openstack('security group rule create --protocol icmp --remote-ip 10.1.0.0/24 guarded');
  await waitUntil(pings, 20_000);
  await openstack('router remove subnet r1 red-subnet');
  await waitUntil(async () => !(await pings()), 20_000);
});
