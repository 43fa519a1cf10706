// Routers: from the guest's frame to the frame that leaves the router, and what it says when there is no way on.
import { describe, expect, test } from 'vitest';
import type { NetworkConfig, RouterConfig } from './config.ts';
import { frameOf } from './frame.ts';
import { hasRightChecksum } from './offload.ts';
import {
  fromHex,
  hex,
  MAC_A,
  MAC_ROUTER,
  networkConfig,
  portConfig,
  SwitchLab,
  udpFrame,
} from './switch-lab.test-support.ts';
import { ipv4Of, ipv4Text, macAt, macOf, macText, setU16, u16, u32 } from './wire/bytes.ts';
import { checksum } from './wire/checksum.ts';
import { buildIcmp, ICMP_ECHO, ICMP_TIME_EXCEEDED, ICMP_UNREACHABLE } from './wire/icmp.ts';
import { IPV4_CHECKSUM, IPV4_FRAGMENT, IPV4_TTL, writeIpv4Checksum } from './wire/ipv4.ts';
import { GSO_TCPV4, NO_OFFLOAD } from './wire/vnet-header.ts';

const MAC_D = 'fa:16:3e:00:00:0d';
const MAC_E = 'fa:16:3e:00:00:0e';
const MAC_INNER = 'fa:16:3e:00:00:02';
const MAC_OTHER_1 = 'fa:16:3e:00:00:03';
const MAC_OTHER_2 = 'fa:16:3e:00:00:04';
const IP_A = '10.0.0.10';
const IP_D = '10.2.0.10';
const IP_E = '10.2.0.11';

/** Network n2 (VNI 6): d here, e on another node. */
const second = (more: Partial<NetworkConfig> = {}): NetworkConfig =>
  networkConfig({
    id: 'n2',
    vni: 6,
    subnets: [],
    ports: [portConfig('d', MAC_D, IP_D)],
    remotes: [{ mac: MAC_E, ips: [IP_E], vtep: '127.0.0.4:4789' }],
    vteps: ['127.0.0.4:4789'],
    gateways: [{ mac: MAC_INNER, ip: '10.2.0.1' }],
    ...more,
  });

const R1: RouterConfig = {
  id: 'r1',
  interfaces: [
    { networkId: 'n1', mac: MAC_ROUTER, address: '10.0.0.1/26' },
    { networkId: 'n2', mac: MAC_INNER, address: '10.2.0.1/24' },
  ],
  routes: [],
};

function lab(networks: NetworkConfig[] = [networkConfig(), second()], routers: RouterConfig[] = [R1]): SwitchLab {
  const made = new SwitchLab();
  made.routers = routers;
  made.apply(...networks);
  return made;
}

const toRouter = (to: string, size = 10) => udpFrame(MAC_A, IP_A, MAC_ROUTER, to, size);

/** With another field of the IP header. */
function changed(frame: Uint8Array, change: (bytes: Uint8Array) => void): Uint8Array {
  change(frame);
  setU16(frame, 14 + IPV4_CHECKSUM, 0);
  writeIpv4Checksum(frame, 14, 20);
  return frame;
}

interface Told {
  readonly from: string;
  readonly type: number;
  readonly code: number;
  readonly mtu: number;
}

/** The ICMP error that the guest got. */
function told(bytes: Uint8Array | undefined): Told | undefined {
  if (bytes === undefined) return undefined;
  expect(checksum(bytes, 34, bytes.length)).toBe(0);
  return { from: ipv4Text(u32(bytes, 26)), type: bytes[34]!, code: bytes[35]!, mtu: u16(bytes, 40) };
}

describe('a packet for another subnet of the router', () => {
  test('reaches its guest on this node, from the interface there, with one hop less', () => {
    const l = lab();
    l.send('a', toRouter(IP_D));
    const [got, ...more] = l.got('d');
    expect(more).toEqual([]);
    expect([macText(macAt(got!, 0)), macText(macAt(got!, 6))]).toEqual([MAC_D, MAC_INNER]);
    expect(got![14 + IPV4_TTL]).toBe(63);
    expect(checksum(got!, 14, 34)).toBe(0);
    expect(hasRightChecksum(frameOf(got!, 0)!)).toBe(true);
    expect(hex(got!.subarray(42))).toBe('5a'.repeat(10));
  });

  test('goes to the node of its guest, in the network of its guest', () => {
    const l = lab();
    l.send('a', toRouter(IP_E, 1000));
    expect(l.toVteps.map(({ vtep, vni }) => [vtep, vni])).toEqual([['127.0.0.4:4789', 6]]);
    expect(macText(macAt(l.toVteps[0]!.bytes, 0))).toBe(MAC_E);
    expect(hex(l.toVteps[0]!.bytes.subarray(42))).toBe('5a'.repeat(1000));
  });

  test('is taken from a node that has no port of this network, when a router joins them', () => {
    const l = lab([networkConfig(), second({ routingVteps: ['127.0.0.9:4789'] })]);
    const frame = udpFrame(MAC_INNER, IP_A, MAC_D, IP_D);
    const datagram = Uint8Array.from([8, 0, 0, 0, 0, 0, 6, 0, ...frame]);
    l.vswitch.fromTunnel('127.0.0.9', datagram);
    expect(l.got('d')).toHaveLength(1);
    l.vswitch.fromTunnel('127.0.0.8', datagram);
    expect(l.got('d')).toHaveLength(0);
    expect(l.drops()).toEqual({ 'unknown-vtep': 1 });
  });

  test('keeps its offload: a large send is cut where it leaves', () => {
    const l = lab();
    const payload = new Uint8Array(5000).fill(7);
    const head = fromHex(
      `${MAC_ROUTER} ${MAC_A} 0800 4500 0000 0000 4000 4006 0000 0a00000a 0a02000a 03e8 0050 00000001 00000000 5010 ffff 0000 0000`.replaceAll(
        ':',
        '',
      ),
    );
    const frame = Uint8Array.from([...head, ...payload]);
    setU16(frame, 16, frame.length - 14);
    writeIpv4Checksum(frame, 14, 20);
    l.send('a', frame, { gsoType: GSO_TCPV4, gsoSize: 1400, checksumStart: 34, checksumOffset: 16 });
    const got = l.got('d');
    expect(got.map((bytes) => bytes.length - 54)).toEqual([1400, 1400, 1400, 800]);
    for (const bytes of got) {
      expect(bytes[14 + IPV4_TTL]).toBe(63);
      expect(hasRightChecksum(frameOf(bytes, 0)!)).toBe(true);
    }
  });

  test('that is too large for the other network is cut in pieces, or its sender is told', () => {
    const l = lab([networkConfig(), second({ mtu: 576 })]);
    l.send('a', toRouter(IP_D, 1000));
    expect(told(l.got('a')[0])).toEqual({ from: '10.0.0.1', type: ICMP_UNREACHABLE, code: 4, mtu: 576 });
    l.send(
      'a',
      changed(toRouter(IP_D, 1000), (bytes) => setU16(bytes, 14 + IPV4_FRAGMENT, 0)),
    );
    const pieces = l.got('d');
    expect(pieces.map((bytes) => [u16(bytes, 16), u16(bytes, 20)])).toEqual([
      [572, 0x2000],
      [476, 69],
    ]);
    for (const bytes of pieces) expect(checksum(bytes, 14, 34)).toBe(0);
  });
});

describe('a router', () => {
  test('answers an echo to each of its addresses, from any of its networks', () => {
    const l = lab();
    const ends = {
      sourceMac: macOf(MAC_A),
      destinationMac: macOf(MAC_ROUTER),
      source: ipv4Of(IP_A),
      destination: ipv4Of('10.2.0.1'),
    };
    l.send('a', buildIcmp(ends, ICMP_ECHO, 0, fromHex('12340001 616263')));
    expect(told(l.got('a')[0])).toMatchObject({ from: '10.2.0.1', type: 0 });
  });

  test.each([
    ['the last hop', (): Uint8Array => changed(toRouter(IP_D), (b) => b.fill(1, 22, 23)), ICMP_TIME_EXCEEDED, 0, 'ttl'],
    ['no route', () => toRouter('192.0.2.1'), ICMP_UNREACHABLE, 0, 'no-route'],
    ['nobody there', () => toRouter('10.2.0.99'), ICMP_UNREACHABLE, 1, 'no-route'],
  ])('says so at once: %s', (_what, frame, type, code, reason) => {
    const l = lab();
    l.send('a', frame());
    expect(told(l.got('a')[0])).toMatchObject({ from: '10.0.0.1', type, code });
    expect(l.drops()).toEqual({ [reason]: 1 });
    expect(l.got('d')).toEqual([]);
  });

  test('takes the longest prefix, also to another router, and what goes in circles ends', () => {
    const r1: RouterConfig = {
      ...R1,
      routes: [
        { destination: '10.0.0.0/8', nexthop: '10.2.0.2' },
        { destination: '0.0.0.0/0', nexthop: '10.2.0.2' },
      ],
    };
    const r2: RouterConfig = {
      id: 'r2',
      interfaces: [
        { networkId: 'n2', mac: MAC_OTHER_1, address: '10.2.0.2/24' },
        { networkId: 'n3', mac: MAC_OTHER_2, address: '10.3.0.1/24' },
      ],
      routes: [{ destination: '0.0.0.0/0', nexthop: '10.2.0.1' }],
    };
    const both = second({
      gateways: [
        { mac: MAC_INNER, ip: '10.2.0.1' },
        { mac: MAC_OTHER_1, ip: '10.2.0.2' },
      ],
    });
    const third = networkConfig({
      id: 'n3',
      vni: 7,
      subnets: [],
      ports: [portConfig('f', MAC_E, '10.3.0.10')],
      remotes: [],
      vteps: [],
      gateways: [{ mac: MAC_OTHER_2, ip: '10.3.0.1' }],
    });
    const l = lab([networkConfig(), both, third], [r1, r2]);
    l.send('a', toRouter('10.3.0.10'));
    expect(l.got('f').map((bytes) => bytes[14 + IPV4_TTL])).toEqual([62]);
    l.send('a', toRouter(IP_D));
    expect(l.got('d')).toHaveLength(1);
    l.send('a', toRouter('192.0.2.1'));
    expect(told(l.got('a')[0])).toMatchObject({ type: ICMP_TIME_EXCEEDED });
    expect(l.drops()).toEqual({ ttl: 1 });
  });

  test('routes nothing to a group, and nothing that is cut short', () => {
    const l = lab();
    l.send('a', toRouter('224.0.0.5'));
    l.send('a', toRouter(IP_D).subarray(0, 38), NO_OFFLOAD);
    expect(l.got('a')).toEqual([]);
    expect(l.got('d')).toEqual([]);
    expect(l.drops()).toEqual({ 'no-route': 1, 'gateway-ignored': 1 });
  });
});
