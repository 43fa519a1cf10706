// An API over the in-memory store on an ephemeral port, with the accounts of a new cloud, for tests of requests and answers.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiComponents, type Area, createApi, identityArea, seedIdentity, TokenService } from '#api';
import { silentLog, systemClock } from '#base';
import { createInProcessBus } from '#bus';
import { createRecords, memoryStore } from '#store';

export const PASSWORDS = { admin: 'secret-a', demo: 'secret-d', alt_demo: 'secret-x' };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
  readonly body: any;
}

export interface CallOptions {
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface TestApi {
  readonly url: string;
  readonly components: ApiComponents;
  readonly projects: Readonly<Record<'admin' | 'demo' | 'alt_demo' | 'service', string>>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** A token of one of the accounts, scoped to the project of the same name. */
  token(user: keyof typeof PASSWORDS, project?: string): Promise<string>;
  close(): Promise<void>;
}

export async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { token, headers, body } = options;
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(token === undefined ? {} : { 'X-Auth-Token': token }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    body: body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body),
    redirect: 'manual',
  });
  const text = await response.text();
  const json = (response.headers.get('content-type') ?? '').includes('json');
  return { status: response.status, headers: response.headers, body: json && text !== '' ? JSON.parse(text) : text };
}

export const passwordAuth = (user: string, password: string, scope?: unknown) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name: user, domain: { id: 'default' }, password } } },
    ...(scope === undefined ? {} : { scope }),
  },
});

export async function startApi(areasOf: (components: ApiComponents) => readonly Area[] = () => []): Promise<TestApi> {
  const store = memoryStore();
  const records = createRecords(store);
  await records.start();
  const tokens = new TokenService(records, systemClock);
  const { projects } = await seedIdentity(records, PASSWORDS);
  await tokens.start();
  const bus = createInProcessBus();
  const components: ApiComponents = {
    records,
    bus,
    clock: systemClock,
    log: silentLog,
    region: 'RegionOne',
    tokens,
  };
  const api = createApi(components, [identityArea(tokens), ...areasOf(components)]);
  const server: Server = createServer(api.app).on('upgrade', api.upgrade);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    components,
    projects,
    call: (method, path, options) => call(url, method, path, options),
    async token(user, project = user) {
      const scope = { project: { name: project, domain: { id: 'default' } } };
      const answer = await call(url, 'POST', '/identity/v3/auth/tokens', {
        body: passwordAuth(user, PASSWORDS[user], scope),
      });
      return answer.headers.get('x-subject-token') ?? '';
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await tokens.stop();
      await records.stop();
      await bus.close();
      await store.close();
    },
  };
}
