import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadPasswords, mergeClouds, openrc, writeCredentials } from './credentials.ts';

const PASSWORDS = { admin: 'a1', demo: 'd1', alt_demo: 'x1' };
const URL = 'http://127.0.0.1:8787';

describe('mergeClouds', () => {
  it('makes a file with our clouds and the DevStack names', () => {
    const { clouds } = parse(mergeClouds('', URL, PASSWORDS));
    expect(Object.keys(clouds)).toEqual([
      'cumulet',
      'cumulet-demo',
      'devstack',
      'devstack-admin',
      'devstack-alt',
      'devstack-system-admin',
    ]);
    expect(clouds.cumulet.auth).toMatchObject({ auth_url: `${URL}/identity`, username: 'admin', password: 'a1' });
    expect(clouds['devstack-system-admin'].auth).toMatchObject({ system_scope: 'all' });
  });

  it('keeps other clouds, other keys and comments', () => {
    const mine = '# work\nclouds:\n  acme:\n    auth: {auth_url: https://acme.example} # prod\ncache:\n  class: x\n';
    const merged = mergeClouds(mine, URL, PASSWORDS);
    expect(merged).toContain('# work');
    expect(merged).toContain('# prod');
    expect(parse(merged)).toMatchObject({ cache: { class: 'x' }, clouds: { acme: { auth: {} }, cumulet: {} } });
  });

  it('changes nothing the second time', () => {
    const once = mergeClouds('', URL, PASSWORDS);
    expect(mergeClouds(once, URL, PASSWORDS)).toBe(once);
  });

  it.each(['clouds: [', '- a\n- b\n'])('leaves a file that is no clouds.yaml alone: %j', (text) => {
    expect(() => mergeClouds(text, URL, PASSWORDS)).toThrow('was left as it is');
  });
});

describe('credentials on disk', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cumulet-credentials-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('stay the same from start to start, and only the user can read them', async () => {
    const first = await loadPasswords(folder);
    expect(await loadPasswords(folder)).toEqual(first);
    expect(new Set(Object.values(first)).size).toBe(3);
    const written = await writeCredentials(folder, join(folder, 'config'), URL, first);
    for (const file of [join(folder, 'passwords.json'), written.cloudsYaml, written.openrc]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
    expect(parse(await readFile(written.cloudsYaml, 'utf8')).clouds.cumulet.auth.password).toBe(first.admin);
  });
});

it('a clouds.yaml that cannot be changed keeps nobody from the cloud: the reason is told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cumulet-credentials-'));
  await writeFile(join(folder, 'config'), 'a file where the folder should be');
  const { problem, openrc: rc } = await writeCredentials(folder, join(folder, 'config'), URL, PASSWORDS);
  expect(problem).toMatch(/ENOTDIR/);
  expect(await readFile(rc, 'utf8')).toContain(URL);
  await rm(folder, { recursive: true });
});

it('passwords that cannot be read are named with their file, and not replaced', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cumulet-credentials-'));
  await writeFile(join(folder, 'passwords.json'), '');
  await expect(loadPasswords(folder)).rejects.toThrow(/passwords\.json is damaged .*'make clean-state'/);
  expect(await readFile(join(folder, 'passwords.json'), 'utf8')).toBe('');
  await rm(folder, { recursive: true });
});

it('openrc knows a password for each account', () => {
  for (const [user, password] of Object.entries(PASSWORDS)) {
    expect(openrc(URL, PASSWORDS)).toContain(`${user}) export OS_PASSWORD='${password}'`);
  }
});
