// Plans a new network: its segment. VNIs are counted from 1; the lowest free one is taken. Two planners that pick the same
// are told apart by the network's unique key, and the loser plans again.

import { networkError } from './errors.ts';
import { DEFAULT_MTU, MAX_VNI, type Network, type NetworkType } from './network.ts';

export interface NetworkRequest {
  readonly projectId: string;
  readonly name?: string;
  readonly description?: string;
  readonly adminStateUp?: boolean;
  readonly shared?: boolean;
  readonly external?: boolean;
  readonly isDefault?: boolean;
  readonly mtu?: number;
  readonly portSecurityEnabled?: boolean;
  readonly dnsDomain?: string;
  readonly availabilityZoneHints?: readonly string[];
  readonly networkType?: NetworkType;
  readonly physicalNetwork?: string | null;
  readonly segmentationId?: number | null;
  readonly tags?: readonly string[];
}

export interface NetworkPlanInput {
  readonly request: NetworkRequest;
  /** All networks: whose segments are taken. */
  readonly networks: readonly Network[];
  readonly id: string;
  readonly now: number;
}

const invalid = (why: string) => networkError('invalid', 'InvalidInput', `Invalid input for operation: ${why}.`);

/** The network type's segmentation id: checked when asked for, drawn when not. */
function planSegmentationId(type: NetworkType, request: NetworkRequest, networks: readonly Network[]): number | null {
  const wanted = request.segmentationId ?? null;
  if (type !== 'vxlan') {
    if (wanted !== null) throw invalid(`segmentation_id prohibited for ${type} provider network`);
    return null;
  }
  const taken = new Set(networks.filter((other) => other.networkType === 'vxlan').map((other) => other.segmentationId));
  if (wanted !== null) {
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > MAX_VNI) {
      throw invalid(`segmentation_id out of range (1 through ${MAX_VNI})`);
    }
    if (taken.has(wanted)) {
      throw networkError(
        'already_exists',
        'TunnelIdInUse',
        `Unable to create the network. The tunnel ID ${wanted} is in use.`,
      );
    }
    return wanted;
  }
  for (let vni = 1; vni <= MAX_VNI; vni++) if (!taken.has(vni)) return vni;
  throw networkError(
    'unavailable',
    'NoNetworkAvailable',
    'Unable to create the network. No tenant network is available for allocation.',
  );
}

/** Which outside network a flat network stands for: named, and carried by no other network. */
function planPhysicalNetwork(type: NetworkType, request: NetworkRequest, networks: readonly Network[]): string | null {
  const name = request.physicalNetwork ?? null;
  if (type !== 'flat') {
    if (name !== null) throw invalid(`physical_network specified for ${type} network`);
    return null;
  }
  if (name === null || name === '') throw invalid('physical_network required for flat provider network');
  if (networks.some((other) => other.networkType === 'flat' && other.physicalNetwork === name)) {
    throw networkError(
      'already_exists',
      'FlatNetworkInUse',
      `Unable to create the flat network. Physical network ${name} is in use.`,
    );
  }
  return name;
}

export function planNetwork({ request, networks, id, now }: NetworkPlanInput): Network {
  const networkType = request.networkType ?? 'vxlan';
  return {
    id,
    projectId: request.projectId,
    name: request.name ?? '',
    description: request.description ?? '',
    tags: request.tags ?? [],
    createdAt: now,
    updatedAt: now,
    revisionNumber: 1,
    adminStateUp: request.adminStateUp ?? true,
    shared: request.shared ?? false,
    external: request.external ?? false,
    isDefault: request.isDefault ?? false,
    mtu: request.mtu || DEFAULT_MTU,
    portSecurityEnabled: request.portSecurityEnabled ?? true,
    dnsDomain: request.dnsDomain ?? '',
    availabilityZoneHints: request.availabilityZoneHints ?? [],
    networkType,
    physicalNetwork: planPhysicalNetwork(networkType, request, networks),
    segmentationId: planSegmentationId(networkType, request, networks),
    subnetChanges: 0,
  };
}
