// Host aggregates: groups of hosts that an operator makes. One that names an availability zone puts its hosts into it.
// Written by the API alone (admins); in the same transaction it writes `availabilityZone` of the hosts, so that all who
// ask for a host's zone read the host alone. Invariant: a host is in at most one zone.

import type { Kind } from './kind.ts';

export interface Aggregate {
  /** The number that the API shows as `id`, in digits. */
  readonly id: string;
  readonly uuid: string;
  readonly name: string;
  /** null: it makes no zone. */
  readonly availabilityZone: string | null;
  readonly hosts: readonly string[];
  /** Without `availability_zone`, which is a field of its own here and is shown among the metadata. */
  readonly metadata: Readonly<Record<string, string>>;
  /** UTC microseconds. */
  readonly createdAt: number;
  readonly updatedAt: number | null;
}

export const AGGREGATE: Kind<Aggregate> = {
  name: 'aggregate',
  id: (aggregate) => aggregate.id,
  unique: (aggregate) => [`name//${aggregate.name}`],
};

/** The zone that aggregates give the host; undefined: none does. */
export const zoneOfHost = (host: string, aggregates: readonly Aggregate[]): string | undefined =>
  aggregates.find((aggregate) => aggregate.availabilityZone !== null && aggregate.hosts.includes(host))
    ?.availabilityZone ?? undefined;
