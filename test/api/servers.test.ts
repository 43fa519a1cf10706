// /servers over HTTP: what is refused and in which words, what each microversion shows, and the life of a server as a
// client sees it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { newUuid } from '#base';
import { COMPUTE_USAGE, SERVER } from '#model';
import { MAX, OTHER_PROJECT, ServerApi } from '../support/server-api.ts';
import { PROJECT } from '../support/server-cloud.ts';
import { waitUntil } from '../support/wait.ts';

let api: ServerApi;
beforeAll(async () => {
  api = await ServerApi.started();
});
afterAll(async () => {
  await api.stop();
});

const nobody = newUuid();

describe('POST /servers refuses', () => {
  const cases: [what: string, change: Record<string, unknown>, status: number, message: RegExp, version?: string][] = [
    ['an unknown image', { imageRef: nobody }, 400, /^Can not find requested image$/],
    ['an image that is no id', { imageRef: 'tiny' }, 400, /^Invalid imageRef provided.$/],
    ['no image', { imageRef: undefined }, 400, /^Missing imageRef attribute$/],
    ['an unknown flavor', { flavorRef: 'none' }, 400, /^Invalid flavorRef provided.$/],
    ['no flavor', { flavorRef: undefined }, 400, /flavorRef/],
    ['an unknown network', { networks: [{ uuid: nobody }] }, 400, /^Network .* could not be found.$/],
    ['a network that is no id', { networks: [{ uuid: 'private' }] }, 400, /uuid/],
    ['an unknown port', { networks: [{ port: nobody }] }, 400, /^Port id .* could not be found.$/],
    ['an unknown keypair', { key_name: 'none' }, 400, /^Invalid key_name provided.$/],
    ['an unknown zone', { availability_zone: 'west' }, 400, /^The requested availability zone is not available$/],
    ['an unknown security group', { security_groups: [{ name: 'x' }] }, 400, /^Security group x not found for project/],
    ['an empty name', { name: '' }, 400, /name/],
    ['a long name', { name: 'x'.repeat(256) }, 400, /name.*too long/],
    ['a name with spaces around', { name: ' x ' }, 400, /name/],
    ['a name of another type', { name: 5 }, 400, /name/],
    ['an unknown field', { colour: 'red' }, 400, /Additional properties are not allowed \('colour' was unexpected\)/],
    ['a description before 2.19', { description: 'x' }, 400, /description/, '2.18'],
    ['tags before 2.52', { tags: ['x'] }, 400, /tags/, '2.51'],
    ['files from 2.57', { personality: [] }, 400, /personality/, '2.57'],
    ['no networks from 2.37', { networks: undefined }, 400, /networks/, '2.37'],
    ['more than most', { min_count: 3, max_count: 2 }, 400, /^min_count must be <= max_count$/],
    ['a count of 0', { min_count: 0 }, 400, /min_count/],
    ['user data that is no base64', { user_data: '!' }, 400, /user_data/],
    ['metadata that is no text', { metadata: { a: 1 } }, 400, /metadata|a/],
    ['a group that is not there', {}, 400, /^Instance group .* could not be found.$/],
    [
      'a volume to boot from',
      {
        imageRef: '',
        block_device_mapping_v2: [{ source_type: 'volume', uuid: nobody, destination_type: 'volume', boot_index: 0 }],
      },
      400,
      /no volumes/,
    ],
    [
      'a forced host',
      { availability_zone: 'nova:node-2' },
      403,
      /^Policy doesn't allow os_compute_api:servers:create:forced_host to be performed.$/,
    ],
    ['a host', { host: 'node-2' }, 403, /requested_destination/, '2.74'],
  ];

  it.each(cases)('%s', async (what, change, status, message, version = undefined) => {
    const body: Record<string, unknown> = api.wish(change);
    if (what.startsWith('a group')) body['os:scheduler_hints'] = { group: nobody };
    const answer = await api.ask('POST', '/servers', body, { version: version ?? undefined });
    expect([answer.status, Object.keys(answer.body)[0]]).toEqual([status, status === 403 ? 'forbidden' : 'badRequest']);
    const [fault] = Object.values(answer.body) as { code: number; message: string }[];
    expect(fault!.code).toBe(status);
    expect(fault!.message).toMatch(message);
  });

  it('JSON that is none, a body that is no object, and a reader', async () => {
    expect((await api.ask('POST', '/servers', '{')).status).toBe(400);
    expect((await api.ask('POST', '/servers', '[]')).status).toBe(400);
    expect((await api.ask('POST', '/servers', api.wish(), { as: 'reader' })).status).toBe(403);
    expect((await api.ask('POST', '/servers', api.wish(), { as: 'nobody' })).status).toBe(401);
  });

  it('an image that is not active, needs more memory, or is larger than the disk', async () => {
    const check = async (change: object, message: string) => {
      await api.changeImage(change);
      const answer = await api.ask('POST', '/servers', api.wish());
      expect(answer.body).toMatchObject({ badRequest: { code: 400 } });
      expect(answer.body.badRequest.message).toMatch(message);
    };
    const content = { contentId: 'a'.repeat(64), size: 1000, checksum: '', hash: '', virtualSize: 1 << 26 };
    await check({ status: 'queued' }, 'is not active');
    await check({ status: 'active', minRamMib: 1024 }, "Flavor's memory is too small for requested image.");
    await check({ minRamMib: 0, minDiskGib: 5 }, "Flavor's disk is smaller than the minimum size");
    await check({ minDiskGib: 0, content: { ...content, virtualSize: 2 ** 31 } }, "Flavor's disk is too small");
    await api.changeImage({ content });
  });

  it('leaves nothing behind', () => {
    expect(api.cloud.records.peek(COMPUTE_USAGE, PROJECT)?.value.instances ?? 0).toBe(0);
    expect(api.cloud.records.peekList(SERVER)).toEqual([]);
  });
});

/** What changes from run to run, replaced. */
function golden(value: unknown): unknown {
  const text = JSON.stringify(value)
    .replaceAll(api.url, 'http://cloud')
    .replaceAll(api.imageId, '<image>')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/g, '<micros>')
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, '<zulu>')
    .replaceAll(/fa:16:3e(:[0-9a-f]{2}){3}/g, '<mac>')
    .replaceAll(/10\.0\.0\.\d+/g, '<address>')
    .replaceAll(/"node-\d"/g, '"<host>"')
    .replaceAll(/"[0-9a-f]{56}"/g, '"<hostid>"')
    .replaceAll(/"r-[0-9a-z]{8}"/g, '"<reservation>"')
    .replaceAll(/instance-[0-9a-f]{8}/g, '<instance>');
  return JSON.parse(text);
}

describe('a server', () => {
  let id = '';
  beforeAll(async () => {
    id = await api.made({ key_name: 'mine', metadata: { a: 'b' } });
  });

  it.each([
    ['2.1', 'demo'],
    ['2.1', 'admin'],
    ['2.79', 'demo'],
    ['2.79', 'admin'],
    [MAX, 'demo'],
    [MAX, 'admin'],
  ])('shows at %s to %s what it is', async (version, as) => {
    const { status, body } = await api.ask('GET', `/servers/${id}`, undefined, { version, as });
    expect(status).toBe(200);
    await expect(`${JSON.stringify(golden(body), null, 2)}\n`).toMatchFileSnapshot(
      `../golden/compute/server-${version}-${as}.json`,
    );
  });

  it.each([
    ['locked', '2.9'],
    ['description', '2.19'],
    ['tags', '2.26'],
    ['trusted_image_certificates', '2.63'],
    ['server_groups', '2.71'],
    ['locked_reason', '2.73'],
    ['OS-EXT-SRV-ATTR:hostname', '2.90'],
    ['pinned_availability_zone', '2.96'],
  ])('shows %s from %s on and not before', async (field, from) => {
    const before = `2.${Number(from.slice(2)) - 1}`;
    const shown = async (version: string) =>
      (await api.ask('GET', `/servers/${id}`, undefined, { version })).body.server;
    expect(await shown(from)).toHaveProperty([field]);
    expect(await shown(before)).not.toHaveProperty([field]);
  });

  it('is not there for another project, nor under any other id', async () => {
    for (const [path, as] of [
      [`/servers/${id}`, 'other'],
      [`/servers/${nobody}`, 'demo'],
      ['/servers/9999', 'demo'],
      [`/servers/${'x'.repeat(300)}`, 'demo'],
    ] as const) {
      const answer = await api.ask('GET', path, undefined, { as });
      expect([answer.status, answer.body.itemNotFound?.code]).toEqual([404, 404]);
    }
    expect((await api.ask('DELETE', `/servers/${id}`, undefined, { as: 'other' })).status).toBe(404);
    expect((await api.ask('DELETE', `/servers/${id}`, undefined, { as: 'reader' })).status).toBe(403);
  });

  it('changes its name, and tells its action history', async () => {
    const { status, body } = await api.ask('PUT', `/servers/${id}`, {
      server: { name: 'web2', accessIPv4: '1.2.3.4' },
    });
    expect(status).toBe(200);
    expect(body.server).toMatchObject({ name: 'web2', accessIPv4: '1.2.3.4' });
    expect(body.server).not.toHaveProperty('key_name');
    expect((await api.ask('PUT', `/servers/${id}`, { server: { id: 'x' } })).status).toBe(400);
    expect((await api.ask('PUT', `/servers/${id}`, { server: {} })).status).toBe(200);
    const actions = await api.ask('GET', `/servers/${id}/os-instance-actions`);
    expect(actions.body.instanceActions.map((action: { action: string }) => action.action)).toEqual(['create']);
    const requestId = actions.body.instanceActions[0].request_id;
    const one = (version: string, as: string) =>
      api.ask('GET', `/servers/${id}/os-instance-actions/${requestId}`, undefined, { version, as });
    expect((await one('2.1', 'demo')).body.instanceAction).not.toHaveProperty('events');
    expect((await one('2.1', 'admin')).body.instanceAction.events[0]).toHaveProperty('traceback', null);
    expect((await one('2.51', 'demo')).body.instanceAction.events[0]).not.toHaveProperty('traceback');
    expect((await api.ask('GET', `/servers/${id}/os-instance-actions/req-x`)).status).toBe(404);
  });

  it('has addresses, interfaces, security groups, and no volumes', async () => {
    const ips = await api.ask('GET', `/servers/${id}/ips`);
    expect(ips.body.addresses.private[0]).toEqual({ version: 4, addr: expect.stringMatching(/^10\.0\.0\./) });
    expect((await api.ask('GET', `/servers/${id}/ips/private`)).body.private).toHaveLength(1);
    expect((await api.ask('GET', `/servers/${id}/ips/none`)).status).toBe(404);
    const interfaces = (await api.ask('GET', `/servers/${id}/os-interface`)).body.interfaceAttachments;
    expect(Object.keys(interfaces[0]).sort()).toEqual(['fixed_ips', 'mac_addr', 'net_id', 'port_id', 'port_state']);
    expect((await api.ask('GET', `/servers/${id}/os-interface/${interfaces[0].port_id}`)).status).toBe(200);
    const groups = (await api.ask('GET', `/servers/${id}/os-security-groups`)).body.security_groups;
    expect(groups.map((group: { name: string }) => group.name)).toEqual(['default']);
    const act = (body: object) => api.ask('POST', `/servers/${id}/action`, body);
    expect((await act({ removeSecurityGroup: { name: 'default' } })).status).toBe(202);
    expect((await api.ask('GET', `/servers/${id}`)).body.server).not.toHaveProperty('security_groups');
    expect((await act({ removeSecurityGroup: { name: 'default' } })).status).toBe(404);
    expect((await act({ addSecurityGroup: { name: 'none' } })).status).toBe(404);
    expect((await act({ addSecurityGroup: { name: 'default' } })).status).toBe(202);
    expect((await api.ask('GET', `/servers/${id}/os-volume_attachments`)).body).toEqual({ volumeAttachments: [] });
  });

  it('keeps metadata', async () => {
    const path = `/servers/${id}/metadata`;
    expect((await api.ask('GET', path)).body).toEqual({ metadata: { a: 'b' } });
    expect((await api.ask('POST', path, { metadata: { c: 'd' } })).body).toEqual({ metadata: { a: 'b', c: 'd' } });
    expect((await api.ask('PUT', `${path}/c`, { meta: { c: 'e' } })).body).toEqual({ meta: { c: 'e' } });
    expect((await api.ask('PUT', `${path}/c`, { meta: { x: 'e' } })).status).toBe(400);
    expect((await api.ask('GET', `${path}/c`)).body).toEqual({ meta: { c: 'e' } });
    expect((await api.ask('DELETE', `${path}/c`)).status).toBe(204);
    expect((await api.ask('DELETE', `${path}/c`)).status).toBe(404);
    expect((await api.ask('PUT', path, { metadata: {} })).body).toEqual({ metadata: {} });
    expect((await api.ask('POST', path, { metadata: { '': 'x' } })).status).toBe(400);
  });

  it('has tags from 2.26', async () => {
    const path = `/servers/${id}/tags`;
    const version = '2.26';
    expect((await api.ask('GET', path)).status).toBe(404);
    expect((await api.ask('PUT', `${path}/blue`, undefined, { version })).status).toBe(201);
    expect((await api.ask('PUT', `${path}/blue`, undefined, { version })).status).toBe(204);
    expect((await api.ask('GET', `${path}/blue`, undefined, { version })).status).toBe(204);
    expect((await api.ask('PUT', path, { tags: ['x', 'y'] }, { version })).body).toEqual({ tags: ['x', 'y'] });
    expect((await api.ask('DELETE', `${path}/blue`, undefined, { version })).status).toBe(404);
    expect((await api.ask('DELETE', path, undefined, { version })).status).toBe(204);
    expect((await api.ask('GET', path, undefined, { version })).body).toEqual({ tags: [] });
  });

  it('explains where it went', async () => {
    const { body } = await api.ask('GET', `/servers/${id}/cumulet-explanation`);
    expect(body.explanation.hosts).toHaveLength(3);
    expect(body.explanation.hosts.map((host: { verdict: string }) => host.verdict)).toContain('chosen');
  });

  it('locks: its owner is refused, an admin is not, and what an admin locked an owner may not unlock', async () => {
    const act = (body: object, as?: string) => api.ask('POST', `/servers/${id}/action`, body, { as });
    expect((await act({ lock: null })).status).toBe(202);
    const refused = await act({ 'os-stop': null });
    expect(refused.body).toEqual({ conflictingRequest: { code: 409, message: `Instance ${id} is locked` } });
    expect((await act({ unlock: null })).status).toBe(202);
    expect((await act({ lock: null }, 'admin')).status).toBe(202);
    expect((await act({ unlock: null })).status).toBe(403);
    expect((await act({ unlock: null }, 'admin')).status).toBe(202);
  });

  it('refuses actions that it does not know, in a wrong form, or more than one at once', async () => {
    const act = (body: unknown) => api.ask('POST', `/servers/${id}/action`, body);
    expect((await act({ fly: null })).status).toBe(400);
    expect((await act({})).status).toBe(400);
    expect((await act({ reboot: { type: 'WARM' } })).status).toBe(400);
    expect((await act({ 'os-stop': null, 'os-start': null })).status).toBe(400);
    expect((await act({ createImage: { name: 'x' } })).status).toBe(400);
    expect((await act({ restore: null })).status).toBe(409);
    expect((await act({ 'os-resetState': { state: 'active' } })).status).toBe(403);
    expect((await api.ask('POST', `/servers/${nobody}/action`, { 'os-stop': null })).status).toBe(404);
  });

  it('prints what its guest printed', async () => {
    const act = (length?: unknown) =>
      api.ask('POST', `/servers/${id}/action`, { 'os-getConsoleOutput': length === undefined ? {} : { length } });
    expect((await act()).body).toEqual({ output: 'OpenSBI\nLinux\nlogin:' });
    expect((await act(1)).body).toEqual({ output: 'login:' });
    expect((await act('2')).body).toEqual({ output: 'Linux\nlogin:' });
    expect((await act('x')).status).toBe(400);
  });

  it('tells its diagnostics to operators, from 2.48 in the fixed form', async () => {
    const path = `/servers/${id}/diagnostics`;
    expect((await api.ask('GET', path)).status).toBe(403);
    expect((await api.ask('GET', path, undefined, { as: 'admin' })).body).toHaveProperty('uptimeMs', 5000);
    const { body } = await api.ask('GET', path, undefined, { as: 'admin', version: '2.48' });
    expect(body).toMatchObject({
      state: 'running',
      uptime: 5,
      num_disks: 1,
      memory_details: { maximum: 512, used: 64 },
    });
  });

  it('opens a serial console over a websocket, with a ticket', async () => {
    const wish = { remote_console: { protocol: 'serial', type: 'serial' } };
    const { body } = await api.ask('POST', `/servers/${id}/remote-consoles`, wish, { version: '2.6' });
    expect(body.remote_console.url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/console\/serial\?token=/);
    const socket = new WebSocket(body.remote_console.url);
    let seen = '';
    socket.on('message', (data: Buffer) => {
      seen += data.toString();
    });
    await waitUntil(() => seen.includes(`console of ${id}`));
    socket.send(Buffer.from('hello'));
    await waitUntil(() => seen.includes('HELLO'));
    socket.send(JSON.stringify({ resize: { columns: 80, rows: 24 } }));
    await waitUntil(() => seen.includes('size {"columns":80,"rows":24}'));
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    socket.send(Buffer.from('exit'));
    expect(await closed).toBe(1000);
  });

  it('tells operators where the console behind a ticket is', async () => {
    const wish = { remote_console: { protocol: 'serial', type: 'serial' } };
    const { body } = await api.ask('POST', `/servers/${id}/remote-consoles`, wish, { version: '2.6' });
    const token = new URL(body.remote_console.url).searchParams.get('token');
    const ask = (of: string | null, as: 'admin' | undefined, version: string) =>
      api.ask('GET', `/os-console-auth-tokens/${of}`, undefined, { as, version });
    expect((await ask(token, undefined, '2.31')).status).toBe(403);
    expect((await ask('guess', 'admin', '2.31')).body).toEqual({
      itemNotFound: { code: 404, message: 'Token not found' },
    });
    expect((await ask(token, 'admin', '2.30')).status).toBe(401);
    const answer = await ask(token, 'admin', '2.31');
    expect(answer.body.console).toMatchObject({ instance_uuid: id, host: '127.0.0.1', internal_access_path: null });
    expect(answer.body.console.port).toBeGreaterThan(0);
  });

  it('opens its screen over a websocket, if its image asks for one', async () => {
    const wish = { remote_console: { protocol: 'vnc', type: 'novnc' } };
    await api.changeServer(id, { hw_video_model: 'virtio' });
    const { body } = await api.ask('POST', `/servers/${id}/remote-consoles`, wish, { version: '2.6' });
    expect(body.remote_console).toMatchObject({ protocol: 'vnc', type: 'novnc' });
    const page = new URL(body.remote_console.url);
    expect([page.origin, page.pathname]).toEqual([api.url, '/console/vnc_lite.html']);
    const path = page.searchParams.get('path');
    expect(path).toMatch(/^console\/vnc\?token=[\w-]+$/);

    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/${path}`, ['binary']);
    let seen = '';
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) seen += data.toString();
    });
    await waitUntil(() => seen === 'RFB 003.008\n');
    expect(socket.protocol).toBe('binary');
    // Nothing is taken for a resize here.
    socket.send('{"resize":{"columns":80,"rows":24}}');
    await waitUntil(() => seen.endsWith('{"resize":{"columns":80,"rows":24}}'));
    socket.close();

    // A ticket opens the console that it is for, and no other.
    const other = new WebSocket(`${api.url.replace('http', 'ws')}/${path?.replace('vnc', 'serial')}`);
    const status = await new Promise((resolve) => {
      other.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      other.on('error', () => {});
    });
    expect(status).toBe(401);

    const old = { 'os-getVNCConsole': { type: 'novnc' } };
    const answer = await api.ask('POST', `/servers/${id}/action`, old);
    expect(answer.body.console).toMatchObject({
      type: 'novnc',
      url: expect.stringContaining('/console/vnc_lite.html?path='),
    });
    for (const [protocol, type] of [
      ['vnc', 'xvpvnc'],
      ['vnc', 'serial'],
      ['serial', 'novnc'],
      ['spice', 'spice-html5'],
      ['rdp', 'rdp-html5'],
    ]) {
      const refused = await api.ask(
        'POST',
        `/servers/${id}/remote-consoles`,
        { remote_console: { protocol, type } },
        { version: '2.6' },
      );
      expect(refused.body).toEqual({ badRequest: { code: 400, message: `Unavailable console type ${type}.` } });
    }
    const mks = { remote_console: { protocol: 'mks', type: 'webmks' } };
    expect(
      (await api.ask('POST', `/servers/${id}/remote-consoles`, mks, { version: '2.7' })).body.badRequest.message,
    ).toMatch('mks');
    expect(
      (await api.ask('POST', `/servers/${id}/remote-consoles`, mks, { version: '2.8' })).body.badRequest.message,
    ).toMatch('Unavailable');
    await api.changeServer(id, {});
  });

  it('opens no console for a ticket that is unknown, nor of another kind', async () => {
    const socket = new WebSocket(`${api.url.replace('http', 'ws')}/console/serial?token=guess`);
    const status = await new Promise((resolve) => {
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode));
      socket.on('error', () => {});
    });
    expect(status).toBe(401);
    const wish = { remote_console: { protocol: 'vnc', type: 'novnc' } };
    const answer = await api.ask('POST', `/servers/${id}/remote-consoles`, wish, { version: '2.6' });
    expect(answer.body).toEqual({ badRequest: { code: 400, message: 'Unavailable console type novnc.' } });
    expect((await api.ask('POST', `/servers/${id}/remote-consoles`, wish, { version: '2.5' })).status).toBe(404);
  });

  it('walks through its states, and refuses what does not fit in the words of Nova', async () => {
    const act = async (body: object) => {
      expect((await api.ask('POST', `/servers/${id}/action`, body)).status).toBe(202);
      await api.cloud.settled(id);
      return (await api.ask('GET', `/servers/${id}`)).body.server.status;
    };
    expect(await act({ 'os-stop': null })).toBe('SHUTOFF');
    const refused = await api.ask('POST', `/servers/${id}/action`, { pause: null });
    expect(refused.body.conflictingRequest.message).toBe(
      `Cannot 'pause' instance ${id} while it is in vm_state stopped`,
    );
    expect(await act({ 'os-start': null })).toBe('ACTIVE');
    expect(await act({ pause: null })).toBe('PAUSED');
    expect(await act({ unpause: null })).toBe('ACTIVE');
    expect(await act({ suspend: null })).toBe('SUSPENDED');
    expect(await act({ resume: null })).toBe('ACTIVE');
    expect(await act({ reboot: { type: 'soft' } })).toBe('ACTIVE');
    expect(await act({ reboot: { type: 'HARD' } })).toBe('ACTIVE');
    const rebuilt = await api.ask('POST', `/servers/${id}/action`, {
      rebuild: { imageRef: api.imageId, name: 'again' },
    });
    expect([rebuilt.status, rebuilt.body.server.status]).toEqual([202, 'REBUILD']);
    expect(rebuilt.body.server.adminPass).toHaveLength(12);
    expect(await api.cloud.settled(id)).toMatchObject({ vmState: 'active', name: 'again', owner: { generation: 2 } });
    const reset = await api.ask(
      'POST',
      `/servers/${id}/action`,
      { 'os-resetState': { state: 'error' } },
      { as: 'admin' },
    );
    expect(reset.status).toBe(202);
    expect((await api.ask('GET', `/servers/${id}`)).body.server.status).toBe('ERROR');
  });

  it('goes, and is seen as deleted by changes-since alone', async () => {
    expect((await api.ask('DELETE', `/servers/${id}`)).status).toBe(204);
    await waitUntil(() => api.cloud.server(id).vmState === 'deleted');
    expect((await api.ask('GET', `/servers/${id}`)).status).toBe(404);
    expect((await api.ask('GET', '/servers')).body.servers).toEqual([]);
    const since = await api.ask('GET', '/servers/detail?changes-since=2020-01-01T00:00:00Z');
    expect(since.body.servers.map((server: { status: string }) => server.status)).toEqual(['DELETED']);
    expect((await api.ask('GET', `/servers/${id}/os-instance-actions`)).status).toBe(404);
    const actions = await api.ask('GET', `/servers/${id}/os-instance-actions`, undefined, { version: '2.21' });
    expect(actions.body.instanceActions[0].action).toBe('delete');
    expect(api.cloud.broken()).toEqual([]);
  });
});

describe('lists', () => {
  const ids: string[] = [];
  beforeAll(async () => {
    for (const name of ['alpha', 'beta', 'gamma']) ids.push(await api.made({ name }));
    ids.push(await api.made({ name: 'theirs' }, { as: 'other' }));
  });
  afterAll(async () => {
    for (const id of ids.slice(0, 3)) await api.ask('DELETE', `/servers/${id}`);
    await api.ask('DELETE', `/servers/${ids[3]}`, undefined, { as: 'other' });
    await waitUntil(() => ids.every((id) => api.cloud.server(id).vmState === 'deleted'));
  });
  const names = async (query: string, options = {}) => {
    const { body } = await api.ask('GET', `/servers${query}`, undefined, options);
    return body.servers?.map((server: { name: string }) => server.name) ?? body;
  };

  it.each([
    ['', ['gamma', 'beta', 'alpha']],
    ['?name=et', ['beta']],
    ['?name=^a|^g', ['gamma', 'alpha']],
    ['?status=ACTIVE', ['gamma', 'beta', 'alpha']],
    ['?status=shutoff', []],
    ['?status=nonsense', []],
    ['?flavor=1', ['gamma', 'beta', 'alpha']],
    ['?flavor=2', []],
    ['?ip=10.0', ['gamma', 'beta', 'alpha']],
    ['?ip=192', []],
    ['?unknown=x', ['gamma', 'beta', 'alpha']],
    ['?host=nowhere', ['gamma', 'beta', 'alpha']],
    ['?sort_key=display_name&sort_dir=asc', ['alpha', 'beta', 'gamma']],
    ['?sort_key=name&sort_dir=asc&limit=2', ['alpha', 'beta']],
    ['?limit=0', []],
    ['?name=^al\\-*p', ['alpha']],
    ['?changes-since=2100-01-01T00:00:00Z', []],
  ])('%s', async (query, expected) => {
    expect(await names(query)).toEqual(expected);
  });

  it.each([
    ['?limit=-1', 400],
    ['?limit=x', 400],
    ['?marker=nobody', 400],
    ['?changes-since=yesterday', 400],
    ['?name=(', 400],
    ['?sort_dir=up', 400],
    ['?all_tenants=maybe', 400],
    ['?all_tenants=1', 403],
    ['?status=deleted', 403],
  ])('%s is refused with %i', async (query, status) => {
    expect((await api.ask('GET', `/servers${query}`)).status).toBe(status);
  });

  it('an evil pattern does not stop the controller', async () => {
    const id = await api.made({ name: 'a'.repeat(60) });
    const began = performance.now();
    expect((await api.ask('GET', `/servers?name=${encodeURIComponent('(a+)+$b|(a+)+c')}`)).status).toBe(400);
    expect(performance.now() - began).toBeLessThan(5000);
    await api.ask('DELETE', `/servers/${id}`);
    await waitUntil(() => api.cloud.server(id).vmState === 'deleted');
  });

  it('pages by marker, with a link to the next', async () => {
    const first = await api.ask('GET', '/servers?limit=2&sort_key=name&sort_dir=asc');
    expect(first.body.servers_links[0].rel).toBe('next');
    const next = new URL(first.body.servers_links[0].href);
    expect(await names(next.search)).toEqual(['gamma']);
  });

  it('shows all projects to an admin, and filters by host for one alone', async () => {
    expect(await names('?all_tenants=1', { as: 'admin' })).toHaveLength(4);
    expect(await names(`?all_tenants&project_id=${OTHER_PROJECT}`, { as: 'admin' })).toEqual(['theirs']);
    expect(await names('?host=nowhere', { as: 'admin' })).toEqual([]);
  });

  it('refuses unknown keys from 2.75, and unknown statuses from 2.38', async () => {
    expect((await api.ask('GET', '/servers?unknown=x', undefined, { version: '2.75' })).status).toBe(400);
    expect((await api.ask('GET', '/servers?status=nonsense', undefined, { version: '2.38' })).status).toBe(400);
  });
});

describe('creating', () => {
  it('several makes several, numbered, under one reservation', async () => {
    const answer = await api.ask(
      'POST',
      '/servers',
      api.wish({ name: 'many', min_count: 2, max_count: 3, return_reservation_id: true }),
    );
    expect(answer.status).toBe(202);
    expect(answer.body.reservation_id).toMatch(/^r-[0-9a-z]{8}$/);
    const { body } = await api.ask(
      'GET',
      `/servers?reservation_id=${answer.body.reservation_id}&sort_key=name&sort_dir=asc`,
    );
    expect(body.servers.map((server: { name: string }) => server.name)).toEqual(['many-1', 'many-2', 'many-3']);
    for (const { id } of body.servers) {
      await api.cloud.settled(id);
      expect((await api.ask('POST', `/servers/${id}/action`, { forceDelete: null })).status).toBe(202);
    }
    await waitUntil(() => body.servers.every(({ id }: { id: string }) => api.cloud.server(id).vmState === 'deleted'));
  });

  it('never passes the quota, however many ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 16 }, () => api.ask('POST', '/servers', api.wish())));
    const made = answers.filter(({ status }) => status === 202);
    expect(made).toHaveLength(10);
    const refused = answers.find(({ status }) => status !== 202)!;
    expect(refused.body).toEqual({
      forbidden: {
        code: 403,
        message: 'Quota exceeded for instances: Requested 1, but already used 10 of 10 instances',
      },
    });
    for (const { body } of made) {
      await api.cloud.settled(body.server.id);
      await api.ask('DELETE', `/servers/${body.server.id}`);
    }
    await waitUntil(() => made.every(({ body }) => api.cloud.server(body.server.id).vmState === 'deleted'));
    expect(api.cloud.broken()).toEqual([]);
  });

  it('what no host can take ends in ERROR with the reasons', async () => {
    const id = await api.made({ flavorRef: 'huge' }).catch(() => '');
    // Above the quota of memory it is not even tried.
    expect(id).toBe('');
    const lesser = await api.made({ flavorRef: '2', availability_zone: 'nova:node-9' }, { as: 'admin' });
    const { body } = await api.ask('GET', `/servers/${lesser}`);
    expect(body.server.status).toBe('ERROR');
    expect(body.server.fault).toMatchObject({ code: 500 });
    expect(body.server.fault.message).toMatch(
      /^No valid host was found. There are not enough hosts available. node-1: node-9 was asked for/,
    );
    expect(body.server.fault).not.toHaveProperty('details');
    await api.ask('DELETE', `/servers/${lesser}`);
    await waitUntil(() => api.cloud.server(lesser).vmState === 'deleted');
  });

  it('on the host that an admin names', async () => {
    const id = await api.made({ availability_zone: 'nova:node-2' }, { as: 'admin' });
    expect(api.cloud.server(id).owner?.host).toBe('node-2');
    await api.ask('DELETE', `/servers/${id}`);
    await waitUntil(() => api.cloud.server(id).vmState === 'deleted');
  });

  it('with a config drive when asked: metadata, network, user data, password, files', async () => {
    const id = await api.made({
      config_drive: true,
      user_data: Buffer.from('#!/bin/sh\n').toString('base64'),
      key_name: 'mine',
      adminPass: 'secret',
      personality: [{ path: '/etc/motd', contents: Buffer.from('hi').toString('base64') }],
    });
    const files = api.cloud.agentOf(id).guests.get(id)!.spec!.configDrive;
    const file = (path: string) => Buffer.from(files[path]!).toString();
    const meta = JSON.parse(file('openstack/latest/meta_data.json'));
    expect(meta).toMatchObject({ uuid: id, name: 'web1', hostname: 'web1', admin_pass: 'secret' });
    expect(meta.public_keys).toEqual({ mine: 'ssh-ed25519 AAAA demo' });
    expect(file('openstack/latest/user_data')).toBe('#!/bin/sh\n');
    expect(file('openstack/content/0000')).toBe('hi');
    expect(JSON.parse(file('openstack/latest/network_data.json')).networks[0].type).toBe('ipv4_dhcp');
    expect(JSON.parse(file('ec2/latest/meta-data.json'))['instance-id']).toMatch(/^i-[0-9a-f]{8}$/);
    const { body } = await api.ask('GET', `/servers/${id}`);
    expect(body.server.config_drive).toBe('True');
    await api.ask('DELETE', `/servers/${id}`);
    await waitUntil(() => api.cloud.server(id).vmState === 'deleted');
  });

  it('from an image named by a block device mapping that stays local', async () => {
    const mapping = {
      source_type: 'image',
      destination_type: 'local',
      boot_index: 0,
      uuid: api.imageId,
      delete_on_termination: true,
    };
    const id = await api.made({ imageRef: '', block_device_mapping_v2: [mapping] });
    expect(api.cloud.server(id).image?.id).toBe(api.imageId);
    await api.ask('DELETE', `/servers/${id}`);
    await waitUntil(() => api.cloud.server(id).vmState === 'deleted');
  });
});

describe('server groups', () => {
  it('are made, shown, listed and deleted', async () => {
    const made = await api.ask('POST', '/os-server-groups', {
      server_group: { name: 'g', policies: ['anti-affinity'] },
    });
    expect(made.body.server_group).toEqual({
      id: expect.any(String),
      name: 'g',
      policies: ['anti-affinity'],
      members: [],
      metadata: {},
    });
    const path = `/os-server-groups/${made.body.server_group.id}`;
    const latest = await api.ask('GET', path, undefined, { version: MAX });
    expect(latest.body.server_group).toMatchObject({ policy: 'anti-affinity', rules: {}, project_id: PROJECT });
    expect(latest.body.server_group).not.toHaveProperty('policies');
    expect((await api.ask('GET', path, undefined, { as: 'other' })).status).toBe(404);
    expect((await api.ask('GET', '/os-server-groups')).body.server_groups).toHaveLength(1);
    const bad = await api.ask('POST', '/os-server-groups', {
      server_group: { name: 'g', policies: ['storage-affinity'] },
    });
    expect(bad.status).toBe(400);
    expect((await api.ask('DELETE', path)).status).toBe(204);
    expect((await api.ask('DELETE', path)).status).toBe(404);
  });
});
