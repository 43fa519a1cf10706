// Which quotas exist at which microversion, and what of each is in use.

import {
  COMPUTE_USAGE,
  classQuotaId,
  DEFAULT_QUOTA_CLASS,
  DEFAULT_QUOTAS,
  defaultQuotas,
  effectiveQuotas,
  projectQuotaId,
  QUOTA_NAMES,
  QUOTA_SET,
  type QuotaName,
  type Quotas,
  type ReadQuotaSet,
  SECURITY_GROUP,
  SERVER_GROUP,
  userQuotaId,
} from '#model';
import type { Records } from '#store';
import type { Microversion } from '../../http/microversion.ts';

/** Neutron's business since 2.36: Nova no longer speaks of them. */
const NETWORK_QUOTAS: readonly QuotaName[] = ['fixed_ips', 'floating_ips', 'security_groups', 'security_group_rules'];
/** Files can no longer be injected since 2.57. */
const FILE_QUOTAS: readonly QuotaName[] = ['injected_files', 'injected_file_content_bytes', 'injected_file_path_bytes'];
/** Quota classes speak of them since 2.50. */
const GROUP_QUOTAS: readonly QuotaName[] = ['server_groups', 'server_group_members'];

/** Names in quota sets. */
export function quotaNamesAt(version: Microversion): QuotaName[] {
  return QUOTA_NAMES.filter(
    (name) =>
      !(version.atLeast(2, 36) && NETWORK_QUOTAS.includes(name)) &&
      !(version.atLeast(2, 57) && FILE_QUOTAS.includes(name)),
  );
}

/** Names in quota classes. */
export function classNamesAt(version: Microversion): QuotaName[] {
  return QUOTA_NAMES.filter(
    (name) =>
      !(version.atLeast(2, 50) && NETWORK_QUOTAS.includes(name)) &&
      !(version.atLeast(2, 57) && FILE_QUOTAS.includes(name)) &&
      (version.atLeast(2, 50) || !GROUP_QUOTAS.includes(name)),
  );
}

/** The quota sets of those ids, asked of the store where the index has none. */
async function readSets(records: Records, ids: readonly string[]): Promise<ReadQuotaSet> {
  const sets = await Promise.all(ids.map((id) => records.get(QUOTA_SET, id)));
  const found = new Map(sets.flatMap((set) => (set === undefined ? [] : [[set.value.id, set.value]])));
  return (id) => found.get(id);
}

const DEFAULT_ID = classQuotaId(DEFAULT_QUOTA_CLASS);

/** What holds for a project, and for one of its users when one is named. */
export async function quotasOf(records: Records, projectId: string, userId?: string): Promise<Quotas> {
  const own = userId === undefined ? [] : [userQuotaId(projectId, userId)];
  const read = await readSets(records, [DEFAULT_ID, projectQuotaId(projectId), ...own]);
  return effectiveQuotas(read, projectId, userId);
}

/** The class `default` is what holds where nothing else is said; other classes are kept and mean nothing, as in Nova. */
export async function classQuotas(records: Records, name: string): Promise<Quotas> {
  const id = classQuotaId(name);
  const read = await readSets(records, [id]);
  return name === DEFAULT_QUOTA_CLASS ? defaultQuotas(read) : { ...DEFAULT_QUOTAS, ...read(id)?.limits };
}

/** What a project uses; zero for what is counted per request or elsewhere. */
export async function usageOf(records: Records, projectId: string): Promise<Record<QuotaName, number>> {
  const none = Object.fromEntries(QUOTA_NAMES.map((name) => [name, 0])) as Record<QuotaName, number>;
  const used = (await records.get(COMPUTE_USAGE, projectId))?.value;
  const groups = await records.list(SERVER_GROUP, (group) => group.projectId === projectId);
  const securityGroups = records.peekList(SECURITY_GROUP, (group) => group.projectId === projectId);
  return {
    ...none,
    instances: used?.instances ?? 0,
    cores: used?.cores ?? 0,
    ram: used?.ramMib ?? 0,
    server_groups: groups.length,
    security_groups: securityGroups.length,
  };
}

export const pick = <T>(names: readonly QuotaName[], value: (name: QuotaName) => T): Record<string, T> =>
  Object.fromEntries(names.map((name) => [name, value(name)]));
