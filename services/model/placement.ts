// Placement: what hosts have, who holds how much of it. A resource provider per host keeps its inventories and the sum of
// what is allocated from it; an allocation per consumer says who. Both change in one transaction, so that
//     used[class] = sum of the allocations of the provider,   used <= capacity at every claim.
// Nova's and Placement's words: inventory, reserved, allocation_ratio, generation, consumer.
// Written by: heartbeats (inventories), claims and releases inside the sagas' transactions (used, allocations).

import { CumuletError } from '#base';
import type { Kind } from './kind.ts';

export const RESOURCE_CLASSES = ['VCPU', 'MEMORY_MB', 'DISK_GB'] as const;
export type ResourceClass = (typeof RESOURCE_CLASSES)[number];
export type Amounts = { readonly [resource in ResourceClass]: number };

export interface Inventory {
  readonly total: number;
  readonly reserved: number;
  readonly allocationRatio: number;
  readonly minUnit: number;
  readonly maxUnit: number;
  readonly stepSize: number;
}

export interface ResourceProvider {
  readonly uuid: string;
  /** The host's name. */
  readonly name: string;
  /** Grows with each change: Placement's optimistic lock, shown to its clients. */
  readonly generation: number;
  readonly inventories: { readonly [resource in ResourceClass]: Inventory };
  readonly used: Amounts;
  /** How many consumers each project has here: spread counts without walking the allocations. */
  readonly consumers: Readonly<Record<string, number>>;
  readonly traits: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
}

export const RESOURCE_PROVIDER: Kind<ResourceProvider> = {
  name: 'resource-provider',
  id: (provider) => provider.name,
  unique: (provider) => [`uuid//${provider.uuid}`],
};

export interface Allocation {
  /** The server's id. */
  readonly consumerId: string;
  readonly providerName: string;
  readonly resources: Amounts;
  readonly projectId: string;
  readonly userId: string;
  readonly consumerGeneration: number;
  readonly createdAt: number;
}

export const ALLOCATION: Kind<Allocation> = { name: 'allocation', id: (allocation) => allocation.consumerId };

export const NOTHING: Amounts = { VCPU: 0, MEMORY_MB: 0, DISK_GB: 0 };

/**
 * How far each class may be promised beyond what is there. VCPU: guests mostly sleep. MEMORY_MB: 1.0, for a guest whose
 * memory is not there dies. DISK_GB: overlays start empty, but a full disk takes everybody down: 1.0.
 */
export const ALLOCATION_RATIOS: Amounts = { VCPU: 16.0, MEMORY_MB: 1.0, DISK_GB: 1.0 };

export function inventoriesOf(
  resources: { readonly vcpus: number; readonly memoryMib: number; readonly diskGib: number },
  reserved: Amounts = NOTHING,
  ratios: Amounts = ALLOCATION_RATIOS,
): ResourceProvider['inventories'] {
  const inventory = (resource: ResourceClass, total: number): Inventory => ({
    total,
    reserved: Math.min(reserved[resource], total),
    allocationRatio: ratios[resource],
    minUnit: 1,
    maxUnit: Math.max(1, total),
    stepSize: 1,
  });
  return {
    VCPU: inventory('VCPU', resources.vcpus),
    MEMORY_MB: inventory('MEMORY_MB', resources.memoryMib),
    DISK_GB: inventory('DISK_GB', resources.diskGib),
  };
}

/** What may be allocated of an inventory in all. */
export const capacity = (inventory: Inventory): number =>
  Math.floor((inventory.total - inventory.reserved) * inventory.allocationRatio);

/** What is left; negative when the host shrank below what it holds. */
export const free = (provider: ResourceProvider, resource: ResourceClass): number =>
  capacity(provider.inventories[resource]) - provider.used[resource];

export interface Shortage {
  readonly resource: ResourceClass;
  readonly asked: number;
  readonly free: number;
  /** Set when no emptier host of this size would do: the largest single allocation that it allows. */
  readonly maxUnit?: number;
}

/** The first class of which the provider has not enough. */
export function shortage(provider: ResourceProvider, asked: Amounts): Shortage | undefined {
  for (const resource of RESOURCE_CLASSES) {
    const amount = asked[resource];
    if (amount === 0) continue;
    const inventory = provider.inventories[resource];
    const left = free(provider, resource);
    if (amount > inventory.maxUnit) return { resource, asked: amount, free: left, maxUnit: inventory.maxUnit };
    if (amount > left) return { resource, asked: amount, free: left };
  }
  return undefined;
}

/** "MEMORY_MB: asked 2048, free 1024". */
export function describeShortage(short: Shortage): string {
  const text = `${short.resource}: asked ${short.asked}, free ${Math.max(0, short.free)}`;
  return short.maxUnit === undefined ? text : `${text} (at most ${short.maxUnit} for one server)`;
}

const combine = (a: Amounts, b: Amounts, sign: 1 | -1): Amounts => ({
  VCPU: a.VCPU + sign * b.VCPU,
  MEMORY_MB: a.MEMORY_MB + sign * b.MEMORY_MB,
  DISK_GB: a.DISK_GB + sign * b.DISK_GB,
});

/** The provider with an allocation taken. Throws 'conflict' when it does not fit: the claim lost a race. */
export function take(
  provider: ResourceProvider,
  held: Pick<Allocation, 'resources' | 'projectId'>,
  now: number,
): ResourceProvider {
  const short = shortage(provider, held.resources);
  if (short !== undefined) {
    throw new CumuletError('conflict', `Host ${provider.name} has not enough left. ${describeShortage(short)}`);
  }
  return moved(provider, held, 1, now);
}

/** The provider with an allocation given back. */
export const giveBack = (
  provider: ResourceProvider,
  held: Pick<Allocation, 'resources' | 'projectId'>,
  now: number,
): ResourceProvider => moved(provider, held, -1, now);

function moved(
  provider: ResourceProvider,
  held: Pick<Allocation, 'resources' | 'projectId'>,
  sign: 1 | -1,
  now: number,
): ResourceProvider {
  const { [held.projectId]: before = 0, ...others } = provider.consumers;
  const count = before + sign;
  return {
    ...provider,
    generation: provider.generation + 1,
    used: combine(provider.used, held.resources, sign),
    consumers: count > 0 ? { ...others, [held.projectId]: count } : others,
    updatedAt: now,
  };
}

/** What a server of this flavor takes. Disk: root, ephemeral and swap, in whole GiB. */
export function amountsOf(flavor: {
  readonly vcpus: number;
  readonly ramMib: number;
  readonly diskGib: number;
  readonly ephemeralGib: number;
  readonly swapMib: number;
}): Amounts {
  return {
    VCPU: flavor.vcpus,
    MEMORY_MB: flavor.ramMib,
    DISK_GB: flavor.diskGib + flavor.ephemeralGib + Math.ceil(flavor.swapMib / 1024),
  };
}

/** Why a server went where it went, or nowhere: every host that was looked at, and what spoke against it. */
export interface PlacementExplanation {
  /** The server's id. */
  readonly id: string;
  readonly requestId: string;
  readonly createdAt: number;
  readonly message: string;
  readonly hosts: readonly HostVerdict[];
}

export interface HostVerdict {
  readonly host: string;
  /** chosen: it runs there; suitable: it could have. */
  readonly verdict: 'chosen' | 'suitable' | 'refused';
  /** The filter that refused it. */
  readonly filter: string | null;
  readonly reason: string | null;
}

export const PLACEMENT_EXPLANATION: Kind<PlacementExplanation> = {
  name: 'placement-explanation',
  id: (explanation) => explanation.id,
};
