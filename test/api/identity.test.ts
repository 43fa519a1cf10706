import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PASSWORDS, passwordAuth, startApi, type TestApi } from '../support/api.ts';
import { must, run } from '../support/run.ts';

let api: TestApi;
let admin: string;
let demo: string;

beforeAll(async () => {
  api = await startApi();
  admin = await api.token('admin');
  demo = await api.token('demo');
});
afterAll(() => api.close());

const V3 = '/identity/v3';
const project = (name: string) => ({ project: { name, domain: { name: 'Default' } } });

async function login(user: string, password: string, scope?: unknown) {
  return api.call('POST', `${V3}/auth/tokens`, { body: passwordAuth(user, password, scope) });
}

describe('version documents', () => {
  it('at the root answer 300 with the one version', async () => {
    const { status, body } = await api.call('GET', '/identity');
    expect(status).toBe(300);
    expect(body.versions.values[0]).toMatchObject({ id: 'v3.14', status: 'stable' });
    const v3 = await api.call('GET', V3);
    expect(v3.body.version.links[0].href).toBe(`${api.url}/identity/v3/`);
  });

  it('name the address that the caller used', async () => {
    const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'cloud.example.org' };
    const { body } = await api.call('GET', V3, { headers });
    expect(body.version.links[0].href).toBe('https://cloud.example.org/identity/v3/');
  });
});

describe('a token', () => {
  it('is issued for a password, with roles, catalog and times of Keystone form', async () => {
    const { status, headers, body } = await login('admin', PASSWORDS.admin, project('admin'));
    expect(status).toBe(201);
    expect(headers.get('x-subject-token')?.length).toBeGreaterThan(50);
    const { token } = body;
    expect(token.roles.map((role: { name: string }) => role.name)).toEqual(['admin', 'manager', 'member', 'reader']);
    expect(token.project).toMatchObject({ name: 'admin', domain: { id: 'default', name: 'Default' } });
    expect(token.expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$/);
    expect(token.issued_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const [identity] = token.catalog;
    expect(identity.endpoints.map((each: { interface: string }) => each.interface)).toEqual([
      'public',
      'internal',
      'admin',
    ]);
    expect(identity.endpoints[0]).toMatchObject({ url: `${api.url}/identity`, region: 'RegionOne' });
  });

  it.each([
    ['a wrong password', 'admin', 'wrong', project('admin')],
    ['a user that does not exist', 'nobody', 'x', project('admin')],
    ['a project where the user has no role', 'demo', PASSWORDS.demo, project('admin')],
    ['a project that does not exist', 'admin', PASSWORDS.admin, project('nothing')],
    ['the system without a role on it', 'demo', PASSWORDS.demo, { system: { all: true } }],
  ])('is refused for %s, in the same words', async (_case, user, password, scope) => {
    const { status, body } = await login(user, password, scope);
    expect([status, body.error.message]).toEqual([401, 'The request you have made requires authentication.']);
  });

  it('comes unscoped, scoped to a domain and to the system', async () => {
    const unscoped = await login('demo', PASSWORDS.demo, 'unscoped');
    expect([unscoped.status, unscoped.body.token.roles, unscoped.body.token.catalog]).toEqual([
      201,
      undefined,
      undefined,
    ]);
    const domain = await login('admin', PASSWORDS.admin, { domain: { id: 'default' } });
    expect(domain.body.token.domain).toEqual({ id: 'default', name: 'Default' });
    const system = await login('admin', PASSWORDS.admin, { system: { all: true } });
    expect(system.body.token.system).toEqual({ all: true });
  });

  it('got from a token lives no longer than that one', async () => {
    const first = await login('demo', PASSWORDS.demo);
    const id = first.headers.get('x-subject-token');
    const body = { auth: { identity: { methods: ['token'], token: { id } }, scope: project('demo') } };
    const second = await api.call('POST', `${V3}/auth/tokens`, { body });
    expect(second.status).toBe(201);
    expect(second.body.token.expires_at).toBe(first.body.token.expires_at);
    expect(second.body.token.methods).toEqual(['token', 'password']);
  });

  it('is shown to its owner and to admins alone', async () => {
    const own = await api.call('GET', `${V3}/auth/tokens`, { token: demo, headers: { 'X-Subject-Token': demo } });
    expect([own.status, own.body.token.user.name]).toEqual([200, 'demo']);
    const byAdmin = await api.call('HEAD', `${V3}/auth/tokens`, { token: admin, headers: { 'X-Subject-Token': demo } });
    expect(byAdmin.status).toBe(200);
    const byDemo = await api.call('GET', `${V3}/auth/tokens`, { token: demo, headers: { 'X-Subject-Token': admin } });
    expect(byDemo.status).toBe(403);
  });

  it('is void once revoked, and so are those that were got from it', async () => {
    const token = await api.token('demo');
    const body = { auth: { identity: { methods: ['token'], token: { id: token } }, scope: project('demo') } };
    const child = (await api.call('POST', `${V3}/auth/tokens`, { body })).headers.get('x-subject-token') ?? '';
    const headers = { 'X-Subject-Token': token };
    expect((await api.call('DELETE', `${V3}/auth/tokens`, { token, headers })).status).toBe(204);
    for (const each of [token, child]) {
      expect((await api.call('GET', `${V3}/auth/projects`, { token: each })).status).toBe(401);
    }
  });

  it('that was changed in any byte is worth nothing', async () => {
    for (const at of [0, 5, 20, demo.length - 1]) {
      const letter = demo[at] === 'A' ? 'B' : 'A';
      const forged = demo.slice(0, at) + letter + demo.slice(at + 1);
      expect((await api.call('GET', `${V3}/auth/catalog`, { token: forged })).status).toBe(401);
    }
  });

  it('has one spelling: bits of the last letter that decode to nothing may not differ', async () => {
    const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    for (const letter of letters.replace(demo.at(-1)!, '')) {
      const respelled = demo.slice(0, -1) + letter;
      expect((await api.call('GET', `${V3}/auth/catalog`, { token: respelled })).status).toBe(401);
    }
  });
});

describe('users, projects and roles', () => {
  it('follow a user through its life: created, given a role, password changed, disabled, deleted', async () => {
    const created = await api.call('POST', `${V3}/users`, {
      token: admin,
      body: { user: { name: 'eve', password: 'one' } },
    });
    expect(created.status).toBe(201);
    expect(created.body.user).not.toHaveProperty('password');
    const id = created.body.user.id;
    const again = await api.call('POST', `${V3}/users`, { token: admin, body: { user: { name: 'eve' } } });
    expect([again.status, again.body.error.title]).toEqual([409, 'Conflict']);
    const roles = await api.call('GET', `${V3}/roles?name=member`, { token: admin });
    const grant = `${V3}/projects/${api.projects.demo}/users/${id}/roles/${roles.body.roles[0].id}`;
    expect((await api.call('HEAD', grant, { token: admin })).status).toBe(404);
    expect((await api.call('PUT', grant, { token: admin })).status).toBe(204);
    expect((await api.call('HEAD', grant, { token: admin })).status).toBe(204);
    const logged = await login('eve', 'one', project('demo'));
    const token = logged.headers.get('x-subject-token') ?? '';
    const change = { user: { original_password: 'one', password: 'two' } };
    expect((await api.call('POST', `${V3}/users/${id}/password`, { token, body: change })).status).toBe(204);
    expect((await api.call('GET', `${V3}/auth/projects`, { token })).status).toBe(401);
    expect((await login('eve', 'one')).status).toBe(401);
    const fresh = (await login('eve', 'two', project('demo'))).headers.get('x-subject-token') ?? '';
    const disabled = await api.call('PATCH', `${V3}/users/${id}`, { token: admin, body: { user: { enabled: false } } });
    expect(disabled.body.user.enabled).toBe(false);
    expect((await api.call('GET', `${V3}/auth/projects`, { token: fresh })).status).toBe(401);
    expect((await api.call('DELETE', `${V3}/users/${id}`, { token: admin })).status).toBe(204);
    const assignments = await api.call('GET', `${V3}/role_assignments?user.id=${id}`, { token: admin });
    expect(assignments.body.role_assignments).toEqual([]);
  });

  it('are closed to a member, but for what is its own', async () => {
    for (const path of ['/users', '/projects', '/domains', '/roles', '/role_assignments', '/services', '/endpoints']) {
      expect((await api.call('GET', V3 + path, { token: demo })).status).toBe(403);
    }
    expect((await api.call('GET', `${V3}/projects/${api.projects.demo}`, { token: demo })).status).toBe(200);
    expect((await api.call('GET', `${V3}/projects/${api.projects.admin}`, { token: demo })).status).toBe(403);
    expect((await api.call('POST', `${V3}/users`, { token: demo, body: { user: { name: 'x' } } })).status).toBe(403);
  });

  it('list with filters, and in pages when asked', async () => {
    const all = await api.call('GET', `${V3}/projects`, { token: admin });
    expect(all.body.projects.map((each: { name: string }) => each.name)).toEqual([
      'admin',
      'alt_demo',
      'demo',
      'service',
    ]);
    expect(all.body.links).toEqual({ next: null, previous: null, self: `${api.url}${V3}/projects` });
    const some = await api.call('GET', `${V3}/projects?name__contains=demo&limit=1`, { token: admin });
    expect(some.body.projects.map((each: { name: string }) => each.name)).toEqual(['alt_demo']);
    const next = await fetch(some.body.links.next, { headers: { 'X-Auth-Token': admin } });
    expect(((await next.json()) as { projects: { name: string }[] }).projects.map((each) => each.name)).toEqual([
      'demo',
    ]);
  });

  it('of a deleted project leave nothing behind', async () => {
    const made = await api.call('POST', `${V3}/projects`, { token: admin, body: { project: { name: 'short' } } });
    expect(made.body.project).toMatchObject({ domain_id: 'default', parent_id: 'default', is_domain: false });
    const { id } = made.body.project;
    const users = await api.call('GET', `${V3}/users?name=demo`, { token: admin });
    const roles = await api.call('GET', `${V3}/roles?name=reader`, { token: admin });
    const grant = `${V3}/projects/${id}/users/${users.body.users[0].id}/roles/${roles.body.roles[0].id}`;
    await api.call('PUT', grant, { token: admin });
    expect((await api.call('DELETE', `${V3}/projects/${id}`, { token: admin })).status).toBe(204);
    expect((await api.call('GET', `${V3}/projects/${id}`, { token: admin })).status).toBe(404);
    const left = await api.call('GET', `${V3}/role_assignments?scope.project.id=${id}`, { token: admin });
    expect(left.body.role_assignments).toEqual([]);
  });

  it('of a domain go with it, and only once it is disabled', async () => {
    const made = await api.call('POST', `${V3}/domains`, { token: admin, body: { domain: { name: 'acme' } } });
    const { id } = made.body.domain;
    await api.call('POST', `${V3}/users`, { token: admin, body: { user: { name: 'wile', domain_id: id } } });
    expect((await api.call('DELETE', `${V3}/domains/${id}`, { token: admin })).status).toBe(403);
    await api.call('PATCH', `${V3}/domains/${id}`, { token: admin, body: { domain: { enabled: false } } });
    expect((await api.call('DELETE', `${V3}/domains/${id}`, { token: admin })).status).toBe(204);
    const users = await api.call('GET', `${V3}/users?domain_id=${id}`, { token: admin });
    expect(users.body.users).toEqual([]);
  });
});

it('an application credential opens its project with its roles, until it is deleted', async () => {
  const me = (await api.call('GET', `${V3}/auth/tokens`, { token: demo, headers: { 'X-Subject-Token': demo } })).body
    .token;
  const path = `${V3}/users/${me.user.id}/application_credentials`;
  const made = await api.call('POST', path, { token: demo, body: { application_credential: { name: 'ci' } } });
  expect(made.status).toBe(201);
  const { id, secret } = made.body.application_credential;
  const identity = { methods: ['application_credential'], application_credential: { id, secret } };
  const logged = await api.call('POST', `${V3}/auth/tokens`, { body: { auth: { identity } } });
  expect([logged.status, logged.body.token.project.name]).toEqual([201, 'demo']);
  const token = logged.headers.get('x-subject-token') ?? '';
  expect((await api.call('GET', `${path}/${id}`, { token: demo })).body.application_credential.secret).toBeUndefined();
  expect((await api.call('POST', path, { token, body: { application_credential: { name: 'more' } } })).status).toBe(
    403,
  );
  expect((await api.call('DELETE', `${path}/${id}`, { token: demo })).status).toBe(204);
  expect((await api.call('GET', `${V3}/auth/projects`, { token })).status).toBe(401);
});

describe('the stock client', () => {
  const env = (): NodeJS.ProcessEnv => ({
    ...process.env,
    OS_AUTH_URL: `${api.url}/identity`,
    OS_USERNAME: 'admin',
    OS_PASSWORD: PASSWORDS.admin,
    OS_PROJECT_NAME: 'admin',
    OS_USER_DOMAIN_ID: 'default',
    OS_PROJECT_DOMAIN_ID: 'default',
    OS_IDENTITY_API_VERSION: '3',
    OS_REGION_NAME: 'RegionOne',
  });

  it('logs in, lists, creates, grants and deletes', async () => {
    const openstack = (...args: string[]) => must('openstack', args, { env: env() });
    expect(JSON.parse(await openstack('token', 'issue', '-f', 'json')).project_id).toBe(api.projects.admin);
    expect(JSON.parse(await openstack('catalog', 'list', '-f', 'json'))[0]).toMatchObject({ Name: 'keystone' });
    await openstack('project', 'create', 'lab');
    await openstack('user', 'create', '--password', 'pw', '--project', 'lab', 'ann');
    await openstack('role', 'add', '--user', 'ann', '--project', 'lab', 'member');
    const held = JSON.parse(await openstack('role', 'assignment', 'list', '--user', 'ann', '--names', '-f', 'json'));
    expect(held).toMatchObject([{ Role: 'member', User: 'ann@Default', Project: 'lab@Default' }]);
    await openstack('role', 'remove', '--user', 'ann', '--project', 'lab', 'member');
    await openstack('user', 'delete', 'ann');
    await openstack('project', 'delete', 'lab');
    const endpoints = JSON.parse(await openstack('endpoint', 'list', '-f', 'json'));
    expect(endpoints).toHaveLength(3);
  });

  it('is told in words why it may not come in', async () => {
    const { code, stderr } = await run('openstack', ['token', 'issue'], { env: { ...env(), OS_PASSWORD: 'wrong' } });
    expect(code).toBe(1);
    expect(stderr).toContain('The request you have made requires authentication. (HTTP 401)');
  });
});
