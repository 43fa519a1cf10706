// Creates servers: every wish is checked, then record, payload, usage, action and saga are written in one transaction for
// each server's worth; the conductor does the rest. Refusals are in Nova's words.

import { randomInt } from 'node:crypto';
import { CumuletError, isUuid, newUuid } from '#base';
import {
  COMPUTE_USAGE,
  type ComputeLimits,
  emptyUsage,
  fitQuota,
  HOST,
  hostnameFrom,
  POWER,
  type Quotas,
  SERVER,
  SERVER_CREATE,
  SERVER_GROUP,
  SERVER_PAYLOAD,
  type Server,
  type ServerFlavor,
  type ServerImage,
} from '#model';
import { countServers } from '#scheduler';
import type { Reply, RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { serverImage } from './images.ts';
import { requestedGroups, requestedNetworks } from './networks.ts';
import { newPassword } from './password.ts';
import { quotasOf, type ServerComponents, serverFlavor, serverKey } from './references.ts';
import type { CreateBody } from './schema.ts';
import { writeTask } from './start-task.ts';
import { serverLinks } from './view.ts';

type Wish = CreateBody['server'];
type Context = RequestContext<CreateBody>;

const invalid = (message: string): CumuletError => new CumuletError('invalid', message);

/** Servers written in one transaction: far from the limit of operations. */
const BATCH = 10;
const MAX_USER_DATA = 65_535;

/** The image: by imageRef, or as the boot device of a block device mapping that stays local. */
function imageRefOf(wish: Wish): string {
  const mapping = wish.block_device_mapping_v2 ?? [];
  if ((wish.block_device_mapping ?? []).length > 0) {
    throw invalid('Block Device Mapping is Invalid: this cloud has no volumes to boot from.');
  }
  for (const device of mapping) {
    if (device.source_type === 'image' && (device.destination_type ?? 'local') === 'local') continue;
    if (device.source_type === 'blank' && (device.destination_type ?? 'local') === 'local') {
      throw invalid('Block Device Mapping is Invalid: blank local disks come with the flavor (ephemeral, swap).');
    }
    throw invalid('Block Device Mapping is Invalid: this cloud has no volumes to boot from or to attach.');
  }
  const boot = mapping.filter((device) => device.boot_index != null && Number(device.boot_index) === 0);
  if (boot.length > 1 || (mapping.length > 0 && boot.length === 0)) {
    throw invalid(
      'Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping combination is not valid.',
    );
  }
  const ref = wish.imageRef ?? '';
  const bootRef = boot[0]?.uuid;
  if (ref !== '' && bootRef !== undefined && ref !== bootRef) {
    throw invalid('Block Device Mapping is Invalid: the boot device is another image than imageRef.');
  }
  const found = ref !== '' ? ref : (bootRef ?? '');
  if (found === '') throw invalid('Missing imageRef attribute');
  // Clients may send the image's whole URL.
  const id = found.split('/').at(-1) ?? '';
  if (!isUuid(id)) throw invalid('Invalid imageRef provided.');
  return id;
}

/** `nova`, `nova:node-2`, or 2.74's `host`. */
function placementWish(ctx: Context, wish: Wish): { zone: string | null; host: string | null } {
  const [zone = '', host, node, more] = (wish.availability_zone ?? '').split(':');
  if (more !== undefined) throw invalid('Unable to parse availability_zone.');
  const forced = host !== undefined && host !== '' ? host : node !== undefined && node !== '' ? node : null;
  if (forced !== null) ctx.enforce('os_compute_api:servers:create:forced_host', { project_id: ctx.projectId });
  const requested = wish.host ?? wish.hypervisor_hostname;
  if (requested !== undefined) {
    ctx.enforce('os_compute_api:compute:servers:create:requested_destination', { project_id: ctx.projectId });
    if (ctx.records.peek(HOST, requested) === undefined) throw invalid(`Compute host ${requested} could not be found.`);
  }
  if (zone !== '') {
    const known = ctx.records.peekList(HOST, (one) => one.availabilityZone === zone && one.disabled === null);
    if (known.length === 0) throw invalid('The requested availability zone is not available');
  }
  return { zone: zone === '' ? null : zone, host: forced ?? requested ?? null };
}

function checkGroup(ctx: Context, hints: Record<string, unknown>, count: number, most: number): string | null {
  const id = hints.group;
  if (typeof id !== 'string' || id === '') return null;
  if (!isUuid(id)) throw invalid(`Invalid input for field/attribute group. Value: ${id}. '${id}' is not a 'uuid'`);
  const group = ctx.records.peek(SERVER_GROUP, id)?.value;
  if (group === undefined || !ctx.sees(group.projectId)) {
    throw invalid(`Instance group ${id} could not be found.`);
  }
  const members = ctx.records.peekList(SERVER, (server) => server.serverGroupId === id && server.vmState !== 'deleted');
  if (most >= 0 && members.length + count > most) {
    throw new CumuletError('quota_exceeded', 'Quota exceeded, too many servers in group');
  }
  return id;
}

function checkContents(wish: Wish, quotas: Quotas): void {
  const beyond = (count: number, limit: number) => limit >= 0 && count > limit;
  const files = wish.personality ?? [];
  if (beyond(files.length, quotas.injected_files)) throw new HttpFault(403, 'Personality file limit exceeded');
  for (const file of files) {
    if (beyond(file.path.length, quotas.injected_file_path_bytes))
      throw new HttpFault(403, 'Personality file path exceeds maximum');
    if (!/^[A-Za-z0-9+/=\s]*$/.test(file.contents))
      throw invalid(`Personality content for ${file.path} cannot be decoded`);
    if (beyond(Buffer.from(file.contents, 'base64').length, quotas.injected_file_content_bytes)) {
      throw new HttpFault(403, 'Personality file content exceeds maximum');
    }
  }
  if (beyond(Object.keys(wish.metadata ?? {}).length, quotas.metadata_items)) {
    throw new HttpFault(403, `Maximum number of metadata items exceeds ${quotas.metadata_items}`);
  }
  if ((wish.user_data?.length ?? 0) > MAX_USER_DATA) {
    throw invalid('User data too large. User data must be no larger than 64KB once base64 encoded.');
  }
}

interface Checked {
  readonly wish: Wish;
  readonly flavor: ServerFlavor;
  readonly image: ServerImage;
  readonly shared: Omit<
    Server,
    'id' | 'number' | 'name' | 'hostname' | 'launchIndex' | 'task' | 'createdAt' | 'updatedAt'
  >;
  readonly adminPass: string;
  readonly min: number;
  readonly max: number;
}

async function check(ctx: Context, quotas: Quotas): Promise<Checked> {
  const wish = ctx.body.server;
  const min = wish.min_count ?? 1;
  const max = wish.max_count ?? min;
  if (min > max) throw invalid('min_count must be <= max_count');
  checkContents(wish, quotas);
  const flavor = await serverFlavor(ctx, String(wish.flavorRef));
  const image = await serverImage(ctx, imageRefOf(wish), flavor);
  const key = wish.key_name == null ? null : await serverKey(ctx, wish.key_name);
  const { zone, host } = placementWish(ctx, wish);
  const schedulerHints = ctx.body['os:scheduler_hints'] ?? ctx.body['OS-SCH-HNT:scheduler_hints'] ?? {};
  const configDrive = wish.config_drive === true || image.properties.img_config_drive === 'mandatory';
  const shared: Checked['shared'] = {
    projectId: ctx.projectId,
    userId: ctx.auth.userId,
    description: wish.description ?? null,
    metadata: wish.metadata ?? {},
    tags: [...new Set(wish.tags ?? [])],
    flavor,
    image,
    key,
    requestedNetworks: requestedNetworks(ctx, wish.networks, max),
    securityGroups: requestedGroups(ctx, wish.security_groups),
    configDrive,
    configDriveAsked: wish.config_drive === true ? 'True' : '',
    availabilityZone: zone,
    forcedHost: host,
    schedulerHints,
    serverGroupId: checkGroup(ctx, schedulerHints, min, quotas.server_group_members),
    diskConfig: wish['OS-DCF:diskConfig'] ?? 'MANUAL',
    accessIpV4: wish.accessIPv4 ?? '',
    accessIpV6: wish.accessIPv6 ?? '',
    locked: null,
    reservationId: `r-${randomInt(36 ** 6, 36 ** 7)
      .toString(36)
      .padStart(8, '0')}`,
    rootDeviceName: '/dev/vda',
    vmState: 'building',
    taskState: 'scheduling',
    powerState: POWER.NOSTATE,
    owner: null,
    observedAt: 0,
    refusedHosts: [],
    nics: [],
    fault: null,
    launchedAt: null,
    terminatedAt: null,
    deletedAt: null,
  };
  return { wish, flavor, image, shared, adminPass: wish.adminPass ?? newPassword(), min, max };
}

/** One of several servers carries its number: `web-2`. */
const numbered = (name: string, count: number, at: number): string => (count === 1 ? name : `${name}-${at + 1}`);

interface Batch {
  readonly ids: readonly string[];
  readonly numbers: readonly number[];
  /** Index of the first among all. */
  readonly from: number;
  readonly count: number;
}

/** Writes one batch; the quota is counted in the same transaction, so that creates at the same time cannot overrun it. */
function write(ctx: Context, checked: Checked, batch: Batch, limits: ComputeLimits): Promise<void> {
  const { wish, flavor, shared } = checked;
  return ctx.records.transact((tx) => {
    const usage = tx.get(COMPUTE_USAGE, ctx.projectId) ?? emptyUsage(ctx.projectId);
    fitQuota(usage, limits, flavor, batch.ids.length, batch.ids.length);
    countServers(tx, ctx.projectId, flavor, batch.ids.length);
    for (const [at, id] of batch.ids.entries()) {
      const now = ctx.clock.now();
      const index = batch.from + at;
      const name = numbered(wish.name, batch.count, index);
      const hostname = numbered(wish.hostname ?? hostnameFrom(wish.name, `server-${id}`), batch.count, index);
      const task = writeTask(tx, ctx, { id }, { saga: SERVER_CREATE, action: 'create' });
      tx.create(SERVER, {
        ...shared,
        id,
        number: batch.numbers[at]!,
        name,
        hostname,
        launchIndex: index,
        task,
        createdAt: now,
        updatedAt: now,
      });
      const personality = wish.personality ?? [];
      const adminPass = shared.configDrive ? checked.adminPass : null;
      if (wish.user_data != null || personality.length > 0 || adminPass !== null) {
        tx.create(SERVER_PAYLOAD, { id, userData: wish.user_data ?? null, personality, adminPass });
      }
    }
  });
}

export async function createServers(ctx: Context, components: ServerComponents): Promise<Reply> {
  const limits = quotasOf(ctx);
  const checked = await check(ctx, limits);
  const { wish, flavor, shared } = checked;
  const usage = ctx.records.peek(COMPUTE_USAGE, ctx.projectId)?.value ?? emptyUsage(ctx.projectId);
  const count = fitQuota(usage, limits, flavor, checked.min, checked.max);
  const ids = Array.from({ length: count }, newUuid);
  const taken = await components.numbers.take(ctx.records, count);
  for (let from = 0; from < count; from += BATCH) {
    const batch = { ids: ids.slice(from, from + BATCH), numbers: taken.slice(from, from + BATCH), from, count };
    await write(ctx, checked, batch, limits);
  }
  if (wish.return_reservation_id === true) {
    return { status: 202, body: { reservation_id: shared.reservationId } };
  }
  const id = ids[0]!;
  return {
    status: 202,
    headers: { Location: ctx.url(`/compute/v2.1/servers/${id}`) },
    body: {
      server: {
        id,
        links: serverLinks(ctx, id),
        'OS-DCF:diskConfig': shared.diskConfig,
        security_groups: shared.securityGroups.map((name) => ({ name })),
        adminPass: checked.adminPass,
      },
    },
  };
}
