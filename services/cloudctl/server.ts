// server: create, list, show, delete, set, and what moves its power.

import { ClientError, type CloudClient, type Server, waitForServer, waitForServerGone } from '#client';
import type { Command, Context } from './command.ts';
import { defined, either, namesById, PAGING, paging, sorted, text } from './fields.ts';
import { type Fields, Shown, type Table } from './format.ts';
import { type Arguments, UsageError } from './grammar.ts';
import { eachOf } from './many.ts';
import { inspectionCommands } from './server-inspect.ts';

const POWER_STATES: Readonly<Record<number, string>> = {
  0: 'NOSTATE',
  1: 'Running',
  3: 'Paused',
  4: 'Shutdown',
  6: 'Crashed',
  7: 'Suspended',
};

const WAIT = { name: 'wait', help: 'wait until it is done' };
const ALL_PROJECTS = { name: 'all-projects', help: 'of all projects (admin)' };
const SERVERS = [{ name: 'server', help: 'name or id', many: true }];
const SERVER = [{ name: 'server', help: 'name or id' }];

const findQuery = (args: Arguments) => (args.has('all-projects') ? { all_tenants: 'True' } : {});

/** {"private":["10.0.0.5"]}, in tables as private=10.0.0.5. */
function networks(server: Server): Shown {
  const addresses = (server.addresses ?? {}) as Record<string, { addr: string }[]>;
  const value = Object.fromEntries(
    Object.entries(addresses).map(([network, list]) => [network, list.map((one) => one.addr)]),
  );
  const shown = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([network, list]) => `${network}=${list.join(', ')}`)
    .join('; ');
  return new Shown(value, shown);
}

const powerState = (value: unknown): Shown =>
  new Shown(value ?? null, typeof value === 'number' ? (POWER_STATES[value] ?? String(value)) : 'None');

/** Since 2.47 the flavor is embedded; before, it is an id. */
const flavorOf = (server: Server) => (server.flavor ?? {}) as { id?: string; original_name?: string };
const imageIdOf = (server: Server): string => {
  const { image } = server;
  return typeof image === 'object' && image !== null ? text((image as { id?: unknown }).id) : '';
};

const FROM_VOLUME = 'N/A (booted from volume)';

async function list(context: Context, args: Arguments): Promise<Table> {
  const cloud = await context.cloud();
  const query = {
    ...findQuery(args),
    ...paging(args),
    name: args.text('name'),
    status: args.text('status'),
    host: args.text('host'),
    ip: args.text('ip'),
    deleted: args.has('deleted') ? 'True' : undefined,
    'changes-since': args.text('changes-since'),
    user_id: args.text('user') && (await cloud.identity.users.find(args.must('user'))).id,
  };
  const servers = await cloud.compute.servers.list(query);
  const long = args.has('long');
  const noLookup = args.has('no-name-lookup') || args.has('n');
  const images =
    noLookup || servers.every((one) => imageIdOf(one) === '') ? new Map() : namesById(await cloud.image.images.list());
  // Since 2.47 a server carries its flavor's name and no id: which of the two has to be looked up depends on the answer.
  const embedded = servers.every((one) => flavorOf(one).original_name !== undefined);
  const flavors =
    noLookup || servers.length === 0 || (embedded && !long)
      ? []
      : await cloud.compute.flavors.list({ is_public: 'None' });
  const flavorNames = namesById(flavors);
  const flavorIds = new Map(flavors.map((one) => [text(one.name), one.id]));
  const columns = long
    ? [
        ...['ID', 'Name', 'Status', 'Task State', 'Power State', 'Networks', 'Image Name', 'Image ID'],
        ...['Flavor Name', 'Flavor ID', 'Availability Zone', 'Host', 'Properties'],
      ]
    : ['ID', 'Name', 'Status', 'Networks', 'Image', 'Flavor'];
  const rows = servers.map((one) => {
    const imageId = imageIdOf(one);
    const image = imageId === '' ? FROM_VOLUME : (images.get(imageId) ?? imageId);
    const { original_name: name, id = flavorIds.get(name ?? '') } = flavorOf(one);
    const flavor = name ?? flavorNames.get(id ?? '') ?? id;
    if (!long) return [one.id, one.name, one.status, networks(one), image, flavor];
    return [
      ...[one.id, one.name, one.status, one['OS-EXT-STS:task_state'], powerState(one['OS-EXT-STS:power_state'])],
      ...[networks(one), image, imageId === '' ? FROM_VOLUME : imageId, flavor, id],
      ...[one['OS-EXT-AZ:availability_zone'], one['OS-EXT-SRV-ATTR:host'], one.metadata ?? {}],
    ];
  });
  return { columns, rows };
}

async function present(cloud: CloudClient, server: Server): Promise<Fields> {
  const imageId = imageIdOf(server);
  const image = imageId && (await cloud.image.images.get(imageId).catch(() => undefined));
  const flavor = flavorOf(server);
  const flavorName =
    flavor.original_name ??
    (flavor.id && text((await cloud.compute.flavors.get(flavor.id).catch(() => undefined))?.name)) ??
    '';
  const { tenant_id, metadata, 'os-extended-volumes:volumes_attached': volumes, ...rest } = server;
  return sorted({
    ...rest,
    addresses: networks(server),
    flavor: flavor.id ? `${flavorName} (${flavor.id})` : flavorName,
    image: imageId === '' ? FROM_VOLUME : image ? `${text(image.name)} (${imageId})` : imageId,
    'OS-EXT-STS:power_state': powerState(server['OS-EXT-STS:power_state']),
    project_id: tenant_id,
    properties: metadata ?? {},
    volumes_attached: volumes ?? [],
    ...(Array.isArray(server.security_groups) && {
      security_groups: new Shown(
        server.security_groups,
        server.security_groups.map((one: { name: string }) => `name='${one.name}'`).join('\n'),
      ),
    }),
  });
}

async function nics(cloud: CloudClient, args: Arguments): Promise<unknown> {
  const wanted: Record<string, string>[] = [];
  for (const name of args.all('network')) wanted.push({ uuid: (await cloud.network.networks.find(name)).id });
  for (const name of args.all('port')) wanted.push({ port: (await cloud.network.ports.find(name)).id });
  for (const nic of args.all('nic')) {
    if (nic === 'auto' || nic === 'none') return nic;
  }
  for (const nic of args.records('nic')) {
    const one: Record<string, string> = {};
    if (nic['net-id']) one.uuid = (await cloud.network.networks.find(nic['net-id'])).id;
    if (nic['port-id']) one.port = (await cloud.network.ports.find(nic['port-id'])).id;
    if (nic['v4-fixed-ip'] ?? nic['v6-fixed-ip']) one.fixed_ip = nic['v4-fixed-ip'] ?? nic['v6-fixed-ip'] ?? '';
    if (nic.tag) one.tag = nic.tag;
    wanted.push(one);
  }
  if (args.has('no-network')) return 'none';
  return wanted.length > 0 ? wanted : 'auto';
}

async function create(context: Context, args: Arguments): Promise<Fields> {
  if (!args.has('image') && !args.has('volume') && !args.has('snapshot')) {
    throw new UsageError('one of the arguments --image --volume is required');
  }
  const cloud = await context.cloud();
  const { readFile } = await import('node:fs/promises');
  const image = args.has('image') ? await cloud.image.images.find(args.must('image')) : undefined;
  const flavor = await cloud.compute.flavors.find(args.must('flavor'));
  const userData = args.text('user-data');
  const configDrive = either(args, 'use-config-drive', 'no-config-drive');
  const legacy = args.text('config-drive');
  const count = args.integer('max') ?? args.integer('min');
  const volume = args.text('volume');
  const hints = args.pairs('hint');
  if (args.has('server-group')) hints.group = (await cloud.compute.serverGroups.find(args.must('server-group'))).id;
  const body = defined({
    name: args.must('server-name'),
    imageRef: image?.id ?? '',
    flavorRef: flavor.id,
    networks: await nics(cloud, args),
    key_name: args.text('key-name'),
    description: args.text('description'),
    metadata: args.has('property') ? args.pairs('property') : undefined,
    security_groups: args.has('security-group') ? args.all('security-group').map((name) => ({ name })) : undefined,
    availability_zone: args.text('availability-zone'),
    host: args.text('host'),
    hostname: args.text('hostname'),
    user_data: userData && (await readFile(userData)).toString('base64'),
    config_drive: configDrive ?? (legacy === undefined ? undefined : legacy.toLowerCase() === 'true'),
    adminPass: args.text('password'),
    tags: args.has('tag') ? args.all('tag') : undefined,
    min_count: args.integer('min'),
    max_count: count,
    block_device_mapping_v2: volume && [
      { boot_index: 0, uuid: volume, source_type: 'volume', destination_type: 'volume', delete_on_termination: false },
    ],
  });
  const json = { server: body, ...(Object.keys(hints).length > 0 && { 'os:scheduler_hints': hints }) };
  const { json: answer } = await cloud.session.call('compute', 'POST', '/servers', { json });
  const { server: made } = answer as { server: Server };
  const wanted = args.has('wait')
    ? await waitForServer(cloud.compute, made.id, ['ACTIVE'], progress(context, text(body.name)))
    : await cloud.compute.servers.get(made.id);
  context.endProgress();
  // The password is told once, in the answer to the create alone.
  return present(cloud, made.adminPass === undefined ? wanted : { ...wanted, adminPass: made.adminPass });
}

const progress = (context: Context, name: string) => ({
  onState: (state: string) => context.progress(`${name}: ${state}`),
});

async function remove(context: Context, args: Arguments): Promise<number> {
  const cloud = await context.cloud();
  return eachOf(context, args.all('server'), 'server', 'delete', async (name) => {
    const { id } = await cloud.compute.servers.find(name, findQuery(args));
    if (args.has('force')) await cloud.compute.action(id, 'forceDelete');
    else await cloud.compute.servers.delete(id);
    if (args.has('wait')) await waitForServerGone(cloud.compute, id, progress(context, name));
    context.endProgress();
  });
}

/** Verbs that are one action, with the status in which they end. */
function power(verb: string, action: string, status: string, summary: string): Command {
  return {
    words: `server ${verb}`,
    summary,
    positionals: SERVERS,
    options: [WAIT, ALL_PROJECTS],
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      return eachOf(context, args.all('server'), 'server', verb, async (name) => {
        const { id } = await cloud.compute.servers.find(name, findQuery(args));
        await cloud.compute.action(id, action);
        if (args.has('wait')) await waitForServer(cloud.compute, id, [status], progress(context, name));
        context.endProgress();
      });
    },
  };
}

export const commands: readonly Command[] = [
  {
    words: 'server list',
    summary: 'List servers',
    options: [
      { name: 'long', help: 'more columns' },
      ALL_PROJECTS,
      { name: 'name', value: '<regex>', help: 'whose name matches' },
      { name: 'status', value: '<status>', help: 'in this status' },
      { name: 'host', value: '<host>', help: 'on this host (admin)' },
      { name: 'ip', value: '<regex>', help: 'with an address that matches' },
      { name: 'user', value: '<user>', help: 'of this user (admin)' },
      { name: 'deleted', help: 'deleted ones (admin)' },
      { name: 'changes-since', value: '<time>', help: 'changed after' },
      { name: 'no-name-lookup', short: 'n', help: 'show ids of images and flavors' },
      ...PAGING,
    ],
    output: 'list',
    run: list,
  },
  {
    words: 'server show',
    summary: 'Show a server',
    positionals: SERVER,
    options: [ALL_PROJECTS],
    output: 'show',
    async run(context, args) {
      const cloud = await context.cloud();
      return present(cloud, await cloud.compute.servers.find(args.must('server'), findQuery(args)));
    },
  },
  {
    words: 'server create',
    summary: 'Create a server',
    positionals: [{ name: 'server-name', help: 'name of the new server' }],
    options: [
      { name: 'flavor', value: '<flavor>', help: 'size: name or id', required: true },
      { name: 'image', value: '<image>', help: 'boot from this image: name or id' },
      { name: 'volume', value: '<volume>', help: 'boot from this volume' },
      { name: 'network', value: '<network>', help: 'connect to it', repeat: true },
      { name: 'port', value: '<port>', help: 'use this port', repeat: true },
      { name: 'nic', value: '<net-id=..,port-id=..,v4-fixed-ip=..|auto|none>', help: 'a NIC in detail', repeat: true },
      { name: 'no-network', help: 'no NIC' },
      { name: 'key-name', value: '<keypair>', help: 'its public key is put into the guest' },
      { name: 'security-group', value: '<group>', help: 'for ports made with the server', repeat: true },
      { name: 'user-data', value: '<file>', help: 'file that the guest reads at its first start' },
      { name: 'description', value: '<text>', help: 'description' },
      { name: 'property', value: '<key=value>', help: 'metadata', repeat: true },
      { name: 'availability-zone', value: '<zone>', help: 'start it there' },
      { name: 'host', value: '<host>', help: 'start it on this host (admin)' },
      { name: 'hostname', value: '<name>', help: 'name inside the guest' },
      { name: 'hint', value: '<key=value>', help: 'hint for the scheduler', repeat: true },
      { name: 'server-group', value: '<group>', help: 'put it into this server group' },
      { name: 'use-config-drive', help: 'metadata on a disk' },
      { name: 'no-config-drive', help: 'no such disk' },
      { name: 'config-drive', value: '<true|false>', help: 'older way to say so' },
      { name: 'password', value: '<password>', help: "the administrator's password in the guest" },
      { name: 'tag', value: '<tag>', help: 'tag', repeat: true },
      { name: 'min', value: '<count>', help: 'at least so many servers', integer: true },
      { name: 'max', value: '<count>', help: 'at most so many servers', integer: true },
      WAIT,
    ],
    output: 'show',
    run: create,
  },
  {
    words: 'server delete',
    summary: 'Delete servers',
    positionals: SERVERS,
    options: [{ name: 'force', help: 'even if it is stuck' }, WAIT, ALL_PROJECTS],
    output: 'none',
    run: remove,
  },
  power('start', 'os-start', 'ACTIVE', 'Start servers'),
  power('stop', 'os-stop', 'SHUTOFF', 'Stop servers'),
  power('pause', 'pause', 'PAUSED', 'Pause servers: memory stays where it is'),
  power('unpause', 'unpause', 'ACTIVE', 'Let paused servers go on'),
  power('suspend', 'suspend', 'SUSPENDED', 'Suspend servers: memory goes to disk'),
  power('resume', 'resume', 'ACTIVE', 'Resume suspended servers'),
  power('lock', 'lock', 'ACTIVE', 'Lock servers against changes'),
  power('unlock', 'unlock', 'ACTIVE', 'Unlock servers'),
  {
    words: 'server reboot',
    summary: 'Reboot servers',
    positionals: SERVERS,
    options: [
      { name: 'hard', help: 'as if the power went off and on' },
      { name: 'soft', help: 'ask the guest to restart (the default)' },
      WAIT,
      ALL_PROJECTS,
    ],
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      return eachOf(context, args.all('server'), 'server', 'reboot', async (name) => {
        const { id } = await cloud.compute.servers.find(name, findQuery(args));
        await cloud.compute.action(id, 'reboot', { type: args.has('hard') ? 'HARD' : 'SOFT' });
        if (args.has('wait')) await waitForServer(cloud.compute, id, ['ACTIVE'], progress(context, name));
        context.endProgress();
      });
    },
  },
  {
    words: 'server set',
    summary: 'Change a server',
    positionals: SERVER,
    options: [
      { name: 'name', value: '<name>', help: 'new name' },
      { name: 'description', value: '<text>', help: 'description' },
      { name: 'property', value: '<key=value>', help: 'metadata', repeat: true },
      { name: 'state', value: '<state>', help: 'force the state (admin)', choices: ['active', 'error'] },
      { name: 'tag', value: '<tag>', help: 'add a tag', repeat: true },
    ],
    output: 'none',
    async run(context, args) {
      const { compute, session } = await context.cloud();
      const { id } = await compute.servers.find(args.must('server'));
      const changes = defined({ name: args.text('name'), description: args.text('description') });
      if (Object.keys(changes).length > 0) await compute.servers.update(id, changes);
      if (args.has('property')) {
        await session.call('compute', 'POST', `/servers/${id}/metadata`, {
          json: { metadata: args.pairs('property') },
        });
      }
      if (args.has('state')) await compute.action(id, 'os-resetState', { state: args.text('state') });
      for (const tag of args.all('tag')) {
        await session.call('compute', 'PUT', `/servers/${id}/tags/${encodeURIComponent(tag)}`);
      }
      return 0;
    },
  },
  {
    words: 'server unset',
    summary: 'Take metadata or tags from a server',
    positionals: SERVER,
    options: [
      { name: 'property', value: '<key>', help: 'metadata key', repeat: true },
      { name: 'description', help: 'remove the description' },
      { name: 'tag', value: '<tag>', help: 'remove a tag', repeat: true },
    ],
    output: 'none',
    async run(context, args) {
      const { compute, session } = await context.cloud();
      const { id } = await compute.servers.find(args.must('server'));
      for (const key of args.all('property')) {
        await session.call('compute', 'DELETE', `/servers/${id}/metadata/${encodeURIComponent(key)}`);
      }
      if (args.has('description')) await compute.servers.update(id, { description: null });
      for (const tag of args.all('tag')) {
        await session.call('compute', 'DELETE', `/servers/${id}/tags/${encodeURIComponent(tag)}`);
      }
      return 0;
    },
  },
  {
    words: 'server rename',
    summary: 'Give a server another name',
    positionals: [...SERVER, { name: 'new-name', help: 'its new name' }],
    output: 'none',
    async run(context, args) {
      const { compute } = await context.cloud();
      const { id } = await compute.servers.find(args.must('server'));
      await compute.servers.update(id, { name: args.must('new-name') });
      return 0;
    },
  },
  {
    words: 'server rebuild',
    summary: 'Start a server anew from an image',
    positionals: SERVER,
    options: [
      { name: 'image', value: '<image>', help: 'image; its own by default' },
      { name: 'name', value: '<name>', help: 'new name' },
      { name: 'password', value: '<password>', help: "the administrator's password in the guest" },
      WAIT,
    ],
    output: 'show',
    async run(context, args) {
      const cloud = await context.cloud();
      const server = await cloud.compute.servers.find(args.must('server'));
      const image = args.has('image') ? (await cloud.image.images.find(args.must('image'))).id : imageIdOf(server);
      if (image === '') throw new ClientError('The server has no image of its own: name one with --image.');
      const fields = defined({ imageRef: image, name: args.text('name'), adminPass: args.text('password') });
      await cloud.compute.action(server.id, 'rebuild', fields);
      const done = args.has('wait')
        ? await waitForServer(cloud.compute, server.id, ['ACTIVE', 'SHUTOFF'], progress(context, server.name))
        : await cloud.compute.servers.get(server.id);
      context.endProgress();
      return present(cloud, done);
    },
  },
  {
    words: 'server image create',
    summary: 'Make an image of a server',
    positionals: SERVER,
    options: [
      { name: 'name', value: '<name>', help: 'name of the image' },
      { name: 'property', value: '<key=value>', help: 'property of the image', repeat: true },
      WAIT,
    ],
    output: 'show',
    async run(context, args) {
      const { compute, image } = await context.cloud();
      const server = await compute.servers.find(args.must('server'));
      const name = args.text('name') ?? server.name;
      const answer = await compute.action(
        server.id,
        'createImage',
        defined({ name, metadata: args.pairs('property') }),
      );
      const { image_id: id } = answer as { image_id: string };
      if (!args.has('wait')) return sorted(await image.images.get(id));
      const { waitFor } = await import('#client');
      return sorted(
        await waitFor(`image ${id}`, async () => {
          const made = await image.images.get(id);
          context.progress(`${name}: ${made.status}`);
          if (made.status === 'active') return made;
          if (made.status === 'killed' || made.status === 'deleted')
            throw new ClientError(`Image ${id} is ${made.status}.`);
          return undefined;
        }),
      );
    },
  },
  {
    words: 'server explain',
    summary: 'Tell why a server is on its host, or on none',
    positionals: [{ name: 'server', help: 'name or id', optional: true }],
    options: [
      { name: 'request-id', value: '<req-...>', help: 'the create request, when there is no server' },
      ALL_PROJECTS,
    ],
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const name = args.text('server');
      const request = args.text('request-id');
      if (!name && !request) throw new UsageError('one of <server> and --request-id is required');
      const id = request ?? (await compute.servers.find(name ?? '', findQuery(args))).id;
      const { hosts, message } = await compute.explanation(id);
      if (message) context.say(message);
      return {
        columns: ['Host', 'Verdict', 'Filter', 'Reason'],
        rows: hosts.map((one) => [one.host, one.verdict, one.filter ?? null, one.reason ?? null]),
      };
    },
  },
  {
    words: 'server event list',
    summary: 'List what was done to a server',
    positionals: SERVER,
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const { id } = await compute.servers.find(args.must('server'));
      const events = await compute.events(id);
      return {
        columns: ['Request ID', 'Server ID', 'Action', 'Start Time', 'Message'],
        rows: events.map((one) => [one.request_id, one.instance_uuid, one.action, one.start_time, one.message ?? null]),
      };
    },
  },
  ...inspectionCommands,
];
