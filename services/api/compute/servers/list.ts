// GET /servers and /servers/detail: filters, order, pages. Everything is answered from the index in memory, after it has
// reached the store's present revision. Keys that a plain user may not filter by are ignored, as in Nova.

import { CumuletError } from '#base';
import { matchesStatus, PORT, SERVER, type Server } from '#model';
import type { Reply, RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { parseTime } from '../../http/time.ts';
import { findPattern } from './name-pattern.ts';
import { briefView, wholeView } from './view.ts';

const MAX_LIMIT = 1000;
const STATUSES: ReadonlySet<string> = new Set([
  'ACTIVE',
  'BUILD',
  'DELETED',
  'ERROR',
  'HARD_REBOOT',
  'MIGRATING',
  'PASSWORD',
  'PAUSED',
  'REBOOT',
  'REBUILD',
  'RESCUE',
  'RESIZE',
  'REVERT_RESIZE',
  'SHELVED',
  'SHELVED_OFFLOADED',
  'SHUTOFF',
  'SOFT_DELETED',
  'SUSPENDED',
  'UNKNOWN',
  'VERIFY_RESIZE',
]);

const TRUE = new Set(['1', 't', 'true', 'on', 'y', 'yes']);
const FALSE = new Set(['0', 'f', 'false', 'off', 'n', 'no']);

function booleanOf(key: string, text: string): boolean {
  const value = text.trim().toLowerCase();
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw new CumuletError(
    'invalid',
    `Invalid value '${text}' for ${key}: it must be one of 1, t, true, on, y, yes, 0, f, false, off, n, no`,
  );
}

/** The last value of a key, as Nova takes it. */
const one = (search: URLSearchParams, key: string): string | undefined => search.getAll(key).at(-1);

type Test = (server: Server) => boolean;
type ListContext = RequestContext;

const eq =
  (read: (server: Server) => unknown) =>
  (wanted: string): Test =>
  (server) =>
    String(read(server) ?? '') === wanted;

/** Filters that only operators have before 2.83, by key. */
const OPERATOR_FILTERS: Readonly<Record<string, (wanted: string) => Test>> = {
  host: eq((server) => server.owner?.host),
  node: eq((server) => server.owner?.host),
  availability_zone: eq((server) => server.availabilityZone),
  config_drive: (wanted) => (server) => server.configDrive === TRUE.has(wanted.toLowerCase()),
  key_name: eq((server) => server.key?.name),
  created_at: (wanted) => (server) => server.createdAt === parseTime(wanted),
  launched_at: (wanted) => (server) => server.launchedAt === parseTime(wanted),
  terminated_at: (wanted) => (server) => server.terminatedAt === parseTime(wanted),
  power_state: eq((server) => server.powerState),
  task_state: eq((server) => server.taskState),
  vm_state: eq((server) => server.vmState),
  user_id: eq((server) => server.userId),
  uuid: eq((server) => server.id),
  hostname: eq((server) => server.hostname),
  instance_name: eq((server) => server.number),
  kernel_id: eq((server) => server.image?.kernelId),
  ramdisk_id: eq((server) => server.image?.ramdiskId),
  launch_index: eq((server) => server.launchIndex),
  locked_by: eq((server) => server.locked?.by),
  root_device_name: eq((server) => server.rootDeviceName),
  progress: (wanted) => (server) => (server.vmState === 'active' ? 100 : 0) === Number(wanted),
  description: (wanted) => (server) => (server.description ?? '').includes(wanted),
  access_ip_v4: eq((server) => server.accessIpV4),
  access_ip_v6: eq((server) => server.accessIpV6),
};
/** Of those, what 2.83 gives to everybody. */
const OPEN_FROM_83 = new Set([
  'availability_zone',
  'config_drive',
  'key_name',
  'created_at',
  'launched_at',
  'terminated_at',
  'power_state',
  'task_state',
  'vm_state',
  'progress',
  'user_id',
]);

const TAG_TESTS: Readonly<Record<string, (tags: readonly string[], wanted: readonly string[]) => boolean>> = {
  tags: (tags, wanted) => wanted.every((tag) => tags.includes(tag)),
  'tags-any': (tags, wanted) => wanted.some((tag) => tags.includes(tag)),
  'not-tags': (tags, wanted) => !wanted.every((tag) => tags.includes(tag)),
  'not-tags-any': (tags, wanted) => !wanted.some((tag) => tags.includes(tag)),
};

function timeOf(ctx: ListContext, key: string): number | undefined {
  const text = one(ctx.search, key);
  if (text === undefined) return undefined;
  const time = parseTime(text);
  if (time === undefined) {
    const message = `Invalid input for query parameters ${key}. Value: ${text}. '${text}' is not a 'date-time'`;
    throw new CumuletError('invalid', message);
  }
  return time;
}

/** Whose servers: the token's project, or all (or one) for an admin who asks for them. */
function scopeTest(ctx: ListContext, rule: string): Test {
  const asked = one(ctx.search, 'all_tenants');
  const all = asked !== undefined && (asked === '' || booleanOf('all_tenants', asked));
  if (all) {
    ctx.enforce(`${rule}:get_all_tenants`);
    const project = one(ctx.search, 'tenant_id') ?? one(ctx.search, 'project_id');
    return project === undefined ? () => true : (server) => server.projectId === project;
  }
  const projectId = ctx.projectId;
  return (server) => server.projectId === projectId;
}

/** Deleted servers show in `changes-since`, and to admins who ask for them. */
function deletedTest(ctx: ListContext): Test {
  const since = timeOf(ctx, 'changes-since');
  const before = ctx.microversion.atLeast(2, 66) ? timeOf(ctx, 'changes-before') : undefined;
  if (since !== undefined && before !== undefined && since > before) {
    throw new CumuletError('invalid', 'The value of changes-since must be less than or equal to changes-before.');
  }
  const operator = ctx.can('os_compute_api:servers:allow_all_filters');
  const statuses = ctx.search.getAll('status').map((status) => status.toUpperCase());
  if (statuses.includes('DELETED') && !operator) {
    throw new CumuletError('forbidden', 'Only administrators may list deleted instances');
  }
  const asked = operator ? one(ctx.search, 'deleted') : undefined;
  const wantsDeleted = asked !== undefined && booleanOf('deleted', asked);
  const showsDeleted = since !== undefined || before !== undefined || statuses.includes('DELETED');
  return (server) => {
    if (since !== undefined && server.updatedAt < since) return false;
    if (before !== undefined && server.updatedAt > before) return false;
    if (wantsDeleted) return server.vmState === 'deleted';
    return showsDeleted || server.vmState !== 'deleted';
  };
}

function statusTest(ctx: ListContext): Test | undefined {
  const statuses = ctx.search.getAll('status');
  if (statuses.length === 0) return undefined;
  const known = statuses.filter((status) => STATUSES.has(status.toUpperCase()));
  if (known.length < statuses.length && ctx.microversion.atLeast(2, 38)) {
    throw new CumuletError('invalid', 'Invalid status value');
  }
  return (server) => known.some((status) => matchesStatus(server, status));
}

/** Addresses are regular expressions too. */
function addressTest(ctx: ListContext, pattern: string, version: 4 | 6): Test {
  const addresses = new Map<string, string[]>();
  for (const { value: port } of ctx.records.peekList(PORT, (one) => one.deviceId !== '')) {
    const mine = port.fixedIps.map((ip) => ip.ipAddress).filter((ip) => ip.includes(':') === (version === 6));
    addresses.set(port.deviceId, [...(addresses.get(port.deviceId) ?? []), ...mine]);
  }
  const flat = [...addresses].flatMap(([id, ips]) => ips.map((ip) => ({ id, ip })));
  const found = findPattern(
    pattern,
    flat.map(({ ip }) => ip),
  );
  const ids = new Set(flat.filter((_, at) => found[at]).map(({ id }) => id));
  return (server) => ids.has(server.id);
}

function plainTests(ctx: ListContext): Test[] {
  const tests: Test[] = [];
  const add = (key: string, make: (wanted: string) => Test) => {
    const wanted = one(ctx.search, key);
    if (wanted !== undefined) tests.push(make(wanted));
  };
  add(
    'reservation_id',
    eq((server) => server.reservationId),
  );
  add(
    'image',
    eq((server) => server.image?.id),
  );
  add(
    'flavor',
    eq((server) => server.flavor.id),
  );
  add('ip', (pattern) => addressTest(ctx, pattern, 4));
  if (ctx.microversion.atLeast(2, 5) || ctx.can('os_compute_api:servers:allow_all_filters')) {
    add('ip6', (pattern) => addressTest(ctx, pattern, 6));
  }
  if (ctx.microversion.atLeast(2, 26)) {
    for (const [key, test] of Object.entries(TAG_TESTS)) {
      add(key, (wanted) => (server) => test(server.tags, wanted.split(',')));
    }
  }
  if (ctx.microversion.atLeast(2, 73)) {
    add('locked', (wanted) => {
      const locked = booleanOf('locked', wanted);
      return (server) => (server.locked !== null) === locked;
    });
  }
  const operator = ctx.can('os_compute_api:servers:allow_all_filters');
  for (const [key, make] of Object.entries(OPERATOR_FILTERS)) {
    if (operator || (ctx.microversion.atLeast(2, 83) && OPEN_FROM_83.has(key))) add(key, make);
  }
  return tests;
}

type SortValue = string | number | null;
const SORT_KEYS: Readonly<Record<string, (server: Server) => SortValue>> = {
  access_ip_v4: (server) => server.accessIpV4,
  access_ip_v6: (server) => server.accessIpV6,
  auto_disk_config: (server) => server.diskConfig,
  availability_zone: (server) => server.availabilityZone,
  config_drive: (server) => (server.configDrive ? 1 : 0),
  created_at: (server) => server.createdAt,
  display_description: (server) => server.description,
  display_name: (server) => server.name,
  host: (server) => server.owner?.host ?? null,
  hostname: (server) => server.hostname,
  image_ref: (server) => server.image?.id ?? null,
  instance_type_id: (server) => server.flavor.id,
  kernel_id: (server) => server.image?.kernelId ?? null,
  key_name: (server) => server.key?.name ?? null,
  launch_index: (server) => server.launchIndex,
  launched_at: (server) => server.launchedAt,
  locked_by: (server) => server.locked?.by ?? null,
  node: (server) => server.owner?.host ?? null,
  power_state: (server) => server.powerState,
  progress: (server) => (server.vmState === 'active' ? 100 : 0),
  project_id: (server) => server.projectId,
  ramdisk_id: (server) => server.image?.ramdiskId ?? null,
  root_device_name: (server) => server.rootDeviceName,
  task_state: (server) => server.taskState,
  terminated_at: (server) => server.terminatedAt,
  updated_at: (server) => server.updatedAt,
  user_id: (server) => server.userId,
  uuid: (server) => server.id,
  vm_state: (server) => server.vmState,
  locked: (server) => (server.locked === null ? 0 : 1),
};
/** Keys of the answer's own words that clients send too. */
const SORT_ALIASES: Readonly<Record<string, string>> = { name: 'display_name', id: 'uuid' };

function compare(a: SortValue, b: SortValue): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  return a < b ? -1 : 1;
}

function order(ctx: ListContext): (a: Server, b: Server) => number {
  const keys = ctx.search.getAll('sort_key');
  const directions = ctx.search.getAll('sort_dir');
  for (const direction of directions) {
    if (direction !== 'asc' && direction !== 'desc') {
      const message = `Invalid input for query parameters sort_dir. Value: ${direction}. '${direction}' is not one of ['asc', 'desc']`;
      throw new CumuletError('invalid', message);
    }
  }
  const wanted = keys.length === 0 ? ['created_at'] : keys;
  const columns = wanted.map((key, at) => {
    const read = SORT_KEYS[SORT_ALIASES[key] ?? key];
    const descending = (directions[at] ?? directions.at(-1) ?? 'desc') === 'desc';
    if (read === undefined) {
      const message = `Invalid input for query parameters sort_key. Value: ${key}. '${key}' is not one of the sort keys`;
      throw new CumuletError('invalid', message);
    }
    return { read, sign: descending ? -1 : 1 };
  });
  return (a, b) => {
    for (const { read, sign } of columns) {
      const difference = compare(read(a), read(b));
      if (difference !== 0) return sign * difference;
    }
    return compare(b.createdAt, a.createdAt) || compare(b.id, a.id);
  };
}

function limitOf(ctx: ListContext): number {
  const text = one(ctx.search, 'limit');
  if (text === undefined) return MAX_LIMIT;
  if (!/^[0-9]+$/.test(text)) {
    const message = `Invalid input for query parameters limit. Value: ${text}. '${text}' does not match '^[0-9]*$'`;
    throw new CumuletError('invalid', message);
  }
  return Math.min(Number(text), MAX_LIMIT);
}

function page(ctx: ListContext, sorted: readonly Server[], limit: number): { servers: Server[]; more: boolean } {
  const marker = one(ctx.search, 'marker');
  let from = 0;
  if (marker !== undefined) {
    const at = sorted.findIndex((server) => server.id === marker);
    if (at < 0) throw new HttpFault(400, `marker [${marker}] not found`);
    from = at + 1;
  }
  const servers = sorted.slice(from, from + limit);
  return { servers, more: from + limit < sorted.length };
}

function nextLink(ctx: ListContext, path: string, last: Server): { rel: string; href: string }[] {
  const search = new URLSearchParams(ctx.search);
  search.set('marker', last.id);
  return [{ rel: 'next', href: ctx.url(`/compute/v2.1${path}?${search}`) }];
}

export async function listServers(ctx: ListContext, detail: boolean): Promise<Reply> {
  const rule = detail ? 'os_compute_api:servers:detail' : 'os_compute_api:servers:index';
  const limit = limitOf(ctx);
  const sort = order(ctx);
  const tests = [scopeTest(ctx, rule), deletedTest(ctx), statusTest(ctx), ...plainTests(ctx)].filter(
    (test) => test !== undefined,
  );
  const listed = await ctx.records.list(SERVER, (server) => tests.every((test) => test(server)));
  let servers = listed.map(({ value }) => value);
  const pattern = one(ctx.search, 'name');
  if (pattern !== undefined && pattern !== '') {
    const found = findPattern(
      pattern,
      servers.map((server) => server.name),
    );
    servers = servers.filter((_, at) => found[at]);
  }
  const { servers: shown, more } = page(ctx, servers.sort(sort), limit);
  const view = shown.map((server) => (detail ? wholeView(ctx, server, false) : briefView(ctx, server)));
  const links =
    more && shown.length > 0
      ? { servers_links: nextLink(ctx, detail ? '/servers/detail' : '/servers', shown.at(-1)!) }
      : {};
  return { status: 200, body: { servers: view, ...links } };
}

/** Query keys that a list knows; from 2.75 on any other is refused. */
export const LIST_KEYS: readonly string[] = [
  ...Object.keys(OPERATOR_FILTERS),
  ...Object.keys(TAG_TESTS),
  'all_tenants',
  'changes-before',
  'changes-since',
  'deleted',
  'flavor',
  'image',
  'ip',
  'ip6',
  'limit',
  'locked',
  'marker',
  'name',
  'project_id',
  'reservation_id',
  'sort_dir',
  'sort_key',
  'status',
  'tenant_id',
  'soft_deleted',
  'auto_disk_config',
  'display_description',
  'display_name',
  'image_ref',
  'instance_type_id',
];
