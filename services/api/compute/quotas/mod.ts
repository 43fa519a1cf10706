// Quota sets of projects and users, the class `default`, and /limits: what there may be, and what is.

import { z } from 'zod';
import { CumuletError } from '#base';
import {
  classQuotaId,
  DEFAULT_QUOTA_CLASS,
  projectQuotaId,
  QUOTA_NAMES,
  QUOTA_SET,
  type QuotaName,
  type Quotas,
  userQuotaId,
} from '#model';
import type { Records, Tx } from '#store';
import type { Reply, RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { boolean, integer, lastOf, queryByVersion, queryText } from '../parameters.ts';
import { classNamesAt, classQuotas, pick, quotaNamesAt, quotasOf, usageOf } from './view.ts';

type Limits = Partial<Record<QuotaName, number>>;

/** -1 (no limit) or more. */
const limit = integer(-1);
const limitsOf = (names: readonly QuotaName[]) =>
  Object.fromEntries(names.map((name) => [name, limit.optional()])) as Record<
    QuotaName,
    ReturnType<typeof limit.optional>
  >;

const without = (...gone: readonly QuotaName[]): QuotaName[] => QUOTA_NAMES.filter((name) => !gone.includes(name));
const NETWORK: readonly QuotaName[] = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules'];
const FILES: readonly QuotaName[] = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes'];

const updateOf = (names: readonly QuotaName[]) =>
  z.strictObject({ quota_set: z.strictObject({ ...limitsOf(names), force: boolean.optional() }) });
const classUpdateOf = (names: readonly QuotaName[]) =>
  z.strictObject({ quota_class_set: z.strictObject(limitsOf(names)) });

const UPDATE = [
  ['2.1', updateOf(QUOTA_NAMES)],
  ['2.36', updateOf(without(...NETWORK))],
  ['2.57', updateOf(without(...NETWORK, ...FILES))],
] as const;

const CLASS_UPDATE = [
  ['2.1', classUpdateOf(QUOTA_NAMES)],
  ['2.50', classUpdateOf(without(...NETWORK))],
  ['2.57', classUpdateOf(without(...NETWORK, ...FILES))],
] as const;

const USER_QUERY = queryByVersion({ user_id: queryText });

function put(tx: Tx, id: string, limits: Limits): void {
  const present = tx.get(QUOTA_SET, id);
  const changed = { id, limits: { ...present?.limits, ...limits } };
  if (present === undefined) tx.create(QUOTA_SET, changed);
  else tx.update(QUOTA_SET, changed);
}

const given = (limits: Readonly<Record<string, number | boolean | undefined>>): Limits =>
  Object.fromEntries(QUOTA_NAMES.flatMap((name) => (typeof limits[name] === 'number' ? [[name, limits[name]]] : [])));

/** A limit below what is in use takes `force`. */
function checkAgainstUsage(limits: Limits, used: Record<QuotaName, number>): void {
  for (const name of QUOTA_NAMES) {
    const value = limits[name];
    if (value === undefined || value < 0 || value >= used[name]) continue;
    throw new CumuletError(
      'invalid',
      `Quota limit ${value} for ${name} must be greater than or equal to already used and reserved ${used[name]}.`,
    );
  }
}

/** A user cannot have more than the project. */
function checkAgainstProject(limits: Limits, project: Quotas): void {
  for (const name of QUOTA_NAMES) {
    const value = limits[name];
    if (value === undefined || project[name] < 0 || (value >= 0 && value <= project[name])) continue;
    throw new CumuletError(
      'invalid',
      `Quota limit ${value} for ${name} must be less than or equal to ${project[name]}.`,
    );
  }
}

async function show(context: RequestContext<unknown, { user_id?: string | undefined }>): Promise<Reply> {
  const projectId = context.param('project_id');
  const quotas = await quotasOf(context.records, projectId, context.query.user_id);
  const names = quotaNamesAt(context.microversion);
  return { status: 200, body: { quota_set: { id: projectId, ...pick(names, (name) => quotas[name]) } } };
}

async function detail(context: RequestContext<unknown, { user_id?: string | undefined }>): Promise<Reply> {
  const projectId = context.param('project_id');
  const quotas = await quotasOf(context.records, projectId, context.query.user_id);
  const used = await usageOf(context.records, projectId);
  const entry = (name: QuotaName) => ({ limit: quotas[name], in_use: used[name], reserved: 0 });
  return { status: 200, body: { quota_set: { id: projectId, ...pick(quotaNamesAt(context.microversion), entry) } } };
}

type UpdateBody = { readonly quota_set: Readonly<Record<string, number | boolean | undefined>> };

async function update(context: RequestContext<UpdateBody, { user_id?: string | undefined }>): Promise<Reply> {
  const projectId = context.param('project_id');
  const userId = context.query.user_id;
  const { force, ...wishes } = context.body.quota_set;
  const limits = given(wishes);
  if (force !== true) checkAgainstUsage(limits, await usageOf(context.records, projectId));
  if (userId !== undefined) checkAgainstProject(limits, await quotasOf(context.records, projectId));
  const id = userId === undefined ? projectQuotaId(projectId) : userQuotaId(projectId, userId);
  await context.records.transact((tx) => put(tx, id, limits));
  const quotas = await quotasOf(context.records, projectId, userId);
  return { status: 200, body: { quota_set: pick(quotaNamesAt(context.microversion), (name) => quotas[name]) } };
}

async function reset(records: Records, projectId: string, userId: string | undefined): Promise<void> {
  await records.transact((tx) => {
    if (userId !== undefined) {
      tx.delete(QUOTA_SET, userQuotaId(projectId, userId));
      return;
    }
    const users = tx.list(QUOTA_SET, (set) => set.id.startsWith(userQuotaId(projectId, '')));
    for (const { id } of users) tx.delete(QUOTA_SET, id);
    tx.delete(QUOTA_SET, projectQuotaId(projectId));
  });
}

export const QUOTA_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-quota-sets/:project_id',
    rule: 'os_compute_api:os-quota-sets:show',
    query: USER_QUERY,
    handler: show,
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/:project_id/detail',
    rule: 'os_compute_api:os-quota-sets:detail',
    query: USER_QUERY,
    handler: detail,
  }),
  route({
    method: 'GET',
    path: '/os-quota-sets/:project_id/defaults',
    rule: 'os_compute_api:os-quota-sets:defaults',
    async handler(context) {
      const quotas = await classQuotas(context.records, DEFAULT_QUOTA_CLASS);
      const names = quotaNamesAt(context.microversion);
      const projectId = context.param('project_id');
      return { status: 200, body: { quota_set: { id: projectId, ...pick(names, (name) => quotas[name]) } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-quota-sets/:project_id',
    rule: 'os_compute_api:os-quota-sets:update',
    query: USER_QUERY,
    body: UPDATE,
    handler: update,
  }),
  route({
    method: 'DELETE',
    path: '/os-quota-sets/:project_id',
    rule: 'os_compute_api:os-quota-sets:delete',
    query: USER_QUERY,
    async handler(context) {
      await reset(context.records, context.param('project_id'), context.query.user_id);
      return { status: 202 };
    },
  }),
  route({
    method: 'GET',
    path: '/os-quota-class-sets/:name',
    rule: 'os_compute_api:os-quota-class-sets:show',
    async handler(context) {
      const name = context.param('name');
      const quotas = await classQuotas(context.records, name);
      const shown = pick(classNamesAt(context.microversion), (quota) => quotas[quota]);
      return { status: 200, body: { quota_class_set: { id: name, ...shown } } };
    },
  }),
  route({
    method: 'PUT',
    path: '/os-quota-class-sets/:name',
    rule: 'os_compute_api:os-quota-class-sets:update',
    body: CLASS_UPDATE,
    async handler(context) {
      const name = context.param('name');
      const limits = given(context.body.quota_class_set);
      await context.records.transact((tx) => put(tx, classQuotaId(name), limits));
      const quotas = await classQuotas(context.records, name);
      const shown = pick(classNamesAt(context.microversion), (quota) => quotas[quota]);
      return { status: 200, body: { quota_class_set: shown } };
    },
  }),
  route({
    method: 'GET',
    path: '/limits',
    rule: 'os_compute_api:limits',
    query: queryByVersion({ tenant_id: queryText, reserved: lastOf(z.string()).optional() }),
    handler: limits,
  }),
];

async function limits(context: RequestContext<unknown, { tenant_id?: string | undefined }>): Promise<Reply> {
  const asked = context.query.tenant_id;
  if (asked !== undefined && asked !== context.auth.projectId) context.enforce('os_compute_api:limits:other_project');
  const projectId = asked ?? context.projectId;
  const quotas = await quotasOf(context.records, projectId);
  const used = await usageOf(context.records, projectId);
  const at = (minor: number) => context.microversion.atLeast(2, minor);
  const absolute = {
    maxServerMeta: quotas.metadata_items,
    maxTotalInstances: quotas.instances,
    maxTotalCores: quotas.cores,
    maxTotalRAMSize: quotas.ram,
    maxTotalKeypairs: quotas.key_pairs,
    maxServerGroups: quotas.server_groups,
    maxServerGroupMembers: quotas.server_group_members,
    totalInstancesUsed: used.instances,
    totalCoresUsed: used.cores,
    totalRAMUsed: used.ram,
    totalServerGroupsUsed: used.server_groups,
    ...(at(57)
      ? {}
      : { maxPersonality: quotas.injected_files, maxPersonalitySize: quotas.injected_file_content_bytes }),
    ...(at(39) ? {} : { maxImageMeta: quotas.metadata_items }),
    ...(at(36)
      ? {}
      : {
          maxSecurityGroups: quotas.security_groups,
          maxSecurityGroupRules: quotas.security_group_rules,
          maxTotalFloatingIps: quotas.floating_ips,
          totalSecurityGroupsUsed: used.security_groups,
          totalFloatingIpsUsed: used.floating_ips,
        }),
  };
  return { status: 200, body: { limits: { rate: [], absolute } } };
}
