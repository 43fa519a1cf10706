// A server as JSON. Each field appears from its microversion on and not before: Tempest's schemas refuse both a field too
// many and one too few. Three forms: brief (lists), common (answers to PUT and rebuild before 2.75), and whole.

import { createHash } from 'node:crypto';
import {
  HOST,
  hostStatus,
  instanceName,
  NETWORK,
  PORT,
  type Port,
  SECURITY_GROUP,
  SERVER_PAYLOAD,
  type Server,
  serverStatus,
} from '#model';
import type { RequestContext } from '../../http/context.ts';
import { nakedMicros, zulu } from '../../http/time.ts';

export type ViewContext = Pick<RequestContext, 'records' | 'url' | 'can' | 'isAdmin' | 'microversion'>;

/** Statuses in which something moves forward, so that `progress` means something. */
const PROGRESS: ReadonlySet<string> = new Set(['ACTIVE', 'BUILD', 'REBUILD', 'RESIZE', 'VERIFY_RESIZE', 'MIGRATING']);
const FAULTY: ReadonlySet<string> = new Set(['ERROR', 'DELETED']);

export function serverLinks(ctx: Pick<ViewContext, 'url'>, id: string): { rel: string; href: string }[] {
  return [
    { rel: 'self', href: ctx.url(`/compute/v2.1/servers/${id}`) },
    { rel: 'bookmark', href: ctx.url(`/compute/servers/${id}`) },
  ];
}

const bookmark = (ctx: ViewContext, what: string, id: string) => [
  { rel: 'bookmark', href: ctx.url(`/compute/${what}/${id}`) },
];

/** Tells two hosts of a project apart without naming them (nova/utils.py generate_hostid). */
export const hostId = (server: Server): string =>
  server.owner === null ? '' : createHash('sha224').update(`${server.projectId}${server.owner.host}`).digest('hex');

const portsOf = (ctx: Pick<ViewContext, 'records'>, server: Server): Port[] =>
  server.nics.flatMap((nic) => ctx.records.peek(PORT, nic.portId)?.value ?? []);

interface Address {
  readonly version: 4 | 6;
  readonly addr: string;
}

/** Addresses by the name of their network. `extended` adds what servers show and /ips does not. */
export function addressesOf(
  ctx: Pick<ViewContext, 'records'>,
  server: Server,
  extended: boolean,
): Record<string, Address[]> {
  const addresses: Record<string, Address[]> = {};
  for (const port of portsOf(ctx, server)) {
    const name = ctx.records.peek(NETWORK, port.networkId)?.value.name || port.networkId;
    for (const { ipAddress } of port.fixedIps) {
      const address: Address = { version: ipAddress.includes(':') ? 6 : 4, addr: ipAddress };
      addresses[name] ??= [];
      addresses[name].push(
        extended
          ? Object.assign(address, { 'OS-EXT-IPS:type': 'fixed', 'OS-EXT-IPS-MAC:mac_addr': port.macAddress })
          : address,
      );
    }
  }
  return addresses;
}

/** Names of the groups of the server's ports, each once. */
export function securityGroupNames(ctx: Pick<ViewContext, 'records'>, server: Server): string[] {
  const ids = new Set(portsOf(ctx, server).flatMap((port) => port.securityGroupIds));
  return [...ids].map((id) => ctx.records.peek(SECURITY_GROUP, id)?.value.name ?? id);
}

export const briefView = (ctx: ViewContext, server: Server) => ({
  id: server.id,
  name: server.name,
  links: serverLinks(ctx, server.id),
});

function flavorView(ctx: ViewContext, server: Server): object {
  const flavor = server.flavor;
  if (!ctx.microversion.atLeast(2, 47)) return { id: flavor.id, links: bookmark(ctx, 'flavors', flavor.id) };
  return {
    vcpus: flavor.vcpus,
    ram: flavor.ramMib,
    disk: flavor.diskGib,
    ephemeral: flavor.ephemeralGib,
    swap: flavor.swapMib,
    original_name: flavor.name,
    extra_specs: flavor.extraSpecs,
  };
}

function faultView(ctx: ViewContext, server: Server): object {
  const fault = server.fault;
  if (fault === null || !FAULTY.has(serverStatus(server))) return {};
  return {
    fault: {
      code: fault.code,
      created: zulu(fault.createdAt),
      message: fault.message,
      ...(ctx.isAdmin ? { details: fault.details } : {}),
    },
  };
}

/** What PUT and rebuild answered before 2.75. `extended`: addresses tell their kind and MAC. */
export function commonView(ctx: ViewContext, server: Server, extended = false): Record<string, unknown> {
  const at = (minor: number) => ctx.microversion.atLeast(2, minor);
  const status = serverStatus(server);
  return {
    id: server.id,
    name: server.name,
    status,
    tenant_id: server.projectId,
    user_id: server.userId,
    metadata: server.metadata,
    hostId: hostId(server),
    image: server.image === null ? '' : { id: server.image.id, links: bookmark(ctx, 'images', server.image.id) },
    flavor: flavorView(ctx, server),
    created: zulu(server.createdAt),
    updated: zulu(server.updatedAt),
    addresses: addressesOf(ctx, server, extended),
    accessIPv4: server.accessIpV4,
    accessIPv6: server.accessIpV6,
    links: serverLinks(ctx, server.id),
    'OS-DCF:diskConfig': server.diskConfig,
    ...(PROGRESS.has(status) ? { progress: status === 'ACTIVE' ? 100 : 0 } : {}),
    ...faultView(ctx, server),
    ...(at(9) ? { locked: server.locked !== null } : {}),
    ...(at(19) ? { description: server.description } : {}),
    ...(at(26) ? { tags: server.tags } : {}),
    ...(at(63) ? { trusted_image_certificates: null } : {}),
    ...(at(73) ? { locked_reason: server.locked?.reason ?? null } : {}),
  };
}

/** What only operators see, and what of it is older than 2.3. */
function operatorView(ctx: ViewContext, server: Server): Record<string, unknown> {
  const at = (minor: number) => ctx.microversion.atLeast(2, minor);
  const prefix = 'OS-EXT-SRV-ATTR:';
  const view: Record<string, unknown> = {};
  if (ctx.can('os_compute_api:os-extended-server-attributes')) {
    const host = server.owner?.host ?? null;
    view[`${prefix}host`] = host;
    view[`${prefix}hypervisor_hostname`] = host;
    view[`${prefix}instance_name`] = instanceName(server);
    if (at(3)) {
      view[`${prefix}reservation_id`] = server.reservationId;
      view[`${prefix}launch_index`] = server.launchIndex;
      view[`${prefix}hostname`] = server.hostname;
      view[`${prefix}kernel_id`] = server.image?.kernelId ?? '';
      view[`${prefix}ramdisk_id`] = server.image?.ramdiskId ?? '';
      view[`${prefix}root_device_name`] = server.rootDeviceName;
      view[`${prefix}user_data`] = ctx.records.peek(SERVER_PAYLOAD, server.id)?.value.userData ?? null;
    }
  }
  if (at(90)) view[`${prefix}hostname`] = server.hostname;
  if (at(16) && ctx.can('os_compute_api:servers:show:host_status')) {
    view.host_status = hostStatus(server.owner === null ? undefined : ctx.records.peek(HOST, server.owner.host)?.value);
  }
  return view;
}

/** What GET shows. `withGroups`: server_groups is not in lists. */
export function wholeView(ctx: ViewContext, server: Server, withGroups: boolean): Record<string, unknown> {
  const at = (minor: number) => ctx.microversion.atLeast(2, minor);
  const groups = securityGroupNames(ctx, server);
  const host = server.owner === null ? undefined : ctx.records.peek(HOST, server.owner.host)?.value;
  return {
    ...commonView(ctx, server, true),
    key_name: server.key?.name ?? null,
    config_drive: server.configDrive ? 'True' : '',
    'OS-EXT-AZ:availability_zone': host?.availabilityZone ?? server.availabilityZone ?? '',
    'OS-EXT-STS:task_state': server.taskState,
    'OS-EXT-STS:vm_state': server.vmState,
    'OS-EXT-STS:power_state': server.powerState,
    'OS-SRV-USG:launched_at': server.launchedAt === null ? null : nakedMicros(server.launchedAt),
    'OS-SRV-USG:terminated_at': server.terminatedAt === null ? null : nakedMicros(server.terminatedAt),
    'os-extended-volumes:volumes_attached': [],
    ...(groups.length > 0 ? { security_groups: groups.map((name) => ({ name })) } : {}),
    ...operatorView(ctx, server),
    ...(withGroups && at(71) ? { server_groups: server.serverGroupId === null ? [] : [server.serverGroupId] } : {}),
    ...(at(96) ? { pinned_availability_zone: server.availabilityZone } : {}),
  };
}

/** The answer to PUT and rebuild. */
export function changedView(ctx: ViewContext, server: Server): Record<string, unknown> {
  if (ctx.microversion.atLeast(2, 75)) return wholeView(ctx, server, true);
  const groups = server.serverGroupId === null ? [] : [server.serverGroupId];
  return { ...commonView(ctx, server), ...(ctx.microversion.atLeast(2, 71) ? { server_groups: groups } : {}) };
}
