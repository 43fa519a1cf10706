// Whatever a user asks for that cannot be, and whatever breaks: the answer is the error that the service's dialect
// prescribes, or a server in ERROR whose fault a person understands; and nothing is lost, doubled or stuck afterwards.

import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  cutOff,
  emptyQcow2,
  ofOneTebibyte,
  withBackingFile,
  withDataFile,
  withSize,
  withTableAt,
} from '../support/bad-qcow2.ts';
import { type CloudFolders, CloudProcess, cloudFolders } from '../support/cloud.ts';
import { findGuests } from '../support/guest-processes.ts';
import { type Answer, passwordAuth } from '../support/http.ts';
import { waitUntil } from '../support/wait.ts';

const NOWHERE = '11111111-1111-4111-8111-111111111111';

let folders: CloudFolders;
let cloud: CloudProcess;
let admin: string;
let demo: string;
let tiny: string;

const api = (method: string, path: string, body?: unknown, token = admin): Promise<Answer> =>
  cloud.api(method, path, { token, body });

/** Makes an image and gives it its content; the answer to the upload. */
async function upload(name: string, content: Buffer, more: object = {}): Promise<{ id: string; answer: Answer }> {
  const image = { name, disk_format: 'qcow2', container_format: 'bare', ...more };
  const { body } = await api('POST', '/image/v2/images', image);
  const response = await fetch(`${cloud.url}/image/v2/images/${body.id}/file`, {
    method: 'PUT',
    headers: { 'X-Auth-Token': admin, 'Content-Type': 'application/octet-stream', Accept: 'application/json' },
    body: new Uint8Array(content),
  });
  const text = await response.text();
  const answer = { status: response.status, headers: response.headers, body: text === '' ? '' : JSON.parse(text) };
  return { id: body.id, answer };
}

const serverBody = (change: object = {}) => ({
  server: { name: 'x', imageRef: tiny, flavorRef: '1', networks: [], ...change },
});

async function create(change: object = {}, token = admin): Promise<string> {
  const { status, body } = await api('POST', '/compute/v2.1/servers', serverBody(change), token);
  expect(status, JSON.stringify(body)).toBe(202);
  return body.server.id;
}

interface Shown {
  readonly status: string;
  readonly 'OS-EXT-STS:task_state': string | null;
  readonly 'OS-EXT-STS:power_state': number;
  readonly fault?: { readonly code: number; readonly message: string };
}

const show = async (id: string): Promise<Shown> => (await api('GET', `/compute/v2.1/servers/${id}`)).body.server;

async function settled(id: string, until: (server: Shown) => boolean = () => true): Promise<Shown> {
  let server: Shown | undefined;
  await waitUntil(async () => {
    server = await show(id);
    return server.status !== 'BUILD' && server['OS-EXT-STS:task_state'] === null && until(server);
  }, 30_000).catch((error: unknown) => {
    throw new Error(`not settled: ${JSON.stringify(server)}`, { cause: error });
  });
  return server!;
}

async function remove(id: string): Promise<void> {
  expect((await api('DELETE', `/compute/v2.1/servers/${id}`)).status).toBe(204);
  await waitUntil(async () => (await api('GET', `/compute/v2.1/servers/${id}`)).status === 404);
}

/** No server, no address, no place and no quota is held. */
async function expectNothingHeld(token = admin): Promise<void> {
  expect((await api('GET', '/compute/v2.1/servers', undefined, token)).body.servers).toEqual([]);
  const { absolute } = (await api('GET', '/compute/v2.1/limits', undefined, token)).body.limits;
  expect([absolute.totalInstancesUsed, absolute.totalCoresUsed, absolute.totalRAMUsed]).toEqual([0, 0, 0]);
  const { hypervisors } = (await api('GET', '/compute/v2.1/os-hypervisors/detail')).body;
  expect(hypervisors.map((each: { vcpus_used: number }) => each.vcpus_used)).toEqual(hypervisors.map(() => 0));
  const { ports } = (await api('GET', '/network/v2.0/ports')).body;
  expect(ports.filter((port: { device_owner: string }) => port.device_owner.startsWith('compute:'))).toEqual([]);
}

async function startCloud(name: string, args: readonly string[]): Promise<void> {
  folders = await cloudFolders(name);
  cloud = await CloudProcess.start(folders, ['all', '--port', '0', ...args]);
  admin = await cloud.token('admin');
  demo = await cloud.token('demo');
  tiny = (await api('GET', '/image/v2/images?name=tiny')).body.images[0].id;
}

/** What a failed test has left must not fail the next one. */
async function removeServers(): Promise<void> {
  const { servers } = (await api('GET', '/compute/v2.1/servers?all_tenants=1')).body;
  for (const { id } of servers) await remove(id);
}

async function endCloud(): Promise<void> {
  await cloud?.end('SIGTERM');
  await folders?.dispose();
}

/** The words of a refusal, as each service has them. */
function wordsOf({ headers, body }: Answer): string {
  if (!(headers.get('content-type') ?? '').includes('json')) return String(body);
  const fault = Object.values(body)[0] as { message?: string } | { detail: string }[] | string;
  if (typeof body.message === 'string') return body.message;
  if (Array.isArray(fault)) return fault[0]!.detail;
  return typeof fault === 'string' ? fault : (fault.message ?? '');
}

describe('a wish that cannot be', () => {
  beforeAll(() => startCloud('wrong', ['--driver', 'fake', '--nodes', '2']));
  afterEach(removeServers);
  afterAll(endCloud);

  describe('is refused by the stock client and by ours, in words and with exit status 1', () => {
    const wish = (image: string, flavor: string, network: string, name = 'x') =>
      ['server', 'create', '--image', image, '--flavor', flavor, '--network', network, '--wait', name] as const;

    it.each([
      ['an unknown image', wish('nope', 'm1.tiny', 'private'), /No Image found for nope/i],
      ['an unknown flavor', wish('tiny', 'nope', 'private'), /No flavor.*nope/i],
      ['an unknown network', wish('tiny', 'm1.tiny', 'nope'), /No Network found for nope/i],
      ['a bad name', wish('tiny', 'm1.tiny', 'private', ' x'), /The name must be: printable.* \(HTTP 400\)/],
    ])('%s', async (_, args, words) => {
      for (const { code, stdout, stderr } of [await cloud.tryOpenstack(args), await cloud.tryCloudctl(args)]) {
        expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(words)]);
      }
    });

    it('an image with a backing file: the reason is told, and no image is left', async () => {
      const file = join(folders.home, 'lying.qcow2');
      await writeFile(file, withBackingFile('/etc/passwd'));
      const args = ['image', 'create', '--disk-format', 'qcow2', '--file', file, 'lying'] as const;
      for (const { code, stderr } of [await cloud.tryOpenstack(args), await cloud.tryCloudctl(args)]) {
        expect([code, stderr]).toEqual([1, expect.stringMatching(/has a backing file \(\/etc\/passwd\)\. Flatten it/)]);
      }
      expect((await api('GET', '/image/v2/images?name=lying')).body.images).toEqual([]);
    });
  });

  describe('is refused by the API', () => {
    it.each([
      ['an unknown image', { imageRef: NOWHERE }, 400, /Can not find requested image/],
      ['an image that is no id', { imageRef: 'nope' }, 400, /Invalid imageRef/],
      ['an unknown flavor', { flavorRef: 'nope' }, 400, /flavor/i],
      ['an unknown network', { networks: [{ uuid: NOWHERE }] }, 400, /Network .* could not be found/],
      ['an unknown port', { networks: [{ port: NOWHERE }] }, 400, /Port .* could not be found/],
      ['an unknown key', { key_name: 'nope' }, 400, /Invalid key_name/],
      ['an unknown security group', { security_groups: [{ name: 'nope' }] }, 400, /Security group nope not found/],
      ['an unknown zone', { availability_zone: 'mars' }, 400, /availability zone is not available/],
      ['an empty name', { name: '' }, 400, /name.*too short/],
      ['a name of 256 characters', { name: 'x'.repeat(256) }, 400, /name.*too long/],
      ['a name with a control character', { name: 'a\u0000b' }, 400, /printable characters/],
      ['a number for a name', { name: 7 }, 400, /7 is not of type 'string'/],
      ['a text for networks', { networks: 'some' }, 400, /networks/],
      ['an unknown field', { wat: 1 }, 400, /Additional properties are not allowed \('wat' was unexpected\)/],
      ['no name', { name: undefined }, 400, /'name' is a required property/],
      ['more at least than at most', { min_count: 3, max_count: 2 }, 400, /min_count must be <= max_count/],
      ['user data that is no base64', { user_data: '%%%' }, 400, /user_data/],
    ])('%s', async (_, change, status, words) => {
      const answer = await api('POST', '/compute/v2.1/servers', serverBody(change));
      expect([answer.status, answer.body]).toEqual([
        status,
        { badRequest: { code: status, message: expect.stringMatching(words) } },
      ]);
    });

    it.each([
      ['compute', '/compute/v2.1/servers', { server: { name: 7 } }, ['badRequest']],
      ['network', '/network/v2.0/networks', { network: { name: 7 } }, ['NeutronError']],
      ['identity', '/identity/v3/projects', { project: { name: 7 } }, ['error']],
      ['image', '/image/v2/images', { name: 7 }, ['message', 'code', 'title']],
    ])('malformed JSON and a wrong type in the words of %s', async (_, path, wrong, keys) => {
      const headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
      for (const body of ['{"half":', wrong]) {
        const answer = await cloud.api('POST', path, { token: admin, headers, body });
        expect([answer.status, Object.keys(answer.body)]).toEqual([400, keys]);
        expect(wordsOf(answer)).not.toBe('');
      }
    });

    it('and leaves nothing behind', () => expectNothingHeld());
  });

  describe('too large', () => {
    it('a flavor larger than every host: ERROR, the fault says for each host why', async () => {
      const flavor = { name: 'whale', id: 'whale', ram: 4_000_000, vcpus: 1, disk: 1 };
      expect((await api('POST', '/compute/v2.1/flavors', { flavor })).status).toBe(200);
      await limit('admin', { ram: -1 });
      const id = await create({ flavorRef: 'whale' });
      const { status, fault } = await settled(id);
      expect([status, fault?.code]).toEqual(['ERROR', 500]);
      expect(fault?.message).toMatch(/^No valid host was found\. .*node-1: MEMORY_MB: asked 4000000, free \d+/);
      expect(await cloud.cloudctl(['server', 'explain', id])).toMatch(/node-2 .*MEMORY_MB: asked 4000000/);
      await remove(id);
      await expectNothingHeld();
    });

    it('a full cloud: ERROR for the first that does not fit, and room again when one goes', async () => {
      const flavor = { name: 'half', id: 'half', ram: 600_000, vcpus: 1, disk: 1 };
      expect((await api('POST', '/compute/v2.1/flavors', { flavor })).status).toBe(200);
      const ids = await Promise.all([1, 2, 3].map(() => create({ flavorRef: 'half' })));
      const states = await Promise.all(ids.map((id) => settled(id)));
      expect(states.map(({ status }) => status).sort()).toEqual(['ACTIVE', 'ACTIVE', 'ERROR']);
      expect(states.find(({ fault }) => fault)?.fault?.message).toMatch(/free 448576/);
      await remove(ids[states.findIndex(({ status }) => status === 'ACTIVE')]!);
      const next = await create({ flavorRef: 'half' });
      expect((await settled(next)).status).toBe('ACTIVE');
      const { servers } = (await api('GET', '/compute/v2.1/servers')).body;
      for (const { id } of servers) await remove(id);
      await expectNothingHeld();
    });

    it('a quota: 403, also for many at once, and never overrun', async () => {
      await limit('demo', { instances: 2 });
      const wishes = Array.from({ length: 6 }, () => api('POST', '/compute/v2.1/servers', serverBody(), demo));
      const answers = await Promise.all(wishes);
      expect(answers.map(({ status }) => status).sort()).toEqual([202, 202, 403, 403, 403, 403]);
      const refused = answers.find(({ status }) => status === 403)!;
      expect(refused.body).toEqual({
        forbidden: {
          code: 403,
          message: 'Quota exceeded for instances: Requested 1, but already used 2 of 2 instances',
        },
      });
      for (const { status, body } of answers) if (status === 202) await remove(body.server.id);
      await expectNothingHeld(demo);
    });
  });

  /** Sets limits of the project of this name; -1: none. */
  async function limit(project: string, quota: object): Promise<void> {
    const { projects } = (await api('GET', `/identity/v3/projects?name=${project}`)).body;
    const { status } = await api('PUT', `/compute/v2.1/os-quota-sets/${projects[0].id}`, { quota_set: quota });
    expect(status).toBe(200);
  }

  describe('without the right to it', () => {
    const paths = ['/compute/v2.1/servers', '/network/v2.0/networks', '/image/v2/images', '/identity/v3/projects'];

    /** Of demo, and of nobody else who uses one. */
    async function freshToken(): Promise<string> {
      const { demo: password } = JSON.parse(await readFile(join(folders.state, 'passwords.json'), 'utf8'));
      const scope = { project: { name: 'demo', domain: { id: 'default' } } };
      const body = passwordAuth('demo', password, scope);
      const { headers } = await cloud.api('POST', '/identity/v3/auth/tokens', { token: '', body });
      return headers.get('x-subject-token') ?? '';
    }

    async function expectRefused(token: string): Promise<void> {
      for (const path of paths) {
        const { status, headers, body } = await api('GET', path, undefined, token);
        expect([path, status, headers.get('www-authenticate')]).toEqual([
          path,
          401,
          expect.stringMatching(/^Keystone uri="http/),
        ]);
        expect(body.error).toMatchObject({ code: 401, title: 'Unauthorized' });
      }
    }

    it('a token that has expired, that was revoked, or that is none: 401 in the words of Keystone', async () => {
      const { user } = (
        await cloud.api('GET', '/identity/v3/auth/tokens', { token: admin, headers: { 'X-Subject-Token': admin } })
      ).body.token;
      const expiresAt = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000).toISOString();
      const made = await api('POST', `/identity/v3/users/${user.id}/application_credentials`, {
        application_credential: { name: 'short', secret: 'short-lived', expires_at: expiresAt.replace('Z', '000Z') },
      });
      const { id } = made.body.application_credential;
      const identity = {
        methods: ['application_credential'],
        application_credential: { id, secret: 'short-lived' },
      };
      const got = await cloud.api('POST', '/identity/v3/auth/tokens', { token: '', body: { auth: { identity } } });
      const token = got.headers.get('x-subject-token') ?? '';
      expect(Date.parse(got.body.token.expires_at)).toBe(Date.parse(expiresAt));
      await waitUntil(async () => (await api('GET', paths[0]!, undefined, token)).status === 401);
      expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
      await expectRefused(token);

      const revoked = await freshToken();
      expect((await api('GET', paths[0]!, undefined, revoked)).status).toBe(200);
      await cloud.api('DELETE', '/identity/v3/auth/tokens', {
        token: revoked,
        headers: { 'X-Subject-Token': revoked },
      });
      await expectRefused(revoked);
      await expectRefused('no-token-at-all');
    });

    it("another project's server, port, network, key and image: 404 for everything that may be asked of them", async () => {
      const server = await create({ name: 'mine' });
      const network = (await api('POST', '/network/v2.0/networks', { network: { name: 'mine' } })).body.network.id;
      const port = (await api('POST', '/network/v2.0/ports', { port: { network_id: network } })).body.port.id;
      await api('POST', '/compute/v2.1/os-keypairs', { keypair: { name: 'mine' } });
      const image = (await upload('mine', emptyQcow2())).id;
      const calls: readonly (readonly [string, string, unknown?])[] = [
        ['GET', `/compute/v2.1/servers/${server}`],
        ['PUT', `/compute/v2.1/servers/${server}`, { server: { name: 'stolen' } }],
        ['POST', `/compute/v2.1/servers/${server}/action`, { 'os-stop': null }],
        ['POST', `/compute/v2.1/servers/${server}/action`, { 'os-getConsoleOutput': {} }],
        ['DELETE', `/compute/v2.1/servers/${server}`],
        ['GET', '/compute/v2.1/os-keypairs/mine'],
        ['GET', `/network/v2.0/networks/${network}`],
        ['PUT', `/network/v2.0/networks/${network}`, { network: { name: 'stolen' } }],
        ['DELETE', `/network/v2.0/networks/${network}`],
        ['GET', `/network/v2.0/ports/${port}`],
        ['DELETE', `/network/v2.0/ports/${port}`],
        ['GET', `/image/v2/images/${image}`],
        ['GET', `/image/v2/images/${image}/file`],
        ['DELETE', `/image/v2/images/${image}`],
      ];
      for (const [method, path, body] of calls) {
        expect([method, path, (await api(method, path, body, demo)).status]).toEqual([method, path, 404]);
      }
      const uses = [
        { imageRef: image },
        { networks: [{ uuid: network }] },
        { networks: [{ port }] },
        { key_name: 'mine' },
      ];
      for (const use of uses) {
        const { status } = await api('POST', '/compute/v2.1/servers', serverBody(use), demo);
        expect([use, status]).toEqual([use, 400]);
      }
      await settled(server);
      expect((await api('GET', `/compute/v2.1/servers/${server}`)).body.server).toMatchObject({
        name: 'mine',
        status: 'ACTIVE',
      });
      expect((await api('GET', `/network/v2.0/ports/${port}`)).status).toBe(200);
      await remove(server);
      expect((await api('DELETE', `/network/v2.0/ports/${port}`)).status).toBe(204);
      await expectNothingHeld();
    });
  });

  describe('an image that is not what it says: 415, and no server is made from it', () => {
    it.each([
      ['a backing file outside the store', withBackingFile('/etc/passwd'), 'qcow2', /has a backing file/],
      ['a data file of the host', withDataFile('/etc/shadow'), 'qcow2', /has an external data file/],
      ['a backing file, and it is called raw', withBackingFile('/etc/passwd'), 'raw', /its content is qcow2/],
      ['an absurd size', withSize(1n << 62n), 'qcow2', /corrupt.*size .* is absurd/],
      ['tables that lie nowhere', withTableAt(0xffff_ffff_ffff_ffffn), 'qcow2', /corrupt.*L1 table/],
      ['a header that is cut off', cutOff(), 'qcow2', /header is cut off/],
      ['no qcow2 at all', Buffer.from('#!/bin/sh\n'.repeat(100)), 'qcow2', /does not match disk_format/],
    ])('%s', async (name, content, format, words) => {
      const { id, answer } = await upload(name, content, { disk_format: format });
      expect([answer.status, answer.body.message]).toEqual([415, expect.stringMatching(words)]);
      expect((await api('GET', `/image/v2/images/${id}`)).body).toMatchObject({ status: 'queued', size: null });
      const { status, body } = await api('POST', '/compute/v2.1/servers', serverBody({ imageRef: id }));
      expect([status, body.badRequest.message]).toEqual([400, `Image ${id} is not active.`]);
    });

    it('larger than the flavor: 400, before anything is made', async () => {
      const { id, answer } = await upload('wide', ofOneTebibyte());
      expect(answer.status).toBe(204);
      const { status, body } = await api('POST', '/compute/v2.1/servers', serverBody({ imageRef: id }));
      expect([status, body.badRequest.message]).toEqual([
        400,
        expect.stringMatching(/^Flavor's disk is too small for requested image/),
      ]);
    });

    it('and leaves nothing behind', () => expectNothingHeld());
  });
});

describe('a guest', () => {
  beforeAll(() => startCloud('broken', ['--nodes', '1']));
  afterEach(removeServers);
  afterAll(endCloud);

  /** An image whose disk is blank, and whose kernel is `kernel`. */
  async function imageWithKernel(name: string, kernel: Buffer): Promise<string> {
    const kernelImage = await upload(`${name}-kernel`, kernel, { disk_format: 'aki', container_format: 'aki' });
    expect(kernelImage.answer.status).toBe(204);
    const image = await upload(name, emptyQcow2(), { kernel_id: kernelImage.id });
    expect(image.answer.status).toBe(204);
    return image.id;
  }

  async function tinyKernel(): Promise<Buffer> {
    const { kernel_id: id } = (await api('GET', `/image/v2/images/${tiny}`)).body;
    const response = await fetch(`${cloud.url}/image/v2/images/${id}/file`, { headers: { 'X-Auth-Token': admin } });
    return Buffer.from(await response.arrayBuffer());
  }

  async function consoleOf(id: string): Promise<string> {
    const { body } = await api('POST', `/compute/v2.1/servers/${id}/action`, { 'os-getConsoleOutput': {} });
    return body.output;
  }

  it('whose image has no kernel ends in ERROR, and the fault says what to set', async () => {
    const { id: imageRef } = await upload('kernelless', emptyQcow2());
    const id = await create({ imageRef });
    const { status, fault } = await settled(id);
    expect([status, fault?.message]).toEqual(['ERROR', expect.stringMatching(/names no kernel.*set kernel_id/)]);
    await remove(id);
    await expectNothingHeld();
  });

  it('whose kernel is none ends in ERROR at once, and the fault says so', async () => {
    const imageRef = await imageWithKernel('script', Buffer.from('#!/bin/sh\n'.repeat(100)));
    const id = await create({ imageRef });
    const { status, fault } = await settled(id);
    expect([status, fault?.message]).toEqual([
      'ERROR',
      expect.stringMatching(
        /^Build of instance \S+ aborted: The guest cannot be started: this kernel cannot be started/,
      ),
    ]);
    await remove(id);
    await expectNothingHeld();
  });

  it('whose kernel is damaged ends in ERROR when it can execute nothing any more', async () => {
    const kernel = await tinyKernel();
    kernel.fill(0xff, 4096);
    const id = await create({ imageRef: await imageWithKernel('damaged', kernel) });
    const { fault } = await settled(id, ({ status }) => status === 'ERROR');
    expect(fault?.message).toMatch(/The guest stopped unexpectedly: .* Its kernel is damaged/);
    await remove(id);
    await expectNothingHeld();
  });

  it('whose kernel panics stays ACTIVE, as a machine does, and its console says why', async () => {
    const id = await create({ imageRef: await imageWithKernel('rootless', await tinyKernel()) });
    await waitUntil(async () => /Kernel panic - not syncing: VFS/.test(await consoleOf(id)), 60_000);
    expect(await settled(id)).toMatchObject({ status: 'ACTIVE', 'OS-EXT-STS:power_state': 1 });
    await remove(id);
    await expectNothingHeld();
  });

  it('whose image was damaged in the store ends in ERROR, and the fault names the disk', async () => {
    const content = emptyQcow2();
    content.write('told apart from all others', 3 * 65_536 + 1000);
    const { id: imageRef } = await upload('rotten', content, { kernel_id: (await tinyImageIds()).kernel });
    const blob = join(folders.state, 'images', 'blobs', createHash('sha256').update(content).digest('hex'));
    await writeFile(blob, withBackingFile('/etc/passwd'), { flag: 'r+' }).catch(async () => {
      throw new Error(`${blob} is not where the content lies`);
    });
    const id = await create({ imageRef });
    const { status, fault } = await settled(id);
    expect([status, fault?.message]).toEqual([
      'ERROR',
      expect.stringMatching(/disk 'disk' cannot be made from its image/),
    ]);
    await remove(id);
    await expectNothingHeld();
  });

  async function tinyImageIds(): Promise<{ kernel: string }> {
    return { kernel: (await api('GET', `/image/v2/images/${tiny}`)).body.kernel_id };
  }

  it('whose process dies: ERROR with the reason, and a hard reboot brings it back', async () => {
    const id = await create();
    expect((await settled(id)).status).toBe('ACTIVE');
    const guest = await guestPid(id);
    process.kill(guest, 'SIGKILL');
    const { fault } = await settled(id, ({ status }) => status === 'ERROR');
    expect(fault?.message).toBe('The guest stopped unexpectedly: The guest process was ended by SIGKILL.');
    expect((await api('POST', `/compute/v2.1/servers/${id}/action`, { reboot: { type: 'HARD' } })).status).toBe(202);
    expect((await settled(id, ({ status }) => status === 'ACTIVE'))['OS-EXT-STS:power_state']).toBe(1);
    expect(await guestPid(id)).not.toBe(guest);
    await remove(id);
    await expectNothingHeld();
  });

  async function guestPid(id: string): Promise<number> {
    const pids = await findGuests(join(folders.state, 'node-1', 'instances', id));
    expect(pids.length).toBe(1);
    return pids[0]!;
  }
});
