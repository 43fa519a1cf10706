import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CumuletError, ManualClock, silentLog } from '#base';
import { createInProcessBus } from '#bus';
import { createRecords, memoryStore } from '#store';
import { PROJECT_ADMIN, PROJECT_READER } from '../policy/checks.ts';
import { type AuthContext, type CatalogEntry, KEYSTONE, Microversion, NOVA, PUBLIC, type Route, route } from './mod.ts';
import { createApi } from './server.ts';

const auth = (...roles: string[]): AuthContext => ({
  userId: 'u',
  userName: 'ada',
  userDomainId: 'default',
  userDomainName: 'Default',
  projectId: 'p',
  systemScope: false,
  roles,
  isAdmin: roles.includes('admin'),
  expiresAt: 0,
  auditId: 'a',
});

const TOKENS: Record<string, AuthContext> = { reader: auth('reader'), admin: auth('admin', 'reader') };

const thing = z.strictObject({ thing: z.strictObject({ name: z.string().min(1).max(5) }) });

const routes: Route[] = [
  route({
    method: 'GET',
    path: '/things',
    rule: 'things:list',
    handler: async () => ({ status: 200, body: { things: [] } }),
  }),
  route({
    method: 'POST',
    path: '/things',
    rule: 'things:create',
    body: thing,
    handler: async ({ body }) => ({ status: 202, body }),
  }),
  route({ method: 'PUT', path: '/things', rule: PUBLIC, handler: async () => ({ status: 204 }) }),
  route({
    method: 'GET',
    path: '/things/:id',
    rule: 'things:list',
    handler: async (context) => ({
      status: 200,
      body: { id: context.param('id'), version: context.microversion.toString() },
    }),
  }),
  route({
    method: 'GET',
    path: '/things/detail',
    rule: 'things:list',
    handler: async () => ({ status: 200, body: 'detail' }),
  }),
  route({
    method: 'GET',
    path: '/later',
    rule: 'things:list',
    microversions: ['2.5'],
    handler: async () => ({ status: 200, body: {} }),
  }),
  route({
    method: 'POST',
    path: '/things/:id/action',
    action: 'start',
    rule: 'things:list',
    handler: async () => ({ status: 202 }),
  }),
  route({
    method: 'POST',
    path: '/things/:id/action',
    action: 'migrate',
    rule: 'things:create',
    handler: async () => ({ status: 202 }),
  }),
  route({
    method: 'GET',
    path: '/broken',
    rule: 'things:list',
    handler: async () => {
      throw new Error('secret detail');
    },
  }),
  route({
    method: 'GET',
    path: '/gone',
    rule: 'things:list',
    handler: async () => {
      throw new CumuletError('not_found', 'Thing x could not be found.');
    },
  }),
];

let server: Server;
let url: string;

beforeAll(async () => {
  const clock = new ManualClock();
  const components = {
    records: createRecords(memoryStore()),
    bus: createInProcessBus(),
    clock,
    log: silentLog,
    region: 'RegionOne',
    tokens: { verify: async (token: string) => TOKENS[token] },
  };
  const rules = { 'things:list': PROJECT_READER, 'things:create': PROJECT_ADMIN };
  const microversions = {
    service: 'compute',
    min: Microversion.parse('2.1'),
    max: Microversion.parse('2.9'),
    legacyHeader: 'X-OpenStack-Nova-API-Version',
  };
  const catalog: CatalogEntry[] = [];
  const compute = {
    name: 'compute',
    dialect: NOVA,
    prefix: '/compute',
    root: '/v2.1',
    routes,
    rules,
    microversions,
    catalog,
  };
  const identity = { name: 'identity', dialect: KEYSTONE, prefix: '/identity', root: '/v3', routes: [], rules: {} };
  const api = createApi(components, [compute, identity]);
  server = createServer(api.app).on('upgrade', api.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

async function call(
  method: string,
  path: string,
  token?: string,
  body?: unknown,
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${url}/compute/v2.1${path}`, {
    method,
    headers: {
      ...(token === undefined ? {} : { 'X-Auth-Token': token }),
      'Content-Type': 'application/json',
      ...headers,
    },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
}

describe('a request', () => {
  it('without a valid token is answered in Keystone words, whichever service was called', async () => {
    for (const token of [undefined, 'stolen']) {
      const { status, headers, body } = await call('GET', '/things', token);
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe(`Keystone uri="${url}/identity"`);
      expect(body.error).toMatchObject({ code: 401, title: 'Unauthorized' });
    }
  });

  it('to a public route needs no token, whatever the other methods of its path need', async () => {
    expect((await call('PUT', '/things')).status).toBe(204);
  });

  it('carries a request id, and the version that was served', async () => {
    const { headers } = await call('GET', '/things/7', 'reader');
    expect(headers.get('x-openstack-request-id')).toMatch(/^req-[0-9a-f-]{36}$/);
    expect(headers.get('x-compute-request-id')).toBe(headers.get('x-openstack-request-id'));
    expect(headers.get('openstack-api-version')).toBe('compute 2.1');
    expect(headers.get('x-openstack-nova-api-version')).toBe('2.1');
    expect(headers.get('vary')).toBe('OpenStack-API-Version, X-OpenStack-Nova-API-Version');
  });

  it.each([
    ['compute 2.7', 200, '2.7'],
    ['compute latest', 200, '2.9'],
    ['volume 3.1', 200, '2.1'],
    ['compute 2.10', 406, undefined],
    ['compute two', 400, undefined],
  ])('asking for %s gets %i', async (version, status, served) => {
    const answer = await call('GET', '/things/7', 'reader', undefined, { 'OpenStack-API-Version': version });
    expect(answer.status).toBe(status);
    if (served !== undefined) expect(answer.body).toEqual({ id: '7', version: served });
  });

  it('finds what is spelled out before what a parameter would take', async () => {
    expect((await call('GET', '/things/detail', 'reader')).body).toBe('detail');
    expect((await call('GET', '/things/', 'reader')).status).toBe(200);
  });

  it('for a route of a later version is a 404', async () => {
    expect((await call('GET', '/later', 'reader')).status).toBe(404);
    expect((await call('GET', '/later', 'reader', undefined, { 'OpenStack-API-Version': 'compute 2.5' })).status).toBe(
      200,
    );
  });

  it('by a method that the path does not have is a 405 that says which it has', async () => {
    const { status, headers, body } = await call('DELETE', '/things', 'reader');
    expect([status, headers.get('allow'), Object.keys(body)]).toEqual([405, 'GET, POST, PUT', ['badMethod']]);
  });

  it('by HEAD answers as GET does, without the body', async () => {
    const { status, headers, body } = await call('HEAD', '/things', 'reader');
    expect([status, headers.get('content-length'), body]).toEqual([200, '13', undefined]);
  });

  it('is refused by its rule before its body is looked at', async () => {
    const { status, body } = await call('POST', '/things', 'reader', { nonsense: 1 });
    expect(status).toBe(403);
    expect(body.forbidden.message).toBe("Policy doesn't allow things:create to be performed.");
  });

  it.each([
    ['{"thing":', 'Malformed request body'],
    [{ thing: { name: 'a', x: 1 } }, "Additional properties are not allowed ('x' was unexpected)"],
    [{ thing: { name: 7 } }, "7 is not of type 'string'"],
    [{ thing: {} }, "'name' is a required property"],
    [{ thing: { name: 'longer' } }, "'longer' is too long"],
  ])('with the body %j is refused with a reason', async (body, message) => {
    const answer = await call('POST', '/things', 'admin', body);
    expect(answer.status).toBe(400);
    expect(answer.body.badRequest.message).toContain(message);
  });

  it('with too large a body is refused without reading it all', async () => {
    const answer = await call('POST', '/things', 'admin', { thing: { name: 'x'.repeat(2_000_000) } });
    expect(answer.status).toBe(413);
  });

  it('of another media type is refused', async () => {
    const answer = await call('POST', '/things', 'admin', 'a=b', {
      'Content-Type': 'application/x-www-form-urlencoded',
    });
    expect(answer.status).toBe(415);
  });

  it('for an action goes to the route of that name, each with its own rule', async () => {
    expect((await call('POST', '/things/7/action', 'reader', { start: null })).status).toBe(202);
    expect((await call('POST', '/things/7/action', 'reader', { migrate: null })).status).toBe(403);
    const unknown = await call('POST', '/things/7/action', 'reader', { fly: null });
    expect([unknown.status, unknown.body.badRequest.message]).toEqual([400, 'There is no such action: fly']);
    expect((await call('POST', '/things/7/action', 'reader', { start: null, migrate: null })).status).toBe(400);
  });

  it('that meets an error of ours gets a 500 that tells nothing but the request id', async () => {
    const { status, headers, body } = await call('GET', '/broken', 'reader');
    expect(status).toBe(500);
    expect(body.computeFault.message).toContain(headers.get('x-openstack-request-id'));
    expect(JSON.stringify(body)).not.toContain('secret');
  });

  it('for what is not there is a 404 in the words of the service', async () => {
    expect((await call('GET', '/gone', 'reader')).body).toEqual({
      itemNotFound: { code: 404, message: 'Thing x could not be found.' },
    });
    const keystone = await fetch(`${url}/identity/v3/nothing`);
    expect([keystone.status, ((await keystone.json()) as { error: { title: string } }).error.title]).toEqual([
      404,
      'Not Found',
    ]);
  });
});
