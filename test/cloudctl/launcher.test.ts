// The command line as it is installed: the launcher, through a link on the PATH, against a server that speaks HTTP.

import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type HttpCloud, type Reply, startHttpCloud } from '../support/http-cloud.ts';
import { tempFolder } from '../support/programs.ts';
import { run } from '../support/run.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/cloudctl', import.meta.url));
const folder = tempFolder('cloudctl');
const home = join(folder.path, 'home');
const link = join(folder.path, 'bin/cloudctl');

let cloud: HttpCloud;
const uploads: { length: string | undefined; bytes: number }[] = [];

function route(what: string, bytes: number, request: IncomingMessage): Reply | undefined {
  const image = { id: 'i1', name: 'big', status: 'active', size: bytes };
  switch (what) {
    case 'GET /compute/v2.1/flavors/detail':
      return { body: { flavors: [{ id: '1', name: 'm1.tiny', ram: 512 }] } };
    case 'POST /image/v2/images':
      return { status: 201, body: { ...image, status: 'queued' } };
    case 'PUT /image/v2/images/i1/file':
      uploads.push({ length: request.headers['content-length'], bytes });
      return { status: 204 };
    case 'GET /image/v2/images/i1':
      return { body: image };
    default:
      return undefined;
  }
}

beforeAll(async () => {
  cloud = await startHttpCloud(route);
  cloud.writeConfig(home);
  mkdirSync(join(folder.path, 'bin'));
  symlinkSync(LAUNCHER, link);
});
afterAll(async () => {
  await cloud.close();
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
  expect(cloud.logins()).toBe(1);
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

it('the launcher never calls npm', () => {
  const text = readFileSync(LAUNCHER, 'utf8') + readFileSync(join(LAUNCHER, '../node.sh'), 'utf8');
  expect(text.replaceAll(/^ *(#|echo).*$/gm, '')).not.toMatch(/\bnpm\b/);
});
