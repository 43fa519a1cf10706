// A flavor: a size of servers that has a name. Written by the API alone (admins). A server keeps its own copy
// (ServerFlavor), so that a flavor may change or go while servers of it live.

import type { Kind } from './kind.ts';
import type { ServerFlavor } from './server.ts';

export interface Flavor {
  /** The id that users know (`flavorid`): free text, a UUID when nobody chose one. */
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ramMib: number;
  readonly diskGib: number;
  readonly ephemeralGib: number;
  readonly swapMib: number;
  readonly rxtxFactor: number;
  readonly isPublic: boolean;
  readonly description: string | null;
  readonly extraSpecs: Readonly<Record<string, string>>;
  /** Projects that may use it though it is not public. */
  readonly projects: readonly string[];
  /** UTC microseconds. */
  readonly createdAt: number;
  readonly updatedAt: number | null;
}

export const FLAVOR: Kind<Flavor> = {
  name: 'flavor',
  id: (flavor) => flavor.id,
  unique: (flavor) => [`name//${flavor.name}`],
};

/** Whether the project may see and use the flavor. */
export const flavorVisibleTo = (flavor: Flavor, projectId: string | undefined): boolean =>
  flavor.isPublic || (projectId !== undefined && flavor.projects.includes(projectId));

/** The copy that a server keeps. */
export const serverFlavorOf = (flavor: Flavor): ServerFlavor => ({
  id: flavor.id,
  name: flavor.name,
  vcpus: flavor.vcpus,
  ramMib: flavor.ramMib,
  diskGib: flavor.diskGib,
  ephemeralGib: flavor.ephemeralGib,
  swapMib: flavor.swapMib,
  extraSpecs: flavor.extraSpecs,
});

const flavor = (
  id: string,
  name: string,
  vcpus: number,
  ramMib: number,
  diskGib: number,
): Omit<Flavor, 'createdAt'> => ({
  id,
  name,
  vcpus,
  ramMib,
  diskGib,
  ephemeralGib: 0,
  swapMib: 0,
  rxtxFactor: 1.0,
  isPublic: true,
  description: null,
  extraSpecs: {},
  projects: [],
  updatedAt: null,
});

/** What a new cloud has: DevStack's flavors with DevStack's ids and sizes, which acceptance suites name. */
export const SEED_FLAVORS: readonly Omit<Flavor, 'createdAt'>[] = [
  flavor('1', 'm1.tiny', 1, 512, 1),
  flavor('2', 'm1.small', 1, 2048, 20),
  flavor('3', 'm1.medium', 2, 4096, 40),
  flavor('4', 'm1.large', 4, 8192, 80),
  flavor('5', 'm1.xlarge', 8, 16384, 160),
  flavor('42', 'm1.nano', 1, 192, 1),
  flavor('84', 'm1.micro', 1, 256, 1),
  flavor('c1', 'cirros256', 1, 256, 1),
  flavor('d1', 'ds512M', 1, 512, 5),
  flavor('d2', 'ds1G', 1, 1024, 10),
  flavor('d3', 'ds2G', 2, 2048, 10),
  flavor('d4', 'ds4G', 4, 4096, 20),
];
