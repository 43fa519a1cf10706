// What the scheduler decides from: the wish of one server, and every host as it stands. Plain values: the caller reads
// them in its transaction.

import { type Amounts, amountsOf, type GroupPolicy, type Host, type ResourceProvider, type Server } from '#model';

export interface RequestSpec {
  readonly serverId: string;
  readonly projectId: string;
  readonly amounts: Amounts;
  readonly availabilityZone: string | null;
  readonly forcedHost: string | null;
  /** Image properties that speak of the host: architecture, hypervisor_type, ... */
  readonly imageProperties: Readonly<Record<string, string>>;
  readonly requiredTraits: readonly string[];
  readonly forbiddenTraits: readonly string[];
  readonly group: { readonly policy: GroupPolicy; readonly maxServersPerHost: number } | null;
  /** Hosts of the servers named by the hints `different_host` and `same_host`. */
  readonly differentHosts: readonly string[];
  /** null: not asked. */
  readonly sameHosts: readonly string[] | null;
  /** Hosts that have refused the server before. */
  readonly refusedHosts: readonly string[];
}

export interface HostView {
  readonly host: Host;
  readonly provider: ResourceProvider;
  /** Members of the server's group that it runs. */
  readonly groupMembers: number;
}

/** Traits that the flavor (`trait:X=required`) and the image ask for or rule out. */
function traitsOf(specs: Readonly<Record<string, string>>, wanted: 'required' | 'forbidden'): string[] {
  return Object.entries(specs)
    .filter(([key, value]) => key.startsWith('trait:') && value === wanted)
    .map(([key]) => key.slice('trait:'.length));
}

/** The spec of a stored server. What needs other records (group, hints) is given beside it. */
export function requestSpecOf(
  server: Server,
  found: Pick<RequestSpec, 'group' | 'differentHosts' | 'sameHosts'>,
): RequestSpec {
  const imageProperties = server.image?.properties ?? {};
  return {
    serverId: server.id,
    projectId: server.projectId,
    amounts: amountsOf(server.flavor),
    availabilityZone: server.availabilityZone,
    forcedHost: server.forcedHost,
    imageProperties,
    requiredTraits: [...traitsOf(server.flavor.extraSpecs, 'required'), ...traitsOf(imageProperties, 'required')],
    forbiddenTraits: traitsOf(server.flavor.extraSpecs, 'forbidden'),
    refusedHosts: server.refusedHosts,
    ...found,
  };
}
