// The full Debian as a server of the cloud, made with the stock client as its README says: it boots on its own kernel, has
// its address by DHCP, and takes name, key and user data from the config drive.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type CloudFolders, CloudProcess, cloudFolders } from '#test/support/cloud.ts';
import { DEBIAN_APPEND, DEBIAN_USER_DATA, debianImage } from '#test/support/debian-image.ts';
import { GuestConsole } from '#test/support/guest-console.ts';
import { waitUntil } from '#test/support/wait.ts';

const MINUTES = 60_000;
let folders: CloudFolders;
let cloud: CloudProcess;
let console: GuestConsole;
let address: string;

beforeAll(async () => {
  await debianImage('full');
  folders = await cloudFolders('debian');
  cloud = await CloudProcess.start(folders);
}, 60 * MINUTES);
afterAll(async () => {
  console?.close();
  await cloud?.end('SIGINT');
  await folders?.dispose();
});

const created = async (...words: string[]): Promise<string> =>
  (await cloud.openstack([...words, '-f', 'value', '-c', 'id'], 'cumulet', { timeout: 5 * MINUTES })).trim();

it('is an image of three parts', { timeout: 10 * MINUTES }, async () => {
  const { kernel, initrd, disk } = await debianImage('full');
  const part = (name: string, format: string, file: string, ...more: string[]): Promise<string> => {
    const formats = ['--disk-format', format, '--container-format', format === 'qcow2' ? 'bare' : format];
    return created('image', 'create', '--file', file, ...formats, ...more, name);
  };
  const kernelId = await part('debian-kernel', 'aki', kernel);
  const ramdiskId = await part('debian-ramdisk', 'ari', initrd);
  const properties = [`kernel_id=${kernelId}`, `ramdisk_id=${ramdiskId}`, `os_command_line=${DEBIAN_APPEND}`];
  await part('debian', 'qcow2', disk, ...properties.flatMap((property) => ['--property', property]));
  expect(await cloud.openstack(['image', 'show', 'debian', '-f', 'value', '-c', 'status'])).toBe('active\n');
});

it('becomes a server that boots to a login', { timeout: 10 * MINUTES }, async () => {
  const userData = join(folders.home, 'user-data');
  writeFileSync(userData, DEBIAN_USER_DATA);
  const key = await cloud.openstack(['keypair', 'create', 'mine']);
  expect(key).toContain('PRIVATE KEY');
  const what = ['--image', 'debian', '--flavor', 'm1.small', '--network', 'private', '--key-name', 'mine'];
  const id = await created(
    'server',
    'create',
    ...what,
    '--config-drive',
    'True',
    '--user-data',
    userData,
    '--wait',
    'deb',
  );
  const server = (await cloud.api('GET', `/compute/v2.1/servers/${id}`)).body.server;
  expect(server.status).toBe('ACTIVE');
  address = server.addresses.private[0].addr;
  console = await GuestConsole.open(cloud.url, await cloud.token(), id);
  await console.expect(/deb login: $/, 8 * MINUTES);
  await waitUntil(async () => {
    console.type('debian\n');
    await console.expect(/Password: $/, MINUTES);
    console.type('penguin\n');
    return !(await console.expect(/Login incorrect[\s\S]*login: $|\$ $/, MINUTES)).includes('incorrect');
  }, 5 * MINUTES);
  expect(await cloud.openstack(['console', 'log', 'show', 'deb'])).toMatch(/Linux version .*Debian/);
});

it('has its address, its key, its name and its services', { timeout: 10 * MINUTES }, async () => {
  await console.run('export TERM=dumb PAGER=cat SYSTEMD_COLORS=0');
  const state = await console.run('systemctl is-system-running --wait || systemctl --failed', 8 * MINUTES);
  expect(state.output).toBe('running');
  expect((await console.run('hostname')).output).toBe('deb');
  expect((await console.run('ip -4 -brief addr show scope global')).output).toContain(`${address}/26`);
  const shown = (await cloud.openstack(['keypair', 'show', '--public-key', 'mine'])).trim().split(' ')[1]!;
  expect((await console.run('cat ~/.ssh/authorized_keys')).output.replaceAll(/\s/g, '')).toContain(shown);
  expect((await console.run('systemctl is-active ssh systemd-networkd systemd-resolved')).output).toBe(
    'active\nactive\nactive',
  );
  expect(
    (await console.run('cloud-init status --long | grep -i datasource; cat /run/cloud-init/cloud-id')).output,
  ).toMatch(/configdrive|config-drive|openstack/i);
  // The disk of the flavor, not that of the image.
  expect(Number((await console.run('df -m --output=size / | tail -n 1')).output)).toBeGreaterThan(15_000);
});

it('stops in order', { timeout: 10 * MINUTES }, async () => {
  await cloud.openstack(['server', 'stop', 'deb']);
  await console.expect(/reboot: Power down/, 4 * MINUTES);
  await waitUntil(
    async () => (await cloud.openstack(['server', 'show', 'deb', '-f', 'value', '-c', 'status'])) === 'SHUTOFF\n',
    MINUTES,
  );
});
