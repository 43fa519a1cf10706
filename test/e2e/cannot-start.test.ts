// A cloud that cannot start says why, in words and with what to do, harms nobody and leaves nothing running; and it starts
// where there is next to nothing.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CloudFolders, CloudProcess, cloudFolders, processesWith, ROOT } from '../support/cloud.ts';
import { run } from '../support/run.ts';

const CUMULET = join(ROOT, 'bin/cumulet');
const FAKE = ['all', '--driver', 'fake', '--nodes', '1'] as const;

/** Starts a cloud that must not come up: what it says, once it has ended. */
async function refused(folders: CloudFolders, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(CUMULET, [...FAKE, ...args], { env: folders.env, timeout: 30_000 });
  // 2 where one of its arguments is to blame.
  expect([code === 1 || code === 2, stdout]).toEqual([true, '']);
  expect(stderr).toMatch(/^cumulet: /);
  // Words, not the insides of a program.
  expect(stderr.trim().split('\n')).toHaveLength(1);
  return stderr;
}

describe('beside a cloud that runs', () => {
  let folders: CloudFolders;
  let cloud: CloudProcess;
  beforeAll(async () => {
    folders = await cloudFolders('beside');
    cloud = await CloudProcess.start(folders, [...FAKE, '--port', '0']);
  });
  afterAll(async () => {
    await cloud?.end('SIGTERM');
    await folders?.dispose();
  });

  it('a second one on the same state is refused, and is told of the first, which runs on', async () => {
    const words = await refused(folders, '--port', '0');
    expect(words).toContain(`A cloud runs on ${folders.state} already (pid ${cloud.pid}, ${cloud.url})`);
    expect(words).toContain('make down');
    expect((await cloud.api('GET', '/compute/v2.1/servers')).status).toBe(200);
    // Its note is still there: a third one is told too, and `down` finds it.
    expect(JSON.parse(await readFile(join(folders.state, 'running.json'), 'utf8'))).toMatchObject({ pid: cloud.pid });
  });

  it('one on the same port is refused, and starts on another one', async () => {
    const other = await cloudFolders('port');
    const { port } = new URL(cloud.url);
    try {
      expect(await refused(other, '--port', port)).toMatch(/^cumulet: Port \d+ of 127\.0\.0\.1 is taken.*--port N/);
      expect(await processesWith(other.state)).toEqual([]);
      const next = await CloudProcess.start(other, [...FAKE, '--port', '0']);
      expect((await next.api('GET', '/compute/v2.1/servers')).status).toBe(200);
      await next.end('SIGTERM');
    } finally {
      await other.dispose();
    }
  });
});

describe('in a place of its own', () => {
  let folders: CloudFolders;
  afterEach(() => folders?.dispose());

  it('of two that start at once on the same state, one comes up', async () => {
    folders = await cloudFolders('race');
    const both = await Promise.allSettled([1, 2].map(() => CloudProcess.start(folders, [...FAKE, '--port', '0'])));
    const up = both.filter((each) => each.status === 'fulfilled').map(({ value }) => value);
    const down = both.filter((each) => each.status === 'rejected').map(({ reason }) => String(reason));
    expect([up.length, down]).toEqual([1, [expect.stringMatching(/A cloud runs on|is in use by process/)]]);
    expect((await up[0]!.api('GET', '/compute/v2.1/servers')).status).toBe(200);
    await up[0]!.end('SIGTERM');
  });

  it('a state folder that is a file, or whose files are damaged, is named', async () => {
    folders = await cloudFolders('place');
    const file = join(folders.home, 'file');
    await writeFile(file, '');
    expect(await refused(folders, '--state', file)).toMatch(/file is no folder.*--state DIR/);
    expect(await refused(folders, '--state', join(file, 'deeper'))).toMatch(/is no folder.*--state DIR/);
    await mkdir(folders.state);
    await writeFile(join(folders.state, 'passwords.json'), '{"admin":');
    expect(await refused(folders)).toMatch(/passwords\.json is damaged.*make clean-state/);
  });

  it('an address that the machine does not have, and a disk without room', async (context) => {
    folders = await cloudFolders('room');
    expect(await refused(folders, '--listen', '192.0.2.1')).toMatch(/192\.0\.2\.1: this machine has no such address/);
    const small = join(folders.home, 'small');
    await mkdir(small);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small], { stdio: 'ignore' });
    } catch {
      context.skip('only root may mount a small disk');
    }
    try {
      expect(await refused(folders, '--state', join(small, 'state'))).toMatch(/no room left/);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('a clouds.yaml that is none of ours is left as it is, and the cloud comes up and says so', async () => {
    folders = await cloudFolders('yaml');
    const file = join(folders.home, 'config', 'openstack', 'clouds.yaml');
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, 'clouds: [');
    const cloud = await CloudProcess.start(folders, [...FAKE, '--port', '0']);
    expect(cloud.output).toMatch(/clouds +not written: .*is not valid YAML and was left as it is/);
    expect(cloud.output).toMatch(/openrc +\S+openrc/);
    expect(await readFile(file, 'utf8')).toBe('clouds: [');
    await cloud.end('SIGTERM');
  });

  it('with an environment of a home and a PATH it comes up, real guests and all', async () => {
    folders = await cloudFolders('bare');
    const env = { HOME: folders.home, PATH: '/usr/bin:/bin' };
    const bare = { ...folders, env };
    const cloud = await CloudProcess.start(bare, ['all', '--port', '0', '--nodes', '1']);
    const state = join(folders.home, '.local/share/cumulet');
    expect(existsSync(join(folders.home, '.config/openstack/clouds.yaml'))).toBe(true);
    const args = [
      'server',
      'create',
      '--image',
      'tiny',
      '--flavor',
      'm1.nano',
      '--network',
      'private',
      '--wait',
      'bare',
    ];
    expect(await cloud.cloudctl([...args, '-f', 'value', '-c', 'status'])).toBe('ACTIVE\n');
    expect(await processesWith(join(state, 'node-1', 'instances'))).toHaveLength(1);
    await cloud.end('SIGTERM');
    expect(await processesWith(state)).toEqual([]);
    await run(CUMULET, ['clean-state'], { env });
    expect(existsSync(state)).toBe(false);
  });
});
