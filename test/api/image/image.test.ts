import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IMAGE } from '#model';
import { findProgram, tempFolder } from '#test/support/programs.ts';
import { waitUntil } from '#test/support/wait.ts';
import { type ImageServer, startImageServer } from './server.ts';

let server: ImageServer;
beforeEach(async () => {
  server = await startImageServer({ maxBytes: 50_000_000 });
});
afterEach(() => server.stop());

const OCTETS = 'application/octet-stream';
const PATCH = 'application/openstack-images-v2.1-json-patch';
const OWNER = 'member@p1';
const OTHER = 'member@p2';
const ADMIN = 'admin@admin';

interface Call {
  readonly as?: string;
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  readonly type?: string;
  readonly headers?: Record<string, string>;
}

async function call(method: string, path: string, options: Call = {}) {
  const { as = OWNER, json, bytes, type } = options;
  const body = json === undefined ? (bytes as Uint8Array<ArrayBuffer> | undefined) : JSON.stringify(json);
  const contentType = type ?? (json === undefined ? OCTETS : 'application/json');
  const headers = {
    ...(as === '' ? {} : { 'X-Auth-Token': as }),
    ...(body === undefined ? {} : { 'Content-Type': contentType }),
    ...options.headers,
  };
  const answer = await fetch(server.url + path, { method, headers, body, redirect: 'manual' });
  const content = Buffer.from(await answer.arrayBuffer());
  const parsed = () => JSON.parse(content.toString());
  return { status: answer.status, headers: answer.headers, content, text: content.toString(), json: parsed };
}

const QCOW = { name: 'disk', disk_format: 'qcow2', container_format: 'bare' };
const RAW = { name: 'raw', disk_format: 'raw', container_format: 'bare' };

async function create(body: Record<string, unknown> = RAW, as = OWNER): Promise<string> {
  const answer = await call('POST', '/v2/images', { json: body, as });
  expect(answer.status).toBe(201);
  return answer.json().id;
}
const upload = (id: string, bytes: Uint8Array, as = OWNER) => call('PUT', `/v2/images/${id}/file`, { bytes, as });
const show = async (id: string, as = OWNER) => (await call('GET', `/v2/images/${id}`, { as })).json();
const patch = (id: string, operations: unknown, as = OWNER) =>
  call('PATCH', `/v2/images/${id}`, { json: operations, type: PATCH, as });
const namesOf = async (query: string, as = OWNER) =>
  (await call('GET', `/v2/images${query}`, { as })).json().images.map((image: { name: string }) => image.name);

describe('versions', () => {
  it('are several choices at the root, without a token', async () => {
    const answer = await call('GET', '', { as: '' });
    expect(answer.status).toBe(300);
    expect(answer.json().versions[0]).toEqual({
      id: 'v2.15',
      status: 'CURRENT',
      links: [{ rel: 'self', href: `${server.url}/v2/` }],
    });
    expect((await call('GET', '/versions', { as: '' })).status).toBe(200);
    expect((await call('GET', '/v2/', { as: '' })).status).toBe(300);
  });

  it('all else asks for a token, in Keystone words', async () => {
    const answer = await call('GET', '/v2/images', { as: '' });
    expect(answer.status).toBe(401);
    expect(answer.json().error.title).toBe('Unauthorized');
    expect((await call('GET', '/v2/nothing', { as: '' })).status).toBe(401);
    expect((await call('GET', '/v2/nothing')).status).toBe(404);
  });
});

describe('an image', () => {
  it('is made, filled, shown, read and removed', async () => {
    const made = await call('POST', '/v2/images', {
      json: { ...RAW, min_disk: 1, tags: ['a'], os_distro: 'debian', visibility: 'private' },
    });
    const { id, created_at, updated_at, ...rest } = made.json();
    expect(made.headers.get('location')).toBe(`${server.url}/v2/images/${id}`);
    expect(made.headers.get('openstack-image-import-methods')).toBe('glance-direct,web-download');
    expect(created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(updated_at).toBe(created_at);
    expect(rest).toEqual({
      name: 'raw',
      owner: 'p1',
      status: 'queued',
      visibility: 'private',
      protected: false,
      os_hidden: false,
      disk_format: 'raw',
      container_format: 'bare',
      min_disk: 1,
      min_ram: 0,
      size: null,
      virtual_size: null,
      checksum: null,
      os_hash_algo: null,
      os_hash_value: null,
      tags: ['a'],
      os_distro: 'debian',
      self: `/v2/images/${id}`,
      file: `/v2/images/${id}/file`,
      schema: '/v2/schemas/image',
    });
    expect((await call('GET', `/v2/images/${id}/file`)).status).toBe(204);

    const bytes = randomBytes(2_000_000);
    expect((await upload(id, bytes)).status).toBe(204);
    expect(await show(id)).toMatchObject({
      status: 'active',
      size: bytes.length,
      virtual_size: bytes.length,
      checksum: createHash('md5').update(bytes).digest('hex'),
      os_hash_algo: 'sha512',
      os_hash_value: createHash('sha512').update(bytes).digest('hex'),
    });
    const file = await call('GET', `/v2/images/${id}/file`);
    expect(Buffer.compare(file.content, bytes)).toBe(0);
    expect(file.headers.get('content-type')).toBe(OCTETS);
    expect(file.headers.get('content-md5')).toBe(createHash('md5').update(bytes).digest('hex'));
    const part = await call('GET', `/v2/images/${id}/file`, { headers: { Range: 'bytes=10-19' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 10-19/2000000']);
    expect(Buffer.compare(part.content, bytes.subarray(10, 20))).toBe(0);
    expect((await call('GET', `/v2/images/${id}/file`, { headers: { Range: 'bytes=3000000-' } })).status).toBe(416);
    const head = await call('HEAD', `/v2/images/${id}/file`);
    expect([head.status, head.headers.get('content-length'), head.content.length]).toEqual([200, '2000000', 0]);

    expect((await upload(id, bytes)).status).toBe(409);
    expect((await call('DELETE', `/v2/images/${id}`)).status).toBe(204);
    expect((await call('GET', `/v2/images/${id}`)).status).toBe(404);
  });

  it.each([
    [400, { name: 5 }],
    [400, { name: 'x'.repeat(256) }],
    [400, { visibility: 'all' }],
    [400, { min_ram: -1 }],
    [400, { disk_format: 'floppy' }],
    [400, { id: 'not-a-uuid' }],
    [400, { custom: 7 }],
    [400, { disk_format: 'ami', container_format: 'bare' }],
    [400, []],
    [403, { status: 'active' }],
    [403, { owner: 'p2' }],
    [403, { visibility: 'public' }],
  ])('is refused with %i: %j', async (status, json) => {
    expect((await call('POST', '/v2/images', { json })).status).toBe(status);
  });

  it('may have the id that its maker chose, once', async () => {
    const id = 'AAAAAAAA-0000-4000-8000-000000000001';
    expect(await create({ ...RAW, id })).toBe(id.toLowerCase());
    expect((await call('POST', '/v2/images', { json: { ...RAW, id } })).status).toBe(409);
  });

  it('that is protected is not deleted', async () => {
    const id = await create({ ...RAW, protected: true });
    expect((await call('DELETE', `/v2/images/${id}`)).status).toBe(403);
    await patch(id, [{ op: 'replace', path: '/protected', value: false }]);
    expect((await call('DELETE', `/v2/images/${id}`)).status).toBe(204);
  });

  it('is changed by a patch of its own media type', async () => {
    const id = await create();
    const changed = await patch(id, [
      { op: 'replace', path: '/name', value: 'new' },
      { op: 'add', path: '/os_distro', value: 'debian' },
    ]);
    expect([changed.status, changed.json().name, changed.json().os_distro]).toEqual([200, 'new', 'debian']);
    const wrong = await call('PATCH', `/v2/images/${id}`, { json: [], type: 'application/json' });
    expect(wrong.status).toBe(415);
    expect((await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }])).status).toBe(403);
    expect((await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }], ADMIN)).status).toBe(200);
  });

  it('is deactivated, and then read by admins alone', async () => {
    const id = await create();
    expect((await call('POST', `/v2/images/${id}/actions/deactivate`)).status).toBe(403);
    await upload(id, randomBytes(100));
    expect((await call('POST', `/v2/images/${id}/actions/deactivate`)).status).toBe(204);
    expect((await show(id)).status).toBe('deactivated');
    expect((await call('GET', `/v2/images/${id}/file`)).status).toBe(403);
    expect((await call('GET', `/v2/images/${id}/file`, { as: ADMIN })).status).toBe(200);
    expect((await call('POST', `/v2/images/${id}/actions/reactivate`)).status).toBe(204);
    expect((await call('GET', `/v2/images/${id}/file`)).status).toBe(200);
  });

  it('has tags', async () => {
    const id = await create();
    expect((await call('PUT', `/v2/images/${id}/tags/blue%20sky`)).status).toBe(204);
    expect((await call('PUT', `/v2/images/${id}/tags/blue%20sky`)).status).toBe(204);
    expect((await show(id)).tags).toEqual(['blue sky']);
    expect((await call('DELETE', `/v2/images/${id}/tags/blue%20sky`)).status).toBe(204);
    expect((await call('DELETE', `/v2/images/${id}/tags/blue%20sky`)).status).toBe(404);
    expect((await call('PUT', `/v2/images/${id}/tags/${'x'.repeat(256)}`)).status).toBe(400);
  });
});

describe('rights', () => {
  it('of another project: its image is not there, a public one can be seen and not changed', async () => {
    const id = await create({ ...RAW, visibility: 'private' });
    await upload(id, randomBytes(10));
    const paths = [`/v2/images/${id}`, `/v2/images/${id}/file`, `/v2/images/${id}/members`];
    for (const path of paths) expect((await call('GET', path, { as: OTHER })).status).toBe(404);
    expect((await call('DELETE', `/v2/images/${id}`, { as: OTHER })).status).toBe(404);
    await patch(id, [{ op: 'replace', path: '/visibility', value: 'public' }], ADMIN);
    expect((await call('GET', `/v2/images/${id}/file`, { as: OTHER })).status).toBe(200);
    expect((await call('DELETE', `/v2/images/${id}`, { as: OTHER })).status).toBe(403);
    expect((await patch(id, [{ op: 'replace', path: '/name', value: 'x' }], OTHER)).status).toBe(403);
    expect((await upload(id, randomBytes(10), OTHER)).status).toBe(403);
    expect((await call('PUT', `/v2/images/${id}/tags/x`, { as: OTHER })).status).toBe(403);
  });

  it('of a reader: looks and writes nothing', async () => {
    const id = await create();
    const reader = 'reader@p1';
    expect((await call('GET', `/v2/images/${id}`, { as: reader })).status).toBe(200);
    expect((await call('POST', '/v2/images', { json: RAW, as: reader })).status).toBe(403);
    expect((await upload(id, randomBytes(10), reader)).status).toBe(403);
    expect((await call('DELETE', `/v2/images/${id}`, { as: reader })).status).toBe(403);
  });

  it('of members: a shared image is seen once shared, and listed once accepted', async () => {
    const id = await create({ ...RAW, name: 'shared-one' });
    expect((await call('GET', `/v2/images/${id}`, { as: OTHER })).status).toBe(404);
    const added = await call('POST', `/v2/images/${id}/members`, { json: { member: 'p2' } });
    expect([added.status, added.json()]).toMatchObject([200, { image_id: id, member_id: 'p2', status: 'pending' }]);
    expect((await call('POST', `/v2/images/${id}/members`, { json: { member: 'p2' } })).status).toBe(409);
    expect((await call('GET', `/v2/images/${id}`, { as: OTHER })).status).toBe(200);
    expect(await namesOf('', OTHER)).toEqual([]);
    expect(await namesOf('?member_status=pending&visibility=shared', OTHER)).toEqual(['shared-one']);
    const accept = { json: { status: 'accepted' } };
    expect((await call('PUT', `/v2/images/${id}/members/p2`, accept)).status).toBe(403);
    expect((await call('PUT', `/v2/images/${id}/members/p2`, { ...accept, as: OTHER })).status).toBe(200);
    expect(await namesOf('', OTHER)).toEqual(['shared-one']);
    expect((await call('GET', `/v2/images/${id}/members`)).json().members).toHaveLength(1);
    expect((await call('DELETE', `/v2/images/${id}/members/p2`, { as: OTHER })).status).toBe(403);
    expect((await call('DELETE', `/v2/images/${id}/members/p2`)).status).toBe(204);
    expect((await call('GET', `/v2/images/${id}`, { as: OTHER })).status).toBe(404);
    const hidden = await create({ ...RAW, visibility: 'private' });
    expect((await call('POST', `/v2/images/${hidden}/members`, { json: { member: 'p2' } })).status).toBe(403);
  });

  it('of community images: found by those who ask for them', async () => {
    const id = await create({ ...RAW, name: 'common', visibility: 'community' });
    expect(await namesOf('', OTHER)).toEqual([]);
    expect(await namesOf('?visibility=community', OTHER)).toEqual(['common']);
    expect((await call('GET', `/v2/images/${id}`, { as: OTHER })).status).toBe(200);
  });
});

describe('a list', () => {
  it('gives all images once, page by page', async () => {
    for (let index = 0; index < 7; index++) await create({ ...RAW, name: `i${index}` });
    const seen: string[] = [];
    let path: string | undefined = '/v2/images?limit=3&sort=name:asc';
    while (path !== undefined) {
      const { images, next, first } = (await call('GET', path)).json();
      expect(first).toBe('/v2/images?limit=3&sort=name%3Aasc');
      seen.push(...images.map((image: { name: string }) => image.name));
      path = next;
    }
    expect(seen).toEqual(['i0', 'i1', 'i2', 'i3', 'i4', 'i5', 'i6']);
    expect((await call('GET', '/v2/images?marker=none')).status).toBe(400);
    expect((await call('GET', '/v2/images?limit=x')).status).toBe(400);
    expect(await namesOf('?name=in:i1,i4&sort=name:asc')).toEqual(['i1', 'i4']);
  });
});

describe('an upload', () => {
  const files = () => ['blobs', 'incoming'].flatMap((name) => readdirSync(join(server.blobs.root, name)));

  it('needs formats first, and its own media type', async () => {
    const id = await create({ name: 'x' });
    const early = await upload(id, randomBytes(10));
    expect([early.status, early.text]).toEqual([
      400,
      expect.stringContaining('disk_format, container_format must be set'),
    ]);
    const typed = await create();
    expect((await call('PUT', `/v2/images/${typed}/file`, { bytes: randomBytes(10), type: 'text/plain' })).status).toBe(
      415,
    );
    expect((await show(typed)).status).toBe('queued');
  });

  it('that is cut off leaves the image queued and nothing in the store', async () => {
    const id = await create();
    const request = httpRequest(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': OWNER, 'Content-Type': OCTETS, 'Content-Length': 1_000_000 },
    });
    request.on('error', () => {});
    request.write(randomBytes(100_000));
    await waitUntil(async () => (await show(id)).status === 'saving');
    request.destroy();
    await waitUntil(async () => (await show(id)).status === 'queued');
    await waitUntil(() => files().length === 0);
    expect((await show(id)).message).toMatch(/cut off|arrived/);
    expect((await upload(id, randomBytes(10))).status).toBe(204);
    expect((await show(id)).message).toBeUndefined();
  });

  it('that is too large is refused', async () => {
    const id = await create();
    const request = httpRequest(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': OWNER, 'Content-Type': OCTETS, 'Content-Length': 60_000_000 },
    });
    const status = new Promise((resolve) => request.once('response', (answer) => resolve(answer.statusCode)));
    request.on('error', () => {});
    request.flushHeaders();
    expect(await status).toBe(413);
    request.destroy();
    expect((await show(id)).status).toBe('queued');
  });

  it('of an image that is deleted meanwhile is gone', async () => {
    const id = await create();
    const request = httpRequest(`${server.url}/v2/images/${id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': OWNER, 'Content-Type': OCTETS, 'Content-Length': 4 },
    });
    const status = new Promise((resolve) => request.once('response', (answer) => resolve(answer.statusCode)));
    request.write('12');
    await waitUntil(async () => (await show(id)).status === 'saving');
    await call('DELETE', `/v2/images/${id}`);
    request.end('34');
    expect(await status).toBe(410);
    expect(await server.records.get(IMAGE, id)).toBeUndefined();
  });
});

describe('content that is not what it is said to be', () => {
  let folder: ReturnType<typeof tempFolder>;
  beforeEach(() => {
    folder = tempFolder('lies');
  });
  afterEach(() => folder.remove());
  const qemuImg = (...args: string[]) => {
    execFileSync(findProgram('qemu-img', 'qemu-utils'), args, { cwd: folder.path, stdio: 'pipe' });
    return readFileSync(join(folder.path, args.at(-2) ?? ''));
  };

  it('a qcow2 of qemu-img is accepted with its virtual size', async () => {
    const id = await create(QCOW);
    expect((await upload(id, qemuImg('create', '-f', 'qcow2', 'good.qcow2', '64M'))).status).toBe(204);
    expect(await show(id)).toMatchObject({ status: 'active', virtual_size: 64 * 1024 * 1024 });
  });

  it.each([
    [
      'a qcow2 with a backing file',
      QCOW,
      ['create', '-f', 'qcow2', '-u', '-F', 'raw', '-b', '/etc/passwd', 'x', '1M'],
      'backing file',
    ],
    [
      'a qcow2 with a data file',
      QCOW,
      ['create', '-f', 'qcow2', '-o', 'data_file=outside.raw', 'x', '1M'],
      'data file',
    ],
    ['a qcow2 said to be raw', RAW, ['create', '-f', 'qcow2', 'x', '1M'], 'its content is qcow2'],
    ['a raw disk said to be qcow2', QCOW, ['create', '-f', 'raw', 'x', '1M'], 'no format that is known'],
    ['a vmdk said to be raw', RAW, ['create', '-f', 'vmdk', 'x', '1M'], 'its content is vmdk'],
  ])('%s is refused, and the image may be filled again', async (_, body, args, words) => {
    const id = await create(body);
    const refused = await upload(id, qemuImg(...args));
    expect(refused.status).toBe(415);
    expect(refused.text).toContain(words);
    expect(refused.headers.get('content-type')).toContain('text/html');
    expect(await show(id)).toMatchObject({ status: 'queued', size: null, message: expect.stringContaining(words) });
    const again = body === QCOW ? qemuImg('create', '-f', 'qcow2', 'good', '1M') : randomBytes(512);
    expect((await upload(id, again)).status).toBe(204);
  });

  it('a qcow2 with a broken header is refused', async () => {
    const id = await create(QCOW);
    const broken = qemuImg('create', '-f', 'qcow2', 'x', '1M');
    broken.writeUInt32BE(99, 20);
    expect((await upload(id, broken)).status).toBe(415);
    expect((await show(id)).status).toBe('queued');
  });

  it('the refusal is JSON for who accepts it', async () => {
    const id = await create(QCOW);
    const answer = await call('PUT', `/v2/images/${id}/file`, {
      bytes: randomBytes(1024),
      headers: { Accept: 'application/json' },
    });
    expect([answer.status, answer.json().title]).toEqual([415, 'Unsupported Media Type']);
  });
});

describe('an import', () => {
  const start = (id: string, method: unknown, as = OWNER) =>
    call('POST', `/v2/images/${id}/import`, { json: { method }, as });

  it('names its methods and stores', async () => {
    expect((await call('GET', '/v2/info/import')).json()['import-methods'].value).toEqual([
      'glance-direct',
      'web-download',
    ]);
    expect((await call('GET', '/v2/info/stores')).json().stores).toHaveLength(1);
  });

  it('takes what was staged', async () => {
    const id = await create();
    expect((await start(id, { name: 'glance-direct' })).status).toBe(409);
    const bytes = randomBytes(5000);
    expect((await call('PUT', `/v2/images/${id}/stage`, { bytes })).status).toBe(204);
    expect(await show(id)).toMatchObject({ status: 'uploading', size: null });
    expect((await start(id, { name: 'glance-direct' })).status).toBe(202);
    await waitUntil(async () => (await show(id)).status === 'active');
    expect(Buffer.compare((await call('GET', `/v2/images/${id}/file`)).content, bytes)).toBe(0);
    expect((await start(id, { name: 'glance-direct' })).status).toBe(409);
  });

  it('fetches from the web, through redirects', async () => {
    const bytes = randomBytes(100_000);
    const web = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { Location: '/file' }).end();
      else if (request.url === '/file') response.end(bytes);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(web.address() as AddressInfo).port}`;
    const id = await create();
    expect((await start(id, { name: 'web-download', uri: `${origin}/moved` })).status).toBe(202);
    await waitUntil(async () => (await show(id)).status === 'active');
    expect((await show(id)).size).toBe(bytes.length);
    const failing = await create();
    expect((await start(failing, { name: 'web-download', uri: `${origin}/missing` })).status).toBe(202);
    await waitUntil(async () => (await show(failing)).message !== undefined);
    expect(await show(failing)).toMatchObject({ status: 'queued', message: expect.stringContaining('404') });
    web.closeAllConnections();
    web.close();
  });

  it.each([
    { name: 'copy-image' },
    { name: 'web-download' },
    { name: 'web-download', uri: 'file:///etc/passwd' },
    { name: 'web-download', uri: 'nonsense' },
    'x',
  ])('is refused: %j', async (method) => {
    expect((await start(await create(), method)).status).toBe(400);
  });
});

it('serves the schemas that older clients build their model from', async () => {
  for (const name of ['image', 'images', 'member', 'members']) {
    expect((await call('GET', `/v2/schemas/${name}`)).json().name).toBe(name);
  }
  const { properties } = (await call('GET', '/v2/schemas/image')).json();
  const shown = Object.keys(await show(await create()));
  expect(shown.filter((key) => !Object.hasOwn(properties, key))).toEqual([]);
});
