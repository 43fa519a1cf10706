// What a project's servers use, against its quota. One counter record a project, changed in the same transaction as the
// server that it counts: two creates that race for the last place meet at it, and one of them is refused.
// Invariant: the counter equals the sum over the project's servers that are not deleted.

import { CumuletError } from '#base';
import type { Kind } from './kind.ts';

export interface ComputeUsage {
  readonly projectId: string;
  readonly instances: number;
  readonly cores: number;
  readonly ramMib: number;
}

export const COMPUTE_USAGE: Kind<ComputeUsage> = { name: 'compute-usage', id: (usage) => usage.projectId };

/** -1: no limit. */
export interface ComputeLimits {
  readonly instances: number;
  readonly cores: number;
  readonly ram: number;
}

/** What one server counts for. */
export interface Weight {
  readonly vcpus: number;
  readonly ramMib: number;
}

const ORDER = ['cores', 'instances', 'ram'] as const;

/**
 * How many servers (at least `min`, at most `max`) fit into what the quota leaves. Throws 'quota_exceeded' in Nova's
 * words when not even `min` do.
 */
export function fitQuota(usage: ComputeUsage, limits: ComputeLimits, each: Weight, min: number, max: number): number {
  const used = { instances: usage.instances, cores: usage.cores, ram: usage.ramMib };
  const cost = { instances: 1, cores: each.vcpus, ram: each.ramMib };
  const over = (count: number) =>
    ORDER.filter((name) => limits[name] >= 0 && used[name] + cost[name] * count > limits[name] && cost[name] > 0);
  const overs = over(min);
  if (overs.length > 0) {
    const join = (value: (name: (typeof ORDER)[number]) => number) => overs.map(value).join(', ');
    const names = overs.join(', ');
    throw new CumuletError(
      'quota_exceeded',
      `Quota exceeded for ${names}: Requested ${join((name) => cost[name] * min)}, but already used ` +
        `${join((name) => used[name])} of ${join((name) => limits[name])} ${names}`,
      { detail: { overs } },
    );
  }
  let count = max;
  while (over(count).length > 0) count--;
  return count;
}

export const emptyUsage = (projectId: string): ComputeUsage => ({ projectId, instances: 0, cores: 0, ramMib: 0 });

export const addUsage = (usage: ComputeUsage, each: Weight, count: number): ComputeUsage => ({
  ...usage,
  instances: usage.instances + count,
  cores: usage.cores + each.vcpus * count,
  ramMib: usage.ramMib + each.ramMib * count,
});
