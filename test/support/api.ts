// An API over the in-memory store on an ephemeral port, with the accounts of a new cloud, for tests of requests and answers.

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ApiComponents, type Area, createApi, identityArea, seedIdentity, TokenService } from '#api';
import { silentLog, systemClock } from '#base';
import { createInProcessBus } from '#bus';
import { createRecords, memoryStore } from '#store';

import { type Answer, type CallOptions, call, passwordAuth } from './http.ts';

export { type Answer, type CallOptions, call, passwordAuth } from './http.ts';

export const PASSWORDS = { admin: 'secret-a', demo: 'secret-d', alt_demo: 'secret-x' };

export interface TestApi {
  readonly url: string;
  readonly components: ApiComponents;
  readonly projects: Readonly<Record<'admin' | 'demo' | 'alt_demo' | 'service', string>>;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** A token of one of the accounts, scoped to the project of the same name. */
  token(user: keyof typeof PASSWORDS, project?: string): Promise<string>;
  close(): Promise<void>;
}

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
