// Plans a new port: MAC and addresses. Pure: it sees the ports that exist, picks what is free and returns the record; that
// nothing is given twice is guarded by PORT's unique keys in the transaction that writes it. Whoever commits the plan
// plans again on `already_exists` (another writer took the address meanwhile).
// The network must be read by `tx.get`, so that a subnet that goes meanwhile is noticed.
// Drawn addresses are spread over a small window by the port's id, so that writers at the same time rarely collide.

import { canonicalMac, eui64Address, formatIp, macFromId, parseCidr, parseIp } from './address.ts';
import { networkError, networkNotFound } from './errors.ts';
import type { Network } from './network.ts';
import { isHostAddress } from './plan-subnet.ts';
import type { AllowedAddressPair, ExtraDhcpOption, FixedIp, Port, PortBinding } from './port.ts';
import { isAutoAddressed, type Subnet } from './subnet.ts';

export interface FixedIpRequest {
  readonly subnetId?: string;
  readonly ipAddress?: string;
}

export interface PortRequest {
  readonly projectId: string;
  readonly name?: string;
  readonly description?: string;
  readonly adminStateUp?: boolean;
  readonly mac?: string;
  /** Undefined: an address of each IP version that the network has; empty: no address. */
  readonly fixedIps?: readonly FixedIpRequest[];
  readonly deviceId?: string;
  readonly deviceOwner?: string;
  /** The name of the host that it is bound to. */
  readonly hostId?: string;
  readonly vnicType?: string;
  readonly bindingProfile?: Readonly<Record<string, unknown>>;
  /** Ids of groups that exist; the caller has put the project's default group here when the user named none. */
  readonly securityGroupIds?: readonly string[];
  readonly portSecurityEnabled?: boolean;
  readonly allowedAddressPairs?: readonly AllowedAddressPair[];
  readonly extraDhcpOptions?: readonly ExtraDhcpOption[];
  readonly dnsName?: string;
  readonly tags?: readonly string[];
}

export interface PortPlanInput {
  readonly network: Network;
  /** The subnets of the network. */
  readonly subnets: readonly Subnet[];
  /** The ports of the network. */
  readonly ports: readonly Port[];
  readonly request: PortRequest;
  /** Gives the port its id, and more randomness when its MAC address is taken. */
  readonly newId: () => string;
  readonly now: number;
}

/** How many free addresses the draw is spread over. */
const WINDOW = 16;

const addressKey = (subnetId: string, ipAddress: string): string => `${subnetId}/${ipAddress}`;

const usedAddresses = (ports: readonly Port[]): Set<string> =>
  new Set(ports.flatMap((port) => port.fixedIps.map((ip) => addressKey(ip.subnetId, ip.ipAddress))));

function drawAddress(subnet: Subnet, used: ReadonlySet<string>, seed: number): string | undefined {
  const free: string[] = [];
  for (const pool of subnet.allocationPools) {
    const start = parseIp(pool.start);
    const end = parseIp(pool.end);
    if (!start || !end) continue;
    for (let value = start.value; value <= end.value && free.length < WINDOW; value++) {
      const text = formatIp({ version: start.version, value });
      if (!used.has(addressKey(subnet.id, text))) free.push(text);
    }
  }
  return free[seed % free.length];
}

const exhausted = (networkId: string) =>
  networkError('conflict', 'IpAddressGenerationFailure', `No more IP addresses available on network ${networkId}.`);

export interface AddressPlanInput {
  readonly network: Network;
  readonly subnets: readonly Subnet[];
  /** The other ports of the network. */
  readonly ports: readonly Port[];
  readonly mac: string;
  readonly deviceOwner: string;
  readonly requested: readonly FixedIpRequest[] | undefined;
  /** Spreads the draw; any number from 0. */
  readonly seed: number;
}

/** The addresses of a port, new or changed. */
export function planFixedIps(input: AddressPlanInput): FixedIp[] {
  const { network, mac, seed, requested } = input;
  const used = usedAddresses(input.ports);
  const subnets = input.subnets.filter(
    (subnet) => subnet.serviceTypes.length === 0 || subnet.serviceTypes.includes(input.deviceOwner),
  );
  const chosen: FixedIp[] = [];
  const take = (subnet: Subnet, ipAddress: string): void => {
    used.add(addressKey(subnet.id, ipAddress));
    chosen.push({ subnetId: subnet.id, ipAddress });
  };
  const takeAuto = (subnet: Subnet): void => {
    const prefix = parseCidr(subnet.cidr);
    if (prefix) take(subnet, formatIp(eui64Address(prefix, mac)));
  };
  /** One address of the first of the subnets that has one left. */
  const takeDrawn = (candidates: readonly Subnet[]): void => {
    for (const subnet of candidates) {
      const drawn = drawAddress(subnet, used, seed);
      if (drawn === undefined) continue;
      take(subnet, drawn);
      return;
    }
    throw exhausted(network.id);
  };

  if (requested === undefined) {
    for (const version of [4, 6] as const) {
      const pooled = subnets.filter((subnet) => subnet.ipVersion === version && !isAutoAddressed(subnet));
      if (pooled.length > 0) takeDrawn(pooled);
    }
    subnets.filter(isAutoAddressed).forEach(takeAuto);
    return chosen;
  }
  for (const wish of requested) {
    const subnet = findSubnet(input, wish);
    if (wish.ipAddress !== undefined) take(subnet, checkAddress(subnet, wish.ipAddress, used));
    else if (isAutoAddressed(subnet)) takeAuto(subnet);
    else takeDrawn([subnet]);
  }
  return chosen;
}

function findSubnet(input: AddressPlanInput, wish: FixedIpRequest): Subnet {
  if (wish.subnetId !== undefined) {
    const subnet = input.subnets.find((candidate) => candidate.id === wish.subnetId);
    if (subnet) return subnet;
    const message = `Invalid input for operation: Failed to create port on network ${input.network.id}, because fixed_ips included invalid subnet ${wish.subnetId}.`;
    throw networkError('invalid', 'InvalidInput', message);
  }
  const address = parseIp(wish.ipAddress ?? '');
  const subnet = input.subnets.find((candidate) => {
    const cidr = parseCidr(candidate.cidr);
    return address !== undefined && cidr !== undefined && isHostAddress(cidr, address);
  });
  if (subnet) return subnet;
  const message = `IP address ${wish.ipAddress} is not a valid IP for any of the subnets on the specified network.`;
  throw networkError('invalid', 'InvalidIpForNetwork', message);
}

function checkAddress(subnet: Subnet, text: string, used: ReadonlySet<string>): string {
  const address = parseIp(text);
  const cidr = parseCidr(subnet.cidr);
  if (!address || !cidr || !isHostAddress(cidr, address)) {
    throw networkError(
      'invalid',
      'InvalidIpForSubnet',
      `IP address ${text} is not a valid IP for the specified subnet.`,
    );
  }
  const canonical = formatIp(address);
  if (used.has(addressKey(subnet.id, canonical))) {
    const message = `IP address ${canonical} already allocated in subnet ${subnet.id}`;
    throw networkError('already_exists', 'IpAddressAlreadyAllocated', message);
  }
  return canonical;
}

/** The requested MAC address, checked, or a free one of `fa:16:3e`. */
export function planMac(
  network: Network,
  ports: readonly Port[],
  requested: string | undefined,
  id: string,
  newId: () => string,
): string {
  const taken = new Set(ports.map((port) => port.macAddress));
  if (requested !== undefined) {
    const mac = canonicalMac(requested);
    if (mac === undefined) {
      const message = `Invalid input for mac_address. Reason: '${requested}' is not a valid MAC address.`;
      throw networkError('invalid', 'HTTPBadRequest', message);
    }
    if (taken.has(mac)) {
      const message = `Unable to complete operation for network ${network.id}. The mac address ${mac} is in use.`;
      throw networkError('already_exists', 'MacAddressInUse', message);
    }
    return mac;
  }
  for (let mac = macFromId(id), tries = 0; tries < 64; mac = macFromId(newId()), tries++) {
    if (!taken.has(mac)) return mac;
  }
  throw networkError(
    'unavailable',
    'MacAddressGenerationFailure',
    `Unable to generate unique mac on network ${network.id}.`,
  );
}

const seedOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 6), 16) || 0;

export function planPort(input: PortPlanInput): Port {
  const { network, subnets, ports, request, newId, now } = input;
  if ((network.closingUntil ?? 0) > now) throw networkNotFound('Network', network.id);
  const id = newId();
  const macAddress = planMac(network, ports, request.mac, id, newId);
  const deviceOwner = request.deviceOwner ?? '';
  const open = subnets.filter((subnet) => (subnet.closingUntil ?? 0) <= now);
  const fixedIps = planFixedIps({
    network,
    subnets: open,
    ports,
    mac: macAddress,
    deviceOwner,
    requested: request.fixedIps,
    seed: seedOf(id),
  });
  const portSecurityEnabled = request.portSecurityEnabled ?? network.portSecurityEnabled;
  const hostId = request.hostId ?? '';
  const binding: PortBinding = {
    hostId,
    vnicType: request.vnicType ?? 'normal',
    profile: request.bindingProfile ?? {},
    vifType: hostId === '' ? 'unbound' : 'cumulet',
  };
  return {
    id,
    projectId: request.projectId,
    networkId: network.id,
    name: request.name ?? '',
    description: request.description ?? '',
    tags: request.tags ?? [],
    createdAt: now,
    updatedAt: now,
    revisionNumber: 1,
    macAddress,
    fixedIps,
    adminStateUp: request.adminStateUp ?? true,
    status: 'DOWN',
    deviceId: request.deviceId ?? '',
    deviceOwner,
    securityGroupIds: portSecurityEnabled ? (request.securityGroupIds ?? []) : [],
    portSecurityEnabled,
    allowedAddressPairs: request.allowedAddressPairs ?? [],
    extraDhcpOptions: request.extraDhcpOptions ?? [],
    dnsName: request.dnsName ?? '',
    binding,
  };
}
