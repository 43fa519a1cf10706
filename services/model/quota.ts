// Compute quotas. What holds for a project is, name by name: its own quota set, else the class `default`, else what is
// built in here. A user may have a narrower set inside the project. Written by the API alone (admins).

import type { Kind } from './kind.ts';

export const QUOTA_NAMES = [
  'instances',
  'cores',
  'ram',
  'metadata_items',
  'injected_files',
  'injected_file_content_bytes',
  'injected_file_path_bytes',
  'key_pairs',
  'server_groups',
  'server_group_members',
  'fixed_ips',
  'floating_ips',
  'security_groups',
  'security_group_rules',
] as const;
export type QuotaName = (typeof QUOTA_NAMES)[number];

/** -1: no limit. */
export type Quotas = { readonly [name in QuotaName]: number };

/** Nova's own defaults; those of addresses and groups are Neutron's business and answer -1 and 10 as Nova's proxies do. */
export const DEFAULT_QUOTAS: Quotas = {
  instances: 10,
  cores: 20,
  ram: 51200,
  metadata_items: 128,
  injected_files: 5,
  injected_file_content_bytes: 10240,
  injected_file_path_bytes: 255,
  key_pairs: 100,
  server_groups: 10,
  server_group_members: 10,
  fixed_ips: -1,
  floating_ips: -1,
  security_groups: 10,
  security_group_rules: 20,
};

/** What somebody has set; a name that is not there falls through to the next. */
export interface QuotaSet {
  /** See the functions below. */
  readonly id: string;
  readonly limits: Readonly<Partial<Quotas>>;
}

export const QUOTA_SET: Kind<QuotaSet> = { name: 'compute-quota', id: (set) => set.id };

export const projectQuotaId = (projectId: string): string => `project/${projectId}`;
export const userQuotaId = (projectId: string, userId: string): string => `user/${projectId}/${userId}`;
export const classQuotaId = (name: string): string => `class/${name}`;
export const DEFAULT_QUOTA_CLASS = 'default';

/** Reads quota sets: from a transaction or from the index. */
export type ReadQuotaSet = (id: string) => QuotaSet | undefined;

/** What every project has that nobody gave another quota. */
export const defaultQuotas = (read: ReadQuotaSet): Quotas => ({
  ...DEFAULT_QUOTAS,
  ...read(classQuotaId(DEFAULT_QUOTA_CLASS))?.limits,
});

/** What holds for a project, and for one of its users when one is named. */
export const effectiveQuotas = (read: ReadQuotaSet, projectId: string, userId?: string): Quotas => ({
  ...defaultQuotas(read),
  ...read(projectQuotaId(projectId))?.limits,
  ...(userId === undefined ? {} : read(userQuotaId(projectId, userId))?.limits),
});
