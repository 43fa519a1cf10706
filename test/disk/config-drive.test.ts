// The config drive as other programs read it.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildConfigDrive } from '#disk';

const run = promisify(execFile);
let image: string;
let folder: string;

const files: Record<string, Uint8Array> = {
  'openstack/latest/meta_data.json': Buffer.from('{"uuid": "0", "hostname": "web1"}'),
  'openstack/latest/user_data': Buffer.from('#!/bin/sh\necho hello\n'.repeat(500)),
  'openstack/latest/network_data.json': Buffer.from('{}'),
  'openstack/2018-08-27/meta_data.json': Buffer.from('{}'),
  'ec2/latest/meta-data.json': Buffer.from('{}'),
};

async function isoinfo(...args: string[]): Promise<Buffer> {
  try {
    return (await run('isoinfo', ['-i', image, ...args], { encoding: 'buffer' })).stdout;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') {
      throw new Error('isoinfo is missing: apt-get install genisoimage');
    }
    throw error;
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-config-drive-'));
  image = join(folder, 'config.iso');
  await writeFile(image, buildConfigDrive(files));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('has its label, and Rock Ridge names', async () => {
  const about = (await isoinfo('-d')).toString();
  expect(about).toContain('Volume id: config-2');
  expect(about).toContain('Rock Ridge signatures version 1 found');
  const paths = (await isoinfo('-R', '-f')).toString().trim().split('\n');
  for (const path of Object.keys(files)) expect(paths).toContain(`/${path}`);
});

it('gives every file back', async () => {
  for (const [path, content] of Object.entries(files)) {
    expect(Buffer.compare(await isoinfo('-R', '-x', `/${path}`), content), path).toBe(0);
  }
});
