import { describe, expect, test } from 'vitest';
import { CumuletError } from '#base';
import { type NetworkRequest, planNetwork } from './plan-network.ts';
import { type PortRequest, planPort } from './plan-port.ts';
import { planSubnet, type SubnetRequest } from './plan-subnet.ts';
import { PORT, type Port } from './port.ts';
import type { Subnet } from './subnet.ts';

const NOW = 1_700_000_000_000_000;
let counter = 0;
const newId = (): string => `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`;

const network = (request: Partial<NetworkRequest> = {}) =>
  planNetwork({ request: { projectId: 'p', ...request }, networks: [], id: newId(), now: NOW });
const subnet = (of: ReturnType<typeof network>, request: Partial<SubnetRequest> = {}, siblings: Subnet[] = []) =>
  planSubnet({
    network: of,
    siblings,
    request: { projectId: 'p', cidr: '10.0.0.0/26', ...request },
    id: newId(),
    now: NOW,
  });

/** The type of the refusal. */
function refusal(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    if (error instanceof CumuletError) return error.detail.type;
    throw error;
  }
  return 'none';
}

function lab(...requests: Partial<SubnetRequest>[]) {
  const net = network();
  const subnets: Subnet[] = [];
  for (const request of requests) subnets.push(subnet(net, request, subnets));
  const ports: Port[] = [];
  const add = (request: Partial<PortRequest> = {}): Port => {
    const port = planPort({ network: net, subnets, ports, request: { projectId: 'p', ...request }, newId, now: NOW });
    ports.push(port);
    return port;
  };
  return { net, subnets, ports, add };
}

describe('a new port', () => {
  test('gets a MAC address of fa:16:3e and one address of the pool', () => {
    const { add, subnets } = lab({});
    const port = add();
    expect(port.macAddress).toMatch(/^fa:16:3e(:[0-9a-f]{2}){3}$/);
    expect(port.fixedIps).toEqual([{ subnetId: subnets[0]?.id, ipAddress: expect.stringMatching(/^10\.0\.0\.\d+$/) }]);
  });

  test('never shares an address, and the last free one is given before the pool is called exhausted', () => {
    const { add, ports } = lab({ cidr: '10.1.0.0/28' });
    for (let n = 0; n < 13; n++) add();
    const addresses = ports.flatMap((port) => port.fixedIps.map((ip) => ip.ipAddress));
    expect(new Set(addresses).size).toBe(13);
    expect(addresses).not.toContain('10.1.0.0');
    expect(addresses).not.toContain('10.1.0.1');
    expect(addresses).not.toContain('10.1.0.15');
    expect(refusal(() => add())).toBe('IpAddressGenerationFailure');
  });

  test('goes to the next subnet when the first is full', () => {
    const { add } = lab({ cidr: '10.1.0.0/30' }, { cidr: '10.2.0.0/30' });
    expect(add().fixedIps[0]?.ipAddress).toBe('10.1.0.2');
    expect(add().fixedIps[0]?.ipAddress).toBe('10.2.0.2');
  });

  test('takes an address of each version, and makes its own under a SLAAC prefix', () => {
    const { add } = lab({}, { cidr: 'fd00:1::/64', ipv6AddressMode: 'slaac', ipv6RaMode: 'slaac' });
    const port = add({ mac: 'fa:16:3e:00:00:01' });
    expect(port.fixedIps.map((ip) => ip.ipAddress)[1]).toBe('fd00:1::f816:3eff:fe00:1');
  });

  test('takes what it is asked to, and refuses what is taken, outside or no host address', () => {
    const { add, subnets } = lab({});
    const subnetId = subnets[0]?.id ?? '';
    expect(add({ fixedIps: [{ ipAddress: '10.0.0.9' }] }).fixedIps).toEqual([{ subnetId, ipAddress: '10.0.0.9' }]);
    expect(add({ fixedIps: [] }).fixedIps).toEqual([]);
    expect(refusal(() => add({ fixedIps: [{ ipAddress: '10.0.0.9' }] }))).toBe('IpAddressAlreadyAllocated');
    expect(refusal(() => add({ fixedIps: [{ ipAddress: '10.9.0.9' }] }))).toBe('InvalidIpForNetwork');
    expect(refusal(() => add({ fixedIps: [{ subnetId, ipAddress: '10.0.0.63' }] }))).toBe('InvalidIpForSubnet');
    expect(refusal(() => add({ fixedIps: [{ subnetId: newId() }] }))).toBe('InvalidInput');
  });

  test('refuses a MAC address that is taken, malformed or multicast', () => {
    const { add } = lab({});
    add({ mac: 'FA-16-3E-00-00-02' });
    expect(refusal(() => add({ mac: 'fa:16:3e:00:00:02' }))).toBe('MacAddressInUse');
    expect(refusal(() => add({ mac: '01:00:5e:00:00:01' }))).toBe('HTTPBadRequest');
    expect(refusal(() => add({ mac: 'nonsense' }))).toBe('HTTPBadRequest');
  });

  test('refuses a network that is being deleted', () => {
    const { net, subnets } = lab({});
    const closing = { ...net, closingUntil: NOW + 1 };
    const plan = () => planPort({ network: closing, subnets, ports: [], request: { projectId: 'p' }, newId, now: NOW });
    expect(refusal(plan)).toBe('NetworkNotFound');
  });

  test('names its MAC address and its addresses as unique keys', () => {
    const { add, net, subnets } = lab({});
    const port = add({ fixedIps: [{ ipAddress: '10.0.0.7' }], mac: 'fa:16:3e:00:00:03' });
    expect(PORT.unique?.(port)).toEqual([`mac/${net.id}/fa:16:3e:00:00:03`, `ip/${subnets[0]?.id}/10.0.0.7`]);
  });

  test('is bound to the host it is planned for, and not active before that host says so', () => {
    const { add } = lab({});
    expect(add({ hostId: 'node1' })).toMatchObject({
      status: 'DOWN',
      binding: { hostId: 'node1', vifType: 'cumulet' },
    });
    expect(add()).toMatchObject({ status: 'DOWN', binding: { hostId: '', vifType: 'unbound' } });
  });
});

describe('a new subnet', () => {
  test('has its gateway at the first address and the rest in the pool', () => {
    expect(subnet(network())).toMatchObject({
      gatewayIp: '10.0.0.1',
      allocationPools: [{ start: '10.0.0.2', end: '10.0.0.62' }],
    });
  });

  test('splits the pool around a gateway in the middle, and has none when told so', () => {
    expect(subnet(network(), { gatewayIp: '10.0.0.9' }).allocationPools).toEqual([
      { start: '10.0.0.1', end: '10.0.0.8' },
      { start: '10.0.0.10', end: '10.0.0.62' },
    ]);
    expect(subnet(network(), { gatewayIp: null })).toMatchObject({
      gatewayIp: null,
      allocationPools: [{ start: '10.0.0.1', end: '10.0.0.62' }],
    });
  });

  test('refuses what overlaps, pools that lie outside or hold the gateway, and nonsense', () => {
    const net = network();
    const first = subnet(net);
    expect(refusal(() => subnet(net, { cidr: '10.0.0.32/27' }, [first]))).toBe('InvalidInput');
    expect(refusal(() => subnet(net, { cidr: 'elsewhere' }))).toBe('InvalidInput');
    const pools = (start: string, end: string) => refusal(() => subnet(net, { allocationPools: [{ start, end }] }));
    expect(pools('10.0.0.2', '10.0.0.90')).toBe('OutOfBoundsAllocationPool');
    expect(pools('10.0.0.1', '10.0.0.9')).toBe('GatewayConflictWithAllocationPools');
    expect(pools('10.0.0.9', '10.0.0.2')).toBe('InvalidAllocationPool');
    const twice = [
      { start: '10.0.0.2', end: '10.0.0.9' },
      { start: '10.0.0.9', end: '10.0.0.12' },
    ];
    expect(refusal(() => subnet(net, { allocationPools: twice }))).toBe('OverlappingAllocationPools');
  });
});

describe('a new network', () => {
  test('gets the lowest free VNI, and refuses one that is taken or out of range', () => {
    const first = network();
    const plan = (request: Partial<NetworkRequest>) =>
      planNetwork({ request: { projectId: 'p', ...request }, networks: [first], id: newId(), now: NOW });
    expect(first.segmentationId).toBe(1);
    expect(plan({}).segmentationId).toBe(2);
    expect(refusal(() => plan({ segmentationId: 1 }))).toBe('TunnelIdInUse');
    expect(refusal(() => plan({ segmentationId: 1 << 24 }))).toBe('InvalidInput');
    expect(plan({ networkType: 'flat', physicalNetwork: 'public' })).toMatchObject({ segmentationId: null });
  });
});
