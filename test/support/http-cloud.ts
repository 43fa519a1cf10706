// The least of a cloud that a client process can log in to: a token, a catalog, and whatever routes a test gives it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface Reply {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpCloud {
  readonly origin: string;
  readonly server: Server;
  /** How often somebody logged in. */
  logins(): number;
  /** Writes a clouds.yaml with the cloud `cumulet` below this home folder. */
  writeConfig(home: string): void;
  close(): Promise<void>;
}

/** `route` gets `GET /compute/v2.1/...` without the query, and the length of the body that arrived. */
export async function startHttpCloud(
  route: (what: string, bytes: number, request: IncomingMessage) => Reply | undefined,
): Promise<HttpCloud> {
  let logins = 0;
  let origin = '';
  const login = (): Reply => {
    logins += 1;
    const endpoints = (path: string) => [{ interface: 'public', region_id: 'RegionOne', url: origin + path }];
    const catalog = [
      { type: 'compute', endpoints: endpoints('/compute/v2.1') },
      { type: 'image', endpoints: endpoints('/image') },
    ];
    const token = { expires_at: '2099-01-01T00:00:00Z', user: { id: 'u', name: 'admin' }, catalog };
    return { status: 201, body: { token }, headers: { 'x-subject-token': 'kept' } };
  };
  const answer = (what: string, bytes: number, request: IncomingMessage): Reply => {
    if (what === 'POST /identity/v3/auth/tokens') return login();
    if (request.headers['x-auth-token'] !== 'kept') return { status: 401, body: { error: { message: 'Log in.' } } };
    const missing = { status: 404, body: { itemNotFound: { message: `no ${what}` } } };
    return route(what, bytes, request) ?? { ...missing, headers: { 'x-openstack-request-id': 'req-9' } };
  };
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      const what = `${request.method} ${request.url?.split('?')[0]}`;
      const { status = 200, body, headers = {} } = answer(what, bytes, request);
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    server,
    logins: () => logins,
    writeConfig: (home) => {
      const folder = join(home, '.config/openstack');
      mkdirSync(folder, { recursive: true });
      const auth = `{auth_url: "${origin}/identity", username: admin, password: p, project_name: admin}`;
      writeFileSync(
        join(folder, 'clouds.yaml'),
        `clouds:\n  cumulet:\n    region_name: RegionOne\n    auth: ${auth}\n`,
      );
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
