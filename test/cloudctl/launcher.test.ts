// The command line as it is installed: the launcher, through a link on the PATH, against a server that speaks HTTP.

import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { tempFolder } from '../support/programs.ts';
import { run } from '../support/run.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/cloudctl', import.meta.url));
const folder = tempFolder('cloudctl');
const home = join(folder.path, 'home');
const link = join(folder.path, 'bin/cloudctl');

let server: Server;
let origin: string;
let logins = 0;
const uploads: { length: string | undefined; bytes: number }[] = [];

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bytes = 0;
  for await (const chunk of request) bytes += (chunk as Buffer).length;
  const send = (status: number, body?: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const image = { id: 'i1', name: 'big', status: 'active', size: bytes };
  const route = `${request.method} ${request.url?.split('?')[0]}`;
  if (route === 'POST /identity/v3/auth/tokens') {
    logins += 1;
    const endpoints = (path: string) => [{ interface: 'public', region_id: 'RegionOne', url: origin + path }];
    const catalog = [
      { type: 'compute', endpoints: endpoints('/compute/v2.1') },
      { type: 'image', endpoints: endpoints('/image') },
    ];
    const token = { expires_at: '2099-01-01T00:00:00Z', user: { id: 'u', name: 'admin' }, catalog };
    return send(201, { token }, { 'x-subject-token': 'kept' });
  }
  if (request.headers['x-auth-token'] !== 'kept') return send(401, { error: { message: 'Log in.' } });
  switch (route) {
    case 'GET /compute/v2.1/flavors/detail':
      return send(200, { flavors: [{ id: '1', name: 'm1.tiny', ram: 512 }] });
    case 'POST /image/v2/images':
      return send(201, { ...image, status: 'queued' });
    case 'PUT /image/v2/images/i1/file':
      uploads.push({ length: request.headers['content-length'], bytes });
      return send(204);
    case 'GET /image/v2/images/i1':
      return send(200, image);
    default:
      return send(404, { itemNotFound: { message: `no ${route}` } }, { 'x-openstack-request-id': 'req-9' });
  }
}

beforeAll(async () => {
  server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  mkdirSync(join(home, '.config/openstack'), { recursive: true });
  mkdirSync(join(folder.path, 'bin'));
  symlinkSync(LAUNCHER, link);
  const auth = `{auth_url: "${origin}/identity", username: admin, password: p, project_name: admin}`;
  writeFileSync(
    join(home, '.config/openstack/clouds.yaml'),
    `clouds:\n  cumulet:\n    region_name: RegionOne\n    auth: ${auth}\n`,
  );
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  folder.remove();
});

function cloudctl(...args: string[]) {
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: home };
  if (process.env.NODE_COMPILE_CACHE) env.NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE;
  return run(link, args, { env, cwd: folder.path });
}

it('runs through a link, finds clouds.yaml, logs in once and keeps the token for its owner alone', async () => {
  const flavors = () => cloudctl('flavor', 'list', '-f', 'value', '-c', 'Name', '-c', 'RAM');
  expect(await flavors()).toEqual({ code: 0, stdout: 'm1.tiny 512\n', stderr: '' });
  expect(await flavors()).toEqual({ code: 0, stdout: 'm1.tiny 512\n', stderr: '' });
  expect(logins).toBe(1);
  expect(statSync(join(home, '.cache/cumulet/tokens')).mode & 0o777).toBe(0o700);
});

it('uploads a file as a stream with its length', async () => {
  const file = join(folder.path, 'big.raw');
  writeFileSync(file, Buffer.alloc(5_000_000, 7));
  const { code, stderr, stdout } = await cloudctl('image', 'create', '--file', file, 'big', '-f', 'value', '-c', 'id');
  expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: 'i1\n' });
  expect(uploads).toEqual([{ length: '5000000', bytes: 5_000_000 }]);
});

it('ends with 1 when a call fails and with 2 when the command line is wrong', async () => {
  const failed = await cloudctl('server', 'list');
  expect(failed).toEqual({
    code: 1,
    stdout: '',
    stderr: 'no GET /compute/v2.1/servers/detail (HTTP 404) (Request-ID: req-9)\n',
  });
  expect((await cloudctl('server', 'list', '--bogus')).code).toBe(2);
});

it('says what to do when nothing listens', async () => {
  const { code, stderr } = await cloudctl(
    'token',
    'issue',
    '--os-auth-url',
    'http://127.0.0.1:1/identity',
    '--os-username',
    'a',
    '--os-password',
    'b',
  );
  expect(code).toBe(1);
  expect(stderr).toBe(
    'Unable to establish connection to http://127.0.0.1:1: nothing listens there (is the cloud up?)\n',
  );
});

it('starts quickly: a list with a kept token takes less than 150 ms of processor time beyond an empty Node', async () => {
  const processorMs = async (program: string, ...args: string[]): Promise<number> => {
    const times = await run('sh', ['-c', `"$@" >/dev/null; times`, 'sh', program, ...args], {
      env: { PATH: process.env.PATH, HOME: home },
    });
    // The second line is the children's: user and system, as 0m0.123s.
    const children = times.stdout.trim().split('\n')[1] ?? '';
    return [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
      (sum, [, m, s]) => sum + Number(m) * 60_000 + Number(s) * 1000,
      0,
    );
  };
  await cloudctl('flavor', 'list');
  const empty: number[] = [];
  const list: number[] = [];
  for (let i = 0; i < 5; i++) {
    empty.push(await processorMs(process.execPath, '-e', '0'));
    list.push(await processorMs(link, 'flavor', 'list'));
  }
  expect(Math.min(...list) - Math.min(...empty)).toBeLessThan(150);
});

it('the launcher never calls npm', () => {
  const text = readFileSync(LAUNCHER, 'utf8') + readFileSync(join(LAUNCHER, '../node.sh'), 'utf8');
  expect(text.replaceAll(/^ *(#|echo).*$/gm, '')).not.toMatch(/\bnpm\b/);
});
