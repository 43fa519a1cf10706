// Hypervisors: what hosts have and how much of it is used. Ids are numbers until 2.52, from 2.53 the UUID of the host's
// resource provider; from 2.88 on Placement alone speaks of capacity.

import { z } from 'zod';
import { CumuletError, isUuid } from '#base';
import { HOST, type Host, hostState, instanceName, RESOURCE_PROVIDER, type ResourceProvider, SERVER } from '#model';
import type { Records } from '#store';
import type { Reply, RequestContext } from '../../http/context.ts';
import { linksOf, page, pageRequestOf } from '../../http/paging.ts';
import { type Route, route } from '../../http/route.ts';
import { lastOf, PAGING, queryBoolean, queryText } from '../parameters.ts';

/** A host and what placement says of it; hosts that have not reported their inventory yet are not shown. */
interface Hypervisor {
  readonly host: Host;
  readonly provider: ResourceProvider;
}

type Context = RequestContext<unknown, unknown>;

/** Of our own drivers, as Nova encodes versions: 1.0.0. */
const HYPERVISOR_VERSION = 1_000_000;

async function hypervisors(records: Records): Promise<Hypervisor[]> {
  const hosts = await records.list(HOST);
  return hosts
    .flatMap(({ value: host }) => {
      const provider = records.peek(RESOURCE_PROVIDER, host.name)?.value;
      return provider === undefined ? [] : [{ host, provider }];
    })
    .sort((a, b) => a.host.number - b.host.number);
}

const idOf = (context: Context, { host, provider }: Hypervisor): number | string =>
  context.microversion.atLeast(2, 53) ? provider.uuid : host.number;

const countOf = (provider: ResourceProvider): number =>
  Object.values(provider.consumers).reduce((sum, count) => sum + count, 0);

/** Servers on each host, made once for a request. */
function serversByHost(records: Records): Map<string, { name: string; uuid: string }[]> {
  const found = new Map<string, { name: string; uuid: string }[]>();
  for (const { value: server } of records.peekList(SERVER)) {
    if (server.owner === null || server.vmState === 'deleted') continue;
    const entry = { name: instanceName(server), uuid: server.id };
    found.set(server.owner.host, [...(found.get(server.owner.host) ?? []), entry]);
  }
  return found;
}

const brief = (context: Context, hypervisor: Hypervisor) => ({
  id: idOf(context, hypervisor),
  hypervisor_hostname: hypervisor.host.name,
  state: hostState(hypervisor.host),
  status: hypervisor.host.disabled === null ? 'enabled' : 'disabled',
});

function cpuInfo(context: Context, text: string): unknown {
  if (!context.microversion.atLeast(2, 28)) return text;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : { model: text };
  } catch {
    return text === '' ? {} : { model: text };
  }
}

const NO_CAPACITY = {
  vcpus: 0,
  vcpus_used: 0,
  memory_mb: 0,
  memory_mb_used: 0,
  free_ram_mb: 0,
  local_gb: 0,
  local_gb_used: 0,
  free_disk_gb: 0,
  disk_available_least: 0,
  running_vms: 0,
  current_workload: 0,
};
type Capacity = typeof NO_CAPACITY;
const CAPACITY_KEYS = Object.keys(NO_CAPACITY) as (keyof Capacity)[];

function capacityOf({ provider }: Hypervisor): Capacity {
  const { MEMORY_MB: memory, DISK_GB: disk } = provider.inventories;
  const { used } = provider;
  return {
    vcpus: provider.inventories.VCPU.total,
    vcpus_used: used.VCPU,
    memory_mb: memory.total,
    memory_mb_used: used.MEMORY_MB + memory.reserved,
    free_ram_mb: memory.total - memory.reserved - used.MEMORY_MB,
    local_gb: disk.total,
    local_gb_used: used.DISK_GB + disk.reserved,
    free_disk_gb: disk.total - disk.reserved - used.DISK_GB,
    disk_available_least: disk.total - disk.reserved - used.DISK_GB,
    running_vms: countOf(provider),
    current_workload: 0,
  };
}

function whole(context: Context, hypervisor: Hypervisor): Record<string, unknown> {
  const { host } = hypervisor;
  const at = (minor: number) => context.microversion.atLeast(2, minor);
  return {
    ...brief(context, hypervisor),
    host_ip: host.hostIp,
    hypervisor_type: host.hypervisorType,
    hypervisor_version: HYPERVISOR_VERSION,
    service: { host: host.name, id: at(53) ? host.uuid : host.number, disabled_reason: host.disabled?.reason ?? null },
    ...(at(88)
      ? { uptime: uptimeOf(context, host) }
      : { ...capacityOf(hypervisor), cpu_info: cpuInfo(context, host.cpuInfo) }),
  };
}

/** Like uptime(1), of the node agent: what Nova passes on from its hypervisors. null: the host is down. */
function uptimeOf(context: Context, host: Host): string | null {
  if (hostState(host) === 'down') return null;
  const now = context.clock.now();
  const minutes = Math.max(0, Math.floor((now - host.startedAt) / 60_000_000));
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  const clock = new Date(now / 1000).toISOString().slice(11, 19);
  const since = `${days === 0 ? '' : `${days} day${days === 1 ? '' : 's'}, `}${hours}:${String(rest).padStart(2, '0')}`;
  return ` ${clock} up ${since}`;
}

const noSuch = (id: string): CumuletError => new CumuletError('not_found', `Compute host ${id} could not be found.`);

async function find(context: Context, id: string): Promise<Hypervisor> {
  if (context.microversion.atLeast(2, 53) && !isUuid(id)) {
    throw new CumuletError('invalid', `Invalid uuid ${id}`);
  }
  const found = (await hypervisors(context.records)).find((hypervisor) => String(idOf(context, hypervisor)) === id);
  if (found === undefined) throw noSuch(id);
  return found;
}

type View = (context: Context, hypervisor: Hypervisor) => Record<string, unknown>;

const nothingMatches = (text: string): CumuletError =>
  new CumuletError('not_found', `No hypervisor matching '${text}' could be found.`);

async function list(context: Context, view: View): Promise<Reply> {
  const query = context.query as { with_servers?: boolean; hypervisor_hostname_pattern?: string };
  const from53 = context.microversion.atLeast(2, 53);
  const pattern = from53 ? query.hypervisor_hostname_pattern : undefined;
  const all = await hypervisors(context.records);
  const matching = pattern === undefined ? all : all.filter(({ host }) => host.name.includes(pattern));
  if (pattern !== undefined && matching.length === 0) throw nothingMatches(pattern);
  const paged = context.microversion.atLeast(2, 33) && pattern === undefined ? pageRequestOf(context.search) : {};
  const { items, next } = page(matching, paged, (hypervisor) => String(idOf(context, hypervisor)));
  const servers = from53 && query.with_servers === true ? serversByHost(context.records) : undefined;
  const links = linksOf('hypervisors_links', context.url(context.path), context.search, next);
  const shown = items.map((hypervisor) => ({ ...view(context, hypervisor), ...serversIn(servers, hypervisor) }));
  return { status: 200, body: { hypervisors: shown, ...links } };
}

/** Only hosts that run something say so. */
function serversIn(servers: ReturnType<typeof serversByHost> | undefined, { host }: Hypervisor) {
  const mine = servers?.get(host.name);
  return mine === undefined ? {} : { servers: mine };
}

async function statistics(context: Context): Promise<Reply> {
  const enabled = (await hypervisors(context.records)).filter(({ host }) => host.disabled === null);
  const sums: Capacity = { ...NO_CAPACITY };
  for (const hypervisor of enabled) {
    const capacity = capacityOf(hypervisor);
    for (const key of CAPACITY_KEYS) sums[key] += capacity[key];
  }
  return { status: 200, body: { hypervisor_statistics: { count: enabled.length, ...sums } } };
}

const flag = lastOf(queryBoolean).optional();
const QUERY = [
  ['2.1', z.looseObject({})],
  ['2.33', z.looseObject(PAGING)],
  ['2.53', z.strictObject({ ...PAGING, hypervisor_hostname_pattern: queryText, with_servers: flag })],
] as const;

const api = 'os_compute_api:os-hypervisors';

export const HYPERVISOR_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-hypervisors',
    rule: `${api}:list`,
    query: QUERY,
    handler: (context) => list(context, brief),
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/detail',
    rule: `${api}:list-detail`,
    query: QUERY,
    handler: (context) => list(context, whole),
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/statistics',
    rule: `${api}:statistics`,
    microversions: ['2.1', '2.87'],
    handler: statistics,
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:id',
    rule: `${api}:show`,
    query: [
      ['2.1', z.looseObject({})],
      ['2.53', z.strictObject({ with_servers: flag })],
    ],
    async handler(context) {
      const hypervisor = await find(context, context.param('id'));
      const wanted = (context.query as { with_servers?: boolean }).with_servers === true;
      const servers = wanted ? serversByHost(context.records) : undefined;
      return {
        status: 200,
        body: { hypervisor: { ...whole(context, hypervisor), ...serversIn(servers, hypervisor) } },
      };
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:id/uptime',
    rule: `${api}:uptime`,
    microversions: ['2.1', '2.87'],
    async handler(context) {
      const hypervisor = await find(context, context.param('id'));
      const uptime = uptimeOf(context, hypervisor.host);
      if (uptime === null) {
        throw new CumuletError('invalid', `Compute service of ${hypervisor.host.name} is unavailable at this time.`);
      }
      return { status: 200, body: { hypervisor: { ...brief(context, hypervisor), uptime } } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:pattern/search',
    rule: `${api}:search`,
    microversions: ['2.1', '2.52'],
    async handler(context) {
      const found = await matching(context, context.param('pattern'));
      return { status: 200, body: { hypervisors: found.map((hypervisor) => brief(context, hypervisor)) } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-hypervisors/:pattern/servers',
    rule: `${api}:servers`,
    microversions: ['2.1', '2.52'],
    async handler(context) {
      const found = await matching(context, context.param('pattern'));
      const servers = serversByHost(context.records);
      const shown = found.map((hypervisor) => ({ ...brief(context, hypervisor), ...serversIn(servers, hypervisor) }));
      return { status: 200, body: { hypervisors: shown } };
    },
  }),
];

async function matching(context: Context, pattern: string): Promise<Hypervisor[]> {
  const found = (await hypervisors(context.records)).filter(({ host }) => host.name.includes(pattern));
  if (found.length === 0) throw nothingMatches(pattern);
  return found;
}
