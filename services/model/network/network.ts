// A network: a broadcast domain of its own. `network_type` says how its frames travel between hosts: `vxlan` with a VNI
// that no other network has, or `local` (never leaves the host), or `flat`: an outside network that the gateway carries.
// Written by the API alone, under compare-and-set.

import type { Kind } from '../kind.ts';

/** What every network resource has. Times are UTC microseconds. */
export interface NetworkResource {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly createdAt: number;
  readonly updatedAt: number;
  /** Counts the changes that users see. */
  readonly revisionNumber: number;
  /**
   * Until this time nothing new may refer to the resource: somebody is deleting it and looks for what does. It lapses by
   * itself, so a controller that dies meanwhile leaves nothing stuck.
   */
  readonly closingUntil?: number;
}

export type NetworkType = 'vxlan' | 'flat' | 'local';

export interface Network extends NetworkResource {
  readonly adminStateUp: boolean;
  readonly shared: boolean;
  /** `router:external`: floating IPs and router gateways come from it. */
  readonly external: boolean;
  readonly isDefault: boolean;
  readonly mtu: number;
  readonly portSecurityEnabled: boolean;
  readonly dnsDomain: string;
  readonly availabilityZoneHints: readonly string[];
  readonly networkType: NetworkType;
  readonly physicalNetwork: string | null;
  /** The VNI of a vxlan network. */
  readonly segmentationId: number | null;
  /**
   * Counts the subnets that came, changed or went: whoever plans by the subnets compares the network's record, and so
   * sees them as they are.
   */
  readonly subnetChanges: number;
}

/** A VNI is 24 bits wide (RFC 7348 section 5); 0 is left out because kernels treat it as none. */
export const MAX_VNI = 0xffffff;
export const DEFAULT_MTU = 1500;

export const NETWORK: Kind<Network> = {
  name: 'network',
  id: (network) => network.id,
  unique: (network) => [
    ...(network.segmentationId === null ? [] : [`segment/${network.networkType}/${network.segmentationId}`]),
    ...(network.networkType === 'flat' ? [`physical/flat/${network.physicalNetwork}`] : []),
  ],
};
