// What a token that is scoped to a domain reaches: its domain and nothing else, whatever its roles.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Answer, passwordAuth, startApi, type TestApi } from '#test/support/api.ts';

const V3 = '/identity/v3';

let api: TestApi;
let cloud: string;
/** A domain with an admin, a reader, a user, a project and a group; another domain with the same. */
const acme: Record<'domain' | 'admin' | 'reader' | 'user' | 'project' | 'group', string> = {
  domain: '',
  admin: '',
  reader: '',
  user: '',
  project: '',
  group: '',
};
const other: Record<'domain' | 'user' | 'project' | 'group', string> = { domain: '', user: '', project: '', group: '' };
let roles: Record<string, string>;

const ask = (token: string, method: string, path: string, body?: unknown): Promise<Answer> =>
  api.call(method, `${V3}${path}`, { token, body });

async function make(kind: string, body: Record<string, unknown>, token = cloud): Promise<string> {
  const answer = await ask(token, 'POST', `/${kind}s`, { [kind]: body });
  expect(answer.status).toBe(201);
  return answer.body[kind].id;
}

async function scoped(name: string, domainId: string): Promise<string> {
  const body = {
    auth: {
      identity: {
        methods: ['password'],
        password: { user: { name, domain: { id: domainId }, password: 'secret' } },
      },
      scope: { domain: { id: domainId } },
    },
  };
  const answer = await api.call('POST', `${V3}/auth/tokens`, { body });
  expect(answer.status).toBe(201);
  return answer.headers.get('x-subject-token') ?? '';
}

beforeAll(async () => {
  api = await startApi();
  cloud = await api.token('admin');
  const listed = (await ask(cloud, 'GET', '/roles')).body.roles as { id: string; name: string }[];
  roles = Object.fromEntries(listed.map(({ id, name }) => [name, id]));
  for (const [name, place] of [
    ['acme', acme],
    ['other', other],
  ] as const) {
    place.domain = await make('domain', { name });
    place.user = await make('user', { name: 'wile', domain_id: place.domain, password: 'secret' });
    place.project = await make('project', { name: 'road', domain_id: place.domain });
    place.group = await make('group', { name: 'birds', domain_id: place.domain });
  }
  for (const [name, role] of [
    ['boss', 'admin'],
    ['clerk', 'reader'],
  ] as const) {
    const id = await make('user', { name, domain_id: acme.domain, password: 'secret' });
    const grant = `/domains/${acme.domain}/users/${id}/roles/${roles[role]}`;
    expect((await ask(cloud, 'PUT', grant)).status).toBe(204);
  }
  acme.admin = await scoped('boss', acme.domain);
  acme.reader = await scoped('clerk', acme.domain);
});

afterAll(() => api.close());

describe('who administers a domain', () => {
  it('makes, changes and removes its users, projects and groups', async () => {
    const user = await make('user', { name: 'new' }, acme.admin);
    expect((await ask(cloud, 'GET', `/users/${user}`)).body.user.domain_id).toBe(acme.domain);
    expect((await ask(acme.admin, 'PATCH', `/users/${user}`, { user: { email: 'a@b' } })).status).toBe(200);
    const grant = `/projects/${acme.project}/users/${user}/roles/${roles.member}`;
    expect((await ask(acme.admin, 'PUT', grant)).status).toBe(204);
    expect((await ask(acme.admin, 'DELETE', grant)).status).toBe(204);
    expect((await ask(acme.admin, 'PUT', `/groups/${acme.group}/users/${user}`)).status).toBe(204);
    expect((await ask(acme.admin, 'DELETE', `/users/${user}`)).status).toBe(204);
    const project = await make('project', { name: 'rail' }, acme.admin);
    expect((await ask(acme.admin, 'DELETE', `/projects/${project}`)).status).toBe(204);
  });

  const elsewhere: readonly (readonly [
    what: string,
    method: string,
    path: () => string,
    body: unknown,
    status: number,
  ])[] = [
    ['another user', 'GET', () => `/users/${other.user}`, undefined, 404],
    ["another user's password", 'PATCH', () => `/users/${other.user}`, { user: { password: 'x' } }, 404],
    ['removing another user', 'DELETE', () => `/users/${other.user}`, undefined, 404],
    ["another user's credentials", 'GET', () => `/users/${other.user}/application_credentials`, undefined, 404],
    ['another project', 'GET', () => `/projects/${other.project}`, undefined, 404],
    ['changing another project', 'PATCH', () => `/projects/${other.project}`, { project: { enabled: false } }, 404],
    ['removing another project', 'DELETE', () => `/projects/${other.project}`, undefined, 404],
    ['tags of another project', 'PUT', () => `/projects/${other.project}/tags`, { tags: ['x'] }, 404],
    ['another group', 'GET', () => `/groups/${other.group}`, undefined, 404],
    ['joining another group', 'PUT', () => `/groups/${other.group}/users/${acme.user}`, undefined, 404],
    ['another domain', 'GET', () => `/domains/${other.domain}`, undefined, 404],
    ['changing its domain', 'PATCH', () => `/domains/${acme.domain}`, { domain: { enabled: false } }, 403],
    ['a new domain', 'POST', () => '/domains', { domain: { name: 'third' } }, 403],
    ['a new role', 'POST', () => '/roles', { role: { name: 'third' } }, 403],
    ['what a role implies', 'PUT', () => `/roles/${roles.reader}/implies/${roles.admin}`, undefined, 403],
    ['a role of the system', 'PUT', () => `/system/users/${acme.user}/roles/${roles.admin}`, undefined, 403],
    ['roles of the system', 'GET', () => `/system/users/${acme.user}/roles`, undefined, 403],
    [
      'a role on another project',
      'PUT',
      () => `/projects/${other.project}/users/${acme.user}/roles/${roles.member}`,
      undefined,
      404,
    ],
    [
      'a role on another domain',
      'PUT',
      () => `/domains/${other.domain}/users/${acme.user}/roles/${roles.member}`,
      undefined,
      404,
    ],
    [
      'a role for a user of another domain',
      'PUT',
      () => `/projects/${acme.project}/users/${other.user}/roles/${roles.member}`,
      undefined,
      404,
    ],
    [
      'the role admin, which is admin of the cloud',
      'PUT',
      () => `/projects/${acme.project}/users/${acme.user}/roles/${roles.admin}`,
      undefined,
      403,
    ],
  ];

  it.each(elsewhere)('does not reach %s', async (_what, method, path, body, status) => {
    expect((await ask(acme.admin, method, path(), body)).status).toBe(status);
  });

  it.each(['user', 'project', 'group'])('makes no %s in another domain', async (kind) => {
    const answer = await ask(acme.admin, 'POST', `/${kind}s`, { [kind]: { name: 'x', domain_id: other.domain } });
    expect(answer.status).toBe(403);
  });

  it('makes no project below one of another domain', async () => {
    const body = { project: { name: 'x', parent_id: other.project } };
    expect((await ask(acme.admin, 'POST', '/projects', body)).status).toBe(404);
  });
});

describe('who reads a domain', () => {
  it.each(['users', 'projects', 'groups', 'domains'])('sees its %s alone', async (kind) => {
    for (const token of [acme.reader, acme.admin]) {
      const found = (await ask(token, 'GET', `/${kind}`)).body[kind] as { id: string; domain_id?: string }[];
      expect(found.length).toBeGreaterThan(0);
      expect(new Set(found.map((each) => (kind === 'domains' ? each.id : each.domain_id)))).toEqual(
        new Set([acme.domain]),
      );
    }
  });

  it('sees the assignments of its domain alone', async () => {
    const found = (await ask(acme.reader, 'GET', '/role_assignments')).body.role_assignments as {
      scope: { domain?: { id: string }; system?: unknown };
    }[];
    expect(found.length).toBeGreaterThan(0);
    for (const { scope } of found) expect(scope.domain?.id).toBe(acme.domain);
  });

  it('does not look elsewhere, nor change anything', async () => {
    for (const path of [`/users/${other.user}`, `/projects/${other.project}`, `/groups/${other.group}`]) {
      expect((await ask(acme.reader, 'GET', path)).status).toBe(404);
    }
    expect((await ask(acme.reader, 'PATCH', `/users/${acme.user}`, { user: { email: 'x' } })).status).toBe(403);
  });
});

describe('who administers the cloud', () => {
  it('reaches every domain', async () => {
    const login = await api.call('POST', `${V3}/auth/tokens`, {
      body: passwordAuth('admin', 'secret-a', { system: { all: true } }),
    });
    for (const token of [cloud, login.headers.get('x-subject-token') ?? '']) {
      expect((await ask(token, 'GET', `/users/${other.user}`)).status).toBe(200);
      expect((await ask(token, 'GET', `/projects/${acme.project}`)).status).toBe(200);
      const grant = `/system/users/${other.user}/roles/${roles.reader}`;
      expect((await ask(token, 'PUT', grant)).status).toBe(204);
      expect((await ask(token, 'DELETE', grant)).status).toBe(204);
    }
  });
});
