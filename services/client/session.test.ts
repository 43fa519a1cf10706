import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connect, passwordConfig } from './cloud.ts';
import type { HttpRequest, HttpResponse } from './http.ts';
import { fileTokenCache } from './token-cache.ts';

const config = passwordConfig('http://k/identity', 'demo', 'pw', 'demo');

interface Reply {
  status?: number;
  body?: unknown;
  headers?: Record<string, string>;
}

/** A cloud of which every token is made by counting; `reply` answers everything but logins. */
function cloud(reply: (request: HttpRequest) => Reply, cacheFolder?: string, now?: () => number) {
  let logins = 0;
  const requests: HttpRequest[] = [];
  const respond = ({ status = 200, body, headers = {} }: Reply): HttpResponse => ({
    status,
    headers: { 'content-type': 'application/json', ...headers },
    text: async () => (body === undefined ? '' : JSON.stringify(body)),
    get stream(): never {
      throw new Error('not streamed');
    },
  });
  const transport = async (request: HttpRequest): Promise<HttpResponse> => {
    if (request.url.endsWith('/auth/tokens')) {
      logins += 1;
      const token = {
        expires_at: '2030-01-01T00:00:00.000000Z',
        user: { id: 'u', name: 'demo' },
        catalog: [{ type: 'compute', endpoints: [{ interface: 'public', url: 'http://c/v2.1' }] }],
      };
      return respond({ status: 201, body: { token }, headers: { 'x-subject-token': `token-${logins}` } });
    }
    requests.push(request);
    return respond(reply(request));
  };
  const cache = cacheFolder === undefined ? undefined : fileTokenCache(cacheFolder, now);
  return { ...connect(config, { transport, cache }), requests, logins: () => logins };
}

describe('a session', () => {
  it('logs in once for many calls', async () => {
    const { compute, logins, requests } = cloud(() => ({ body: { flavors: [] } }));
    await Promise.all([compute.flavors.list(), compute.flavors.list()]);
    await compute.flavors.list();
    expect(logins()).toBe(1);
    expect(requests.map((one) => one.headers['x-auth-token'])).toEqual(['token-1', 'token-1', 'token-1']);
  });

  it('logs in again, once, when the token turns out to be void', async () => {
    const { compute, logins } = cloud(({ headers }) =>
      headers['x-auth-token'] === 'token-1' ? { status: 401 } : { body: { flavors: [] } },
    );
    await compute.flavors.list();
    expect(logins()).toBe(2);
  });

  it('gives up when the new token is refused too', async () => {
    const { compute, logins } = cloud(() => ({
      status: 401,
      body: { error: { message: 'No.', title: 'Unauthorized' } },
    }));
    await expect(compute.flavors.list()).rejects.toMatchObject({ code: 401, message: 'No.' });
    expect(logins()).toBe(2);
  });

  it('sends the newest microversion unless another is configured', async () => {
    const { session, requests } = cloud(() => ({ body: {} }));
    await session.call('compute', 'GET', '/servers');
    await session.call('compute', 'GET', '/servers', { microversion: '2.79' });
    expect(requests.map((one) => one.headers['openstack-api-version'])).toEqual(['compute latest', 'compute 2.79']);
  });

  it('carries request id, status and type of a refusal', async () => {
    const body = { conflictingRequest: { code: 409, message: 'Busy.' } };
    const { compute } = cloud(() => ({ status: 409, body, headers: { 'x-openstack-request-id': 'req-7' } }));
    await expect(compute.action('s', 'os-start')).rejects.toMatchObject({
      message: 'Busy.',
      code: 409,
      type: 'conflictingRequest',
      requestId: 'req-7',
      service: 'compute',
      url: 'http://c/v2.1/servers/s/action',
    });
  });
});

describe('lists', () => {
  it('follow the next link of every page, keeping the filters', async () => {
    const pages: Record<string, Reply> = {
      'http://c/v2.1/servers/detail?status=ACTIVE': {
        body: {
          servers: [{ id: 'a' }],
          servers_links: [{ rel: 'next', href: 'https://elsewhere/servers/detail?marker=a&limit=1' }],
        },
      },
      'http://c/v2.1/servers/detail?status=ACTIVE&marker=a&limit=1': { body: { servers: [{ id: 'b' }] } },
    };
    const { compute } = cloud(({ url }) => pages[url] ?? { status: 500 });
    expect((await compute.servers.list({ status: 'ACTIVE' })).map((one) => one.id)).toEqual(['a', 'b']);
  });

  it('stop at one page when the caller wants no more, and at an empty page', async () => {
    const links = [{ rel: 'next', href: 'http://c/servers/detail?marker=a' }];
    const full = cloud(() => ({ body: { servers: [{ id: 'a' }], servers_links: links } }));
    expect(await full.compute.servers.list({ limit: 1 })).toHaveLength(1);
    expect(full.requests).toHaveLength(1);
    const empty = cloud(() => ({ body: { servers: [], servers_links: links } }));
    expect(await empty.compute.servers.list()).toEqual([]);
  });
});

describe('tokens between runs', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'cumulet-tokens-')), 'tokens');
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true }));
  const ok = () => ({ body: { flavors: [] } });
  const file = () => join(folder, readdirSync(folder)[0] ?? '');

  it('are kept in a file that only its owner can read, and used again', async () => {
    await cloud(ok, folder).compute.flavors.list();
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const second = cloud(ok, folder);
    await second.compute.flavors.list();
    expect(second.logins()).toBe(0);
  });

  it('are not used when they are about to end', async () => {
    await cloud(ok, folder).compute.flavors.list();
    const later = cloud(ok, folder, () => Date.parse('2029-12-31T23:59:30Z'));
    await later.compute.flavors.list();
    expect(later.logins()).toBe(1);
  });

  it('are not used when others could read or have written them', async () => {
    await cloud(ok, folder).compute.flavors.list();
    chmodSync(file(), 0o644);
    const second = cloud(ok, folder);
    await second.compute.flavors.list();
    expect(second.logins()).toBe(1);
  });

  it('are renewed once when their catalog lacks the service that is wanted', async () => {
    await cloud(ok, folder).compute.flavors.list();
    const second = cloud(ok, folder);
    await expect(second.network.networks.list()).rejects.toThrow('public endpoint for network service not found');
    expect(second.logins()).toBe(1);
  });

  it('belong to one set of credentials', () => {
    const cache = fileTokenCache(folder, () => 0);
    const token = {
      secret: 's',
      expiresAt: '2030-01-01T00:00:00Z',
      user: { id: 'u', name: 'n' },
      roles: [],
      catalog: [],
    };
    cache.write(config, token);
    expect(cache.read(config)?.secret).toBe('s');
    expect(cache.read(passwordConfig('http://k/identity', 'demo', 'other', 'demo'))).toBeUndefined();
    expect(cache.read(passwordConfig('http://k/identity', 'demo', 'pw', 'other'))).toBeUndefined();
  });
});
