// Keypairs over HTTP: statuses and fields by microversion, whose they are, what is refused.

import { createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { computeArea, servers } from '#api';
import { type Answer, startApi, type TestApi } from '#test/support/api.ts';

// Of a key made for this test; the fingerprint is what `ssh-keygen -l -E md5` says of it.
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g';

let api: TestApi;
let admin: string;
let demo: string;
let demoId: string;

beforeAll(async () => {
  api = await startApi((components) => [computeArea(servers(components))]);
  [admin, demo] = [await api.token('admin'), await api.token('demo')];
  const own = await api.call('GET', '/identity/v3/auth/tokens', { token: demo, headers: { 'X-Subject-Token': demo } });
  demoId = own.body.token.user.id;
});

afterAll(() => api.close());

const ask = (token: string, method: string, path: string, version = '2.1', body?: unknown): Promise<Answer> =>
  api.call(method, `/compute/v2.1/os-keypairs${path}`, {
    token,
    body,
    headers: { 'OpenStack-API-Version': `compute ${version}` },
  });

const create = (keypair: Record<string, unknown>, version = '2.1', token = demo): Promise<Answer> =>
  ask(token, 'POST', '', version, { keypair });

describe('a keypair', () => {
  it('that is sent is kept, shown, and refused a second time', async () => {
    const made = await create({ name: 'sent', public_key: KEY });
    expect(made.status).toBe(200);
    expect(made.body.keypair).toEqual({
      name: 'sent',
      public_key: KEY,
      user_id: demoId,
      fingerprint: expect.stringMatching(/^([0-9a-f]{2}:){15}[0-9a-f]{2}$/),
    });
    const { keypair } = (await ask(demo, 'GET', '/sent')).body;
    expect(keypair).toMatchObject({
      name: 'sent',
      user_id: demoId,
      deleted: false,
      deleted_at: null,
      updated_at: null,
    });
    expect(keypair.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
    expect(Number.isInteger(keypair.id)).toBe(true);
    const again = await create({ name: 'sent', public_key: KEY });
    expect([again.status, again.body.conflictingRequest.message]).toEqual([409, "Key pair 'sent' already exists."]);
  });

  it('that is made here hands out its private half once', async () => {
    const made = await create({ name: 'made' });
    const { private_key: privateKey, public_key: publicKey } = made.body.keypair;
    expect(createPublicKey(privateKey).asymmetricKeyType).toBe('rsa');
    expect(publicKey).toMatch(/^ssh-rsa /);
    expect((await ask(demo, 'GET', '/made')).body.keypair).not.toHaveProperty('private_key');
  });

  it('has a type from 2.2 on, and the statuses change with it', async () => {
    expect((await create({ name: 't', type: 'ssh', public_key: KEY })).status).toBe(400);
    const made = await create({ name: 't', type: 'ssh', public_key: KEY }, '2.2');
    expect([made.status, made.body.keypair.type]).toEqual([201, 'ssh']);
    expect((await ask(demo, 'GET', '/t', '2.1')).body.keypair).not.toHaveProperty('type');
    expect((await ask(demo, 'DELETE', '/t', '2.2')).status).toBe(204);
    await create({ name: 't', public_key: KEY });
    expect((await ask(demo, 'DELETE', '/t', '2.1')).status).toBe(202);
    expect((await ask(demo, 'DELETE', '/t', '2.1')).status).toBe(404);
  });

  it('of another user can be reached by admins alone, from 2.10 on', async () => {
    expect((await ask(admin, 'GET', '/sent')).status).toBe(404);
    expect((await ask(admin, 'GET', `/sent?user_id=${demoId}`, '2.9')).status).toBe(404);
    expect((await ask(admin, 'GET', `/sent?user_id=${demoId}`, '2.10')).status).toBe(200);
    const given = await create({ name: 'given', public_key: KEY, user_id: demoId }, '2.10', admin);
    expect([given.status, given.body.keypair.user_id]).toEqual([201, demoId]);
    expect((await ask(demo, 'GET', '/given')).status).toBe(200);
    expect((await ask(demo, 'GET', '/x?user_id=somebody', '2.10')).status).toBe(403);
    expect((await create({ name: 'x', public_key: KEY, user_id: 'somebody' }, '2.10')).status).toBe(403);
    expect((await ask(demo, 'DELETE', '/given?user_id=somebody', '2.10')).status).toBe(403);
  });

  it.each([
    ['a name with a slash', { name: 'a/b', public_key: KEY }, 'unsafe characters'],
    ['a name with a dot', { name: 'a.b', public_key: KEY }, 'unsafe characters'],
    ['an empty name', { name: '', public_key: KEY }, 'too short'],
    ['a long name', { name: 'x'.repeat(256), public_key: KEY }, 'too long'],
    ['no name', { public_key: KEY }, "'name' is a required property"],
    ['a public key that is none', { name: 'x', public_key: 'not a key' }, 'failed to generate fingerprint'],
    ['an unknown key', { name: 'x', public_key: KEY, colour: 'red' }, 'Additional properties are not allowed'],
  ])('is refused for %s', async (_what, keypair, message) => {
    const answer = await create(keypair);
    expect(answer.status).toBe(400);
    expect(answer.body.badRequest.message).toContain(message);
  });

  it('more than the quota allows is refused', async () => {
    const limit = (key_pairs: number) =>
      api.call('PUT', `/compute/v2.1/os-quota-sets/${api.projects.demo}`, {
        token: admin,
        body: { quota_set: { key_pairs } },
      });
    const { keypairs } = (await ask(demo, 'GET', '')).body;
    await limit(keypairs.length);
    const over = await create({ name: 'over', public_key: KEY });
    expect([over.status, over.body.forbidden?.message]).toEqual([403, 'Quota exceeded, too many key pairs.']);
    await limit(-1);
    expect((await create({ name: 'over', public_key: KEY })).status).toBe(200);
  });

  it('list is in order of name, and paged from 2.35 on', async () => {
    const names = (answer: Answer) =>
      answer.body.keypairs.map(({ keypair }: { keypair: { name: string } }) => keypair.name);
    const all = names(await ask(demo, 'GET', ''));
    expect(all).toEqual([...all].sort());
    expect(names(await ask(demo, 'GET', '?limit=1', '2.34'))).toEqual(all);
    const first = await ask(demo, 'GET', '?limit=1', '2.35');
    expect(names(first)).toEqual(all.slice(0, 1));
    expect(first.body.keypairs_links[0].rel).toBe('next');
    expect((await ask(demo, 'GET', '?marker=no-such', '2.35')).status).toBe(400);
  });

  it('whose name another user has too is another keypair', async () => {
    expect((await create({ name: 'sent', public_key: KEY }, '2.1', admin)).status).toBe(200);
    expect((await ask(admin, 'DELETE', '/sent')).status).toBe(202);
    expect((await ask(demo, 'GET', '/sent')).status).toBe(200);
  });
});
