// Quotas of the network area. Limits are a record of the project (admins write it); what is used is counted from the
// resources. So that two writers cannot both take the last place, whoever adds a resource also moves the project's charge
// record in the same transaction: one of two that count at the same time loses and counts again.

import type { Kind } from '../kind.ts';
import { networkError } from './errors.ts';
import { NETWORK } from './network.ts';
import { PORT } from './port.ts';
import { ROUTER } from './router.ts';
import { SECURITY_GROUP, SECURITY_GROUP_RULE } from './security-group.ts';
import { SUBNET } from './subnet.ts';

/** Neutron's defaults; -1: no limit. */
export const DEFAULT_NETWORK_QUOTA = {
  network: 100,
  subnet: 100,
  subnetpool: -1,
  port: 500,
  router: 10,
  floatingip: 50,
  security_group: 10,
  security_group_rule: 100,
  rbac_policy: 10,
} as const;

export type NetworkQuotaName = keyof typeof DEFAULT_NETWORK_QUOTA;
export type NetworkLimits = Readonly<Record<NetworkQuotaName, number>>;

export const NETWORK_QUOTA_NAMES = Object.keys(DEFAULT_NETWORK_QUOTA) as NetworkQuotaName[];

export interface NetworkQuota {
  readonly projectId: string;
  /** What differs from the defaults. */
  readonly limits: Partial<NetworkLimits>;
}

export const NETWORK_QUOTA: Kind<NetworkQuota> = { name: 'network-quota', id: (quota) => quota.projectId };

export interface NetworkCharge {
  readonly projectId: string;
  readonly turn: number;
}

export const NETWORK_CHARGE: Kind<NetworkCharge> = { name: 'network-charge', id: (charge) => charge.projectId };

/** What a count needs of a transaction, or of the records. */
export interface QuotaReader {
  get<T>(kind: Kind<T>, id: string): T | undefined;
  list<T>(kind: Kind<T>, where?: (value: T) => boolean): T[];
}

export interface QuotaTx extends QuotaReader {
  create<T>(kind: Kind<T>, value: T): void;
  update<T>(kind: Kind<T>, value: T): void;
}

const COUNTED: Partial<Record<NetworkQuotaName, Kind<{ readonly projectId: string }>>> = {
  network: NETWORK as Kind<{ readonly projectId: string }>,
  subnet: SUBNET as Kind<{ readonly projectId: string }>,
  port: PORT as Kind<{ readonly projectId: string }>,
  router: ROUTER as Kind<{ readonly projectId: string }>,
  security_group: SECURITY_GROUP as Kind<{ readonly projectId: string }>,
  security_group_rule: SECURITY_GROUP_RULE as Kind<{ readonly projectId: string }>,
};

export function networkUsage(reader: Pick<QuotaReader, 'list'>, projectId: string, name: NetworkQuotaName): number {
  const kind = COUNTED[name];
  return kind === undefined ? 0 : reader.list(kind, (value) => value.projectId === projectId).length;
}

export const networkLimits = (reader: Pick<QuotaReader, 'get'>, projectId: string): NetworkLimits => ({
  ...DEFAULT_NETWORK_QUOTA,
  ...reader.get(NETWORK_QUOTA, projectId)?.limits,
});

/** Refuses (OverQuota) what would be more than the project may have. To be called before the resources are created. */
export function chargeNetworkQuota(
  tx: QuotaTx,
  projectId: string,
  wanted: Partial<Record<NetworkQuotaName, number>>,
): void {
  const limits = networkLimits(tx, projectId);
  const over = NETWORK_QUOTA_NAMES.filter((name) => {
    const more = wanted[name] ?? 0;
    return more > 0 && limits[name] >= 0 && networkUsage(tx, projectId, name) + more > limits[name];
  });
  if (over.length > 0) {
    const names = over.map((name) => `'${name}'`).join(', ');
    throw networkError('quota_exceeded', 'OverQuota', `Quota exceeded for resources: [${names}].`);
  }
  const charge = tx.get(NETWORK_CHARGE, projectId);
  if (charge === undefined) tx.create(NETWORK_CHARGE, { projectId, turn: 1 });
  else tx.update(NETWORK_CHARGE, { projectId, turn: charge.turn + 1 });
}
