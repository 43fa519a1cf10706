// The unmodified client of Debian (python3-openstackclient) against the image API.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findProgram, tempFolder } from '#test/support/programs.ts';
import { type ImageServer, startImageServer } from './server.ts';

let server: ImageServer;
let folder: ReturnType<typeof tempFolder>;
beforeAll(async () => {
  server = await startImageServer();
  folder = tempFolder('client');
});
afterAll(async () => {
  await server?.stop();
  folder?.remove();
});

async function openstack(...args: string[]): Promise<string> {
  const program = findProgram('openstack', 'python3-openstackclient');
  const login = ['--os-auth-type', 'admin_token', '--os-endpoint', `${server.url}/v2`, '--os-token', 'member@p1'];
  const env = { ...process.env, HOME: folder.path, LANG: 'C.UTF-8' };
  const { stdout } = await promisify(execFile)(program, [...login, ...args], { cwd: folder.path, env });
  return stdout;
}

it('creates, lists, shows, changes, saves and deletes an image', async () => {
  const bytes = randomBytes(300_000);
  writeFileSync(join(folder.path, 'disk.raw'), bytes);
  const formats = ['--disk-format', 'raw', '--container-format', 'bare'];
  const created = await openstack(
    'image',
    'create',
    'web',
    ...formats,
    '--file',
    'disk.raw',
    '--private',
    '-f',
    'json',
  );
  const { id } = JSON.parse(created);
  expect(JSON.parse(await openstack('image', 'list', '-f', 'json'))).toEqual([
    { ID: id, Name: 'web', Status: 'active' },
  ]);
  await openstack('image', 'set', 'web', '--property', 'os_distro=debian', '--min-ram', '64', '--tag', 'blue');
  const shown = JSON.parse(await openstack('image', 'show', 'web', '-f', 'json'));
  expect(shown).toMatchObject({
    id,
    status: 'active',
    size: bytes.length,
    visibility: 'private',
    min_ram: 64,
    tags: ['blue'],
  });
  expect(JSON.stringify(shown.properties)).toContain('debian');
  await openstack('image', 'unset', 'web', '--property', 'os_distro', '--tag', 'blue');
  await openstack('image', 'save', 'web', '--file', 'copy.raw');
  expect(Buffer.compare(readFileSync(join(folder.path, 'copy.raw')), bytes)).toBe(0);
  await openstack('image', 'delete', 'web');
  expect(JSON.parse(await openstack('image', 'list', '-f', 'json'))).toEqual([]);
});

it('tells its user in plain words why a lying image is refused', async () => {
  writeFileSync(join(folder.path, 'lie.qcow2'), randomBytes(4096));
  const lie = openstack('image', 'create', 'lie', '--disk-format', 'qcow2', '--file', 'lie.qcow2');
  await expect(lie).rejects.toMatchObject({ stderr: expect.stringContaining('does not match disk_format') });
});
