import { describe, expect, test } from 'vitest';
import {
  type Network,
  type Port,
  type PortRequest,
  planNetwork,
  planPort,
  planSubnet,
  ROUTER_INTERFACE,
  type Subnet,
} from '#model';
import { planHosts } from './plan.ts';

const NOW = 1_700_000_000_000_000;
let counter = 0;
const newId = (): string => `00000000-0000-4000-8000-${(++counter).toString(16).padStart(12, '0')}`;

class Intent {
  readonly network: Network;
  readonly subnets: Subnet[];
  readonly ports: Port[] = [];

  constructor(network: Partial<Network> = {}) {
    const planned = planNetwork({ request: { projectId: 'p' }, networks: [], id: newId(), now: NOW });
    this.network = { ...planned, ...network };
    const request = { projectId: 'p', cidr: '10.0.0.0/24' };
    this.subnets = [planSubnet({ network: this.network, siblings: [], request, id: newId(), now: NOW })];
  }

  port(request: Partial<PortRequest>): Port {
    const port = planPort({ ...this, request: { projectId: 'p', ...request }, newId, now: NOW });
    this.ports.push(port);
    return port;
  }

  plan(vteps: Record<string, string> = { one: '127.0.0.1:4789', two: '127.0.0.2:4789', three: '127.0.0.3:4789' }) {
    return planHosts({ ...this, joinedHosts: new Set(), vtepOf: (host) => vteps[host] ?? '' });
  }
}

describe('a host is told', () => {
  test('of a network when it has a port of it, of no other', () => {
    const intent = new Intent();
    intent.port({ hostId: 'one' });
    intent.port({});
    expect([...intent.plan().keys()]).toEqual(['one']);
    expect(new Intent().plan().size).toBe(0);
  });

  test('its own ports, where the others are, and whom broadcasts go to', () => {
    const intent = new Intent();
    const a = intent.port({ hostId: 'one', dnsName: 'web' });
    const b = intent.port({ hostId: 'two' });
    const c = intent.port({ hostId: 'two' });
    const one = intent.plan().get('one');
    expect(one).toMatchObject({ vni: 1, mtu: 1500, vteps: ['127.0.0.2:4789'] });
    expect(one?.ports?.map((port) => [port.id, port.hostname])).toEqual([[a.id, 'web']]);
    expect(one?.remotes).toEqual(
      [b, c].map((port) => ({
        mac: port.macAddress,
        ips: [port.fixedIps[0]?.ipAddress],
        vtep: '127.0.0.2:4789',
      })),
    );
  });

  test('nothing of a host whose tunnel endpoint is not known yet', () => {
    const intent = new Intent();
    intent.port({ hostId: 'one' });
    intent.port({ hostId: 'two' });
    const one = intent.plan({ one: '127.0.0.1:4789' }).get('one');
    expect(one).toMatchObject({ remotes: [], vteps: [] });
  });

  test("the addresses of the network's routers", () => {
    const intent = new Intent();
    intent.port({ hostId: 'one' });
    const gateway = intent.port({ deviceOwner: ROUTER_INTERFACE, fixedIps: [{ ipAddress: '10.0.0.1' }] });
    const one = intent.plan().get('one');
    expect(one?.gateways).toEqual([{ mac: gateway.macAddress, ip: '10.0.0.1' }]);
    expect(one?.remotes).toEqual([]);
  });

  test('that ports of a network that is down are down', () => {
    const intent = new Intent({ adminStateUp: false });
    intent.port({ hostId: 'one' });
    expect(intent.plan().get('one')?.ports?.[0]?.adminStateUp).toBe(false);
  });

  test('of a network that stays on its hosts no other hosts and no VNI', () => {
    const intent = new Intent({ networkType: 'flat', physicalNetwork: 'public', segmentationId: null });
    intent.port({ hostId: 'one' });
    intent.port({ hostId: 'two' });
    expect(intent.plan().get('one')).toMatchObject({ vni: 0, remotes: [], vteps: [] });
  });
});

test('the plan does not depend on the order in which records came', () => {
  const intent = new Intent();
  for (let count = 0; count < 5; count++) intent.port({ hostId: count % 2 === 0 ? 'one' : 'two' });
  const plan = JSON.stringify([...intent.plan()]);
  intent.ports.reverse();
  expect(JSON.stringify([...intent.plan()])).toBe(plan);
});
