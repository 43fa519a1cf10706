import { describe, expect, test } from 'vitest';
import {
  fromHex,
  hex,
  MAC_A,
  MAC_B,
  MAC_C,
  MAC_ROUTER,
  networkConfig,
  portConfig,
  SwitchLab,
  udpFrame,
} from './switch-lab.test-support.ts';
import { ARP_REPLY, ARP_REQUEST, buildArp } from './wire/arp.ts';
import { BROADCAST, ipv4Of, ipv4Text, macAt, macOf, macText, u16, u32 } from './wire/bytes.ts';
import { checksum } from './wire/checksum.ts';
import { DHCP, OPTION } from './wire/dhcp.ts';
import { buildIcmp, ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_UNREACHABLE } from './wire/icmp.ts';
import { buildUdp } from './wire/udp.ts';
import { writeVxlan } from './wire/vxlan.ts';

const arpRequest = (fromMac: string, fromIp: string, targetIp: string) =>
  buildArp(BROADCAST, macOf(fromMac), {
    operation: ARP_REQUEST,
    senderMac: macOf(fromMac),
    senderIp: ipv4Of(fromIp),
    targetMac: 0,
    targetIp: ipv4Of(targetIp),
  });

const echo = (fromMac: string, fromIp: string, toMac: string, toIp: string) =>
  buildIcmp(
    { sourceMac: macOf(fromMac), destinationMac: macOf(toMac), source: ipv4Of(fromIp), destination: ipv4Of(toIp) },
    ICMP_ECHO,
    0,
    fromHex('12340001 616263'),
  );

const encapsulated = (vni: number, frame: Uint8Array): Uint8Array => {
  const datagram = new Uint8Array(8 + frame.length);
  writeVxlan(datagram, 0, vni);
  datagram.set(frame, 8);
  return datagram;
};

describe('forwarding', () => {
  test('a frame to a port on this node reaches it unchanged, and nobody else', () => {
    const lab = new SwitchLab(networkConfig());
    const frame = udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11');
    lab.send('a', frame);
    expect(lab.got('b').map(hex)).toEqual([hex(frame)]);
    expect(lab.got('a')).toEqual([]);
    expect(lab.toVteps).toEqual([]);
  });

  test('a frame to a port on another node goes to its VTEP with the VNI of the network', () => {
    const lab = new SwitchLab(networkConfig());
    const frame = udpFrame(MAC_A, '10.0.0.10', MAC_C, '10.0.0.12');
    lab.send('a', frame);
    expect(lab.toVteps).toMatchObject([{ vtep: '127.0.0.3:4789', vni: 5 }]);
    expect(hex(lab.toVteps[0]!.bytes)).toBe(hex(frame));
  });

  test('flows differ in their hash, frames of one flow do not', () => {
    const lab = new SwitchLab(networkConfig());
    const frame = udpFrame(MAC_A, '10.0.0.10', MAC_C, '10.0.0.12');
    const other = frame.slice();
    other[35] = 7; // the inner source port
    for (const bytes of [frame, frame, other]) lab.send('a', bytes);
    const [first, second, third] = lab.toVteps.map((sent) => sent.hash);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test('a broadcast reaches the other ports and each VTEP of the network once', () => {
    const lab = new SwitchLab(networkConfig({ vteps: ['127.0.0.3:4789', '127.0.0.4:4789'] }));
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', 'ff:ff:ff:ff:ff:ff', '10.0.0.63'));
    expect(lab.got('b')).toHaveLength(1);
    expect(lab.got('a')).toHaveLength(0);
    expect(lab.toVteps.map((sent) => sent.vtep)).toEqual(['127.0.0.3:4789', '127.0.0.4:4789']);
  });

  test('a broadcast from a tunnel never goes into a tunnel again', () => {
    const lab = new SwitchLab(networkConfig({ vteps: ['127.0.0.3:4789', '127.0.0.4:4789'] }));
    lab.vswitch.fromTunnel(
      '127.0.0.3',
      encapsulated(5, udpFrame(MAC_C, '10.0.0.12', 'ff:ff:ff:ff:ff:ff', '10.0.0.63')),
    );
    expect(lab.got('a')).toHaveLength(1);
    expect(lab.got('b')).toHaveLength(1);
    expect(lab.toVteps).toEqual([]);
  });

  test('networks do not see each other, even with the same addresses', () => {
    const other = networkConfig({
      id: 'n2',
      vni: 6,
      ports: [portConfig('x', MAC_B, '10.0.0.11')],
      remotes: [],
      vteps: [],
    });
    const lab = new SwitchLab(networkConfig(), other);
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11'));
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', 'ff:ff:ff:ff:ff:ff', '10.0.0.63'));
    expect(lab.got('b')).toHaveLength(2);
    expect(lab.got('x')).toEqual([]);
  });

  test('datagrams with an unknown VNI, from a stranger, or that are no VXLAN are dropped and counted', () => {
    const lab = new SwitchLab(networkConfig());
    const frame = udpFrame(MAC_C, '10.0.0.12', MAC_A, '10.0.0.10');
    lab.vswitch.fromTunnel('127.0.0.3', encapsulated(77, frame));
    lab.vswitch.fromTunnel('127.0.0.9', encapsulated(5, frame));
    lab.vswitch.fromTunnel('127.0.0.3', new Uint8Array(60));
    lab.vswitch.fromTunnel('127.0.0.3', encapsulated(5, fromHex('0102')));
    expect(lab.got('a')).toEqual([]);
    expect(lab.drops()).toEqual({ 'unknown-vni': 1, 'unknown-vtep': 1, 'not-vxlan': 1, malformed: 1 });
  });

  test('a frame larger than the MTU is dropped and counted at its port', () => {
    const lab = new SwitchLab(networkConfig({ mtu: 1400 }));
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11', 1400 - 28));
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11', 1400 - 27));
    expect(lab.got('b')).toHaveLength(1);
    expect(lab.vswitch.tables.byPortId.get('a')?.counters).toMatchObject({ rxFrames: 2, drops: { 'too-big': 1 } });
  });

  test('a port that is down neither sends nor receives', () => {
    const down = portConfig('b', MAC_B, '10.0.0.11', { adminStateUp: false });
    const lab = new SwitchLab(networkConfig({ ports: [portConfig('a', MAC_A, '10.0.0.10'), down] }));
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11'));
    lab.send('b', udpFrame(MAC_B, '10.0.0.11', MAC_A, '10.0.0.10'));
    expect([...lab.got('a'), ...lab.got('b')]).toEqual([]);
    expect(lab.drops()).toEqual({ 'admin-down': 2 });
  });

  test('a MAC address that nobody announced is learned at a port without port security, and forgotten with age', () => {
    const open = portConfig('b', MAC_B, '10.0.0.11', { portSecurity: false });
    const lab = new SwitchLab(
      networkConfig({
        ports: [portConfig('a', MAC_A, '10.0.0.10'), open, portConfig('d', 'fa:16:3e:00:00:0d', '10.0.0.13')],
      }),
    );
    const inner = 'fa:16:3e:00:00:99';
    const toInner = udpFrame(MAC_A, '10.0.0.10', inner, '10.0.0.50');
    lab.send('b', udpFrame(inner, '10.0.0.50', MAC_A, '10.0.0.10'));
    lab.send('a', toInner);
    expect(lab.got('b').map(hex)).toEqual([hex(toInner)]);
    expect(lab.toVteps).toEqual([]);
    lab.now = 300_001;
    lab.send('a', toInner);
    expect(lab.toVteps).toHaveLength(1);
    expect(lab.got('d')).toEqual([]);
  });

  test('counters and what was learned outlive a new configuration', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11'));
    lab.apply(networkConfig({ mtu: 1450 }));
    expect(lab.vswitch.tables.byPortId.get('a')?.counters.rxFrames).toBe(1);
  });
});

describe('anti-spoofing', () => {
  const cases: [string, Uint8Array, string][] = [
    ['another MAC address', udpFrame(MAC_C, '10.0.0.10', MAC_B, '10.0.0.11'), 'source-mac'],
    ['another IP address', udpFrame(MAC_A, '10.0.0.99', MAC_B, '10.0.0.11'), 'source-ip'],
    ['no IP address', udpFrame(MAC_A, '0.0.0.0', MAC_B, '10.0.0.11'), 'source-ip'],
    ['the address of another in ARP', arpRequest(MAC_A, '10.0.0.11', '10.0.0.12'), 'arp-sender'],
    ['a VLAN tag', fromHex('fa163e00000b fa163e00000a 8100 0001 0800'), 'ethertype'],
    ['a cut IPv4 header', fromHex('fa163e00000b fa163e00000a 0800 4500'), 'malformed'],
    [
      'an IPv4 header that claims to be longer than it is',
      fromHex(`fa163e00000b fa163e00000a 0800 4f${'00'.repeat(20)}`),
      'malformed',
    ],
  ];
  test.each(cases)('%s is refused', (_name, frame, reason) => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', frame);
    expect(lab.drops()).toEqual({ [reason]: 1 });
    expect(lab.got('b')).toEqual([]);
  });

  test('a guest may not answer DHCP', () => {
    const lab = new SwitchLab(networkConfig());
    const ends = {
      sourceMac: macOf(MAC_A),
      destinationMac: macOf(MAC_B),
      source: ipv4Of('10.0.0.10'),
      destination: ipv4Of('10.0.0.11'),
      sourcePort: 67,
      destinationPort: 68,
    };
    lab.send('a', buildUdp(ends, new Uint8Array(300)));
    expect(lab.drops()).toEqual({ 'dhcp-server': 1 });
  });

  test('allowed address pairs may be sent from, with their own MAC address alone', () => {
    const a = portConfig('a', MAC_A, '10.0.0.10', { allowedAddressPairs: [{ mac: MAC_C, ip: '10.0.0.32/28' }] });
    const lab = new SwitchLab(networkConfig({ ports: [a, portConfig('b', MAC_B, '10.0.0.11')], remotes: [] }));
    lab.send('a', udpFrame(MAC_C, '10.0.0.40', MAC_B, '10.0.0.11'));
    expect(lab.got('b')).toHaveLength(1);
    lab.send('a', udpFrame(MAC_A, '10.0.0.40', MAC_B, '10.0.0.11'));
    expect(lab.drops()).toEqual({ 'source-ip': 1 });
  });

  test('IPv6 may come from the link-local address of the MAC address, and from none', () => {
    const lab = new SwitchLab(networkConfig());
    const packet = (source: string) =>
      fromHex(`fa163e00000b fa163e00000a 86dd 6000000000003aff ${source} ff020000000000000000000000000001`);
    lab.send('a', packet('fe80000000000000f8163efffe00000a'));
    lab.send('a', packet('0'.repeat(32)));
    expect(lab.got('b')).toHaveLength(2);
    lab.send('a', packet('fe80000000000000f8163efffe00000b'));
    expect(lab.drops()).toEqual({ 'source-ip': 1 });
  });

  test('a port without port security may send anything', () => {
    const a = portConfig('a', MAC_A, '10.0.0.10', { portSecurity: false });
    const lab = new SwitchLab(networkConfig({ ports: [a, portConfig('b', MAC_B, '10.0.0.11')] }));
    for (const [, frame] of cases.slice(0, 3)) lab.send('a', frame);
    expect(lab.got('b')).toHaveLength(3);
  });
});

describe('ARP', () => {
  test.each([
    ['on this node', '10.0.0.11', MAC_B],
    ['on another node', '10.0.0.12', MAC_C],
    ['the router', '10.0.0.1', MAC_ROUTER],
  ])('a request for a port %s is answered by the switch', (_where, ip, mac) => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', arpRequest(MAC_A, '10.0.0.10', ip));
    const fields = {
      operation: ARP_REPLY,
      senderMac: macOf(mac),
      senderIp: ipv4Of(ip),
      targetMac: macOf(MAC_A),
      targetIp: ipv4Of('10.0.0.10'),
    };
    expect(lab.got('a').map(hex)).toEqual([hex(buildArp(macOf(MAC_A), macOf(mac), fields))]);
    expect(lab.got('b')).toEqual([]);
    expect(lab.toVteps).toEqual([]);
  });

  test('a request for an address that nobody announced is broadcast', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', arpRequest(MAC_A, '10.0.0.10', '10.0.0.50'));
    expect(lab.got('b')).toHaveLength(1);
    expect(lab.toVteps).toHaveLength(1);
  });

  test('a probe for its own address is not answered: a guest would take it for a conflict', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', arpRequest(MAC_A, '0.0.0.0', '10.0.0.10'));
    expect(lab.got('a')).toEqual([]);
    expect(lab.got('b')).toEqual([]);
  });

  test('a probe for the address of another is answered with that', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', arpRequest(MAC_A, '0.0.0.0', '10.0.0.11'));
    expect(lab.got('a')).toHaveLength(1);
  });
});

describe('a router', () => {
  test('replies to an echo to its own address, with the data that came', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', echo(MAC_A, '10.0.0.10', MAC_ROUTER, '10.0.0.1'));
    const ends = {
      sourceMac: macOf(MAC_ROUTER),
      destinationMac: macOf(MAC_A),
      source: ipv4Of('10.0.0.1'),
      destination: ipv4Of('10.0.0.10'),
    };
    expect(lab.got('a').map(hex)).toEqual([hex(buildIcmp(ends, ICMP_ECHO_REPLY, 0, fromHex('12340001 616263')))]);
  });

  test('does not reply to an echo with a wrong checksum', () => {
    const lab = new SwitchLab(networkConfig());
    const frame = echo(MAC_A, '10.0.0.10', MAC_ROUTER, '10.0.0.1');
    frame[frame.length - 1]! ^= 1;
    lab.send('a', frame);
    expect(lab.got('a')).toEqual([]);
    expect(lab.drops()).toEqual({ 'gateway-ignored': 1 });
  });

  test('says at once that a network is unreachable, quoting the packet', () => {
    const lab = new SwitchLab(networkConfig());
    const frame = udpFrame(MAC_A, '10.0.0.10', MAC_ROUTER, '192.0.2.1');
    lab.send('a', frame);
    const [answer] = lab.got('a');
    expect(answer?.[34]).toBe(ICMP_UNREACHABLE);
    expect(answer && ipv4Text(u32(answer, 26))).toBe('10.0.0.1');
    expect(answer && hex(answer.subarray(42))).toBe(hex(frame.subarray(14, 14 + 28)));
    expect(answer && checksum(answer, 34, answer.length)).toBe(0);
  });
});

describe('DHCP', () => {
  interface Message {
    type: number;
    options?: string;
    ciaddr?: string;
    flags?: number;
    fromIp?: string;
  }

  function message({ type, options = '', ciaddr = '0.0.0.0', flags = 0, fromIp = '0.0.0.0' }: Message): Uint8Array {
    const payload = new Uint8Array(300);
    payload.set([1, 1, 6, 0, 1, 2, 3, 4, 0, 0, flags >>> 8, flags & 0xff]);
    payload.set(fromHex(ipv4Of(ciaddr).toString(16).padStart(8, '0')), 12);
    payload.set(fromHex(MAC_A.replaceAll(':', '')), 28);
    payload.set(fromHex(`63825363 3501${type.toString(16).padStart(2, '0')} ${options} ff`), 236);
    const ends = {
      sourceMac: macOf(MAC_A),
      destinationMac: BROADCAST,
      source: ipv4Of(fromIp),
      destination: 0xffffffff,
      sourcePort: 68,
      destinationPort: 67,
    };
    return buildUdp(ends, payload);
  }

  /** Options by code, as hex. */
  function optionsOf(frame: Uint8Array): Record<number, string> {
    const options: Record<number, string> = {};
    for (let at = 42 + 240; frame[at] !== OPTION.END; at += 2 + frame[at + 1]!) {
      options[frame[at]!] = hex(frame.subarray(at + 2, at + 2 + frame[at + 1]!));
    }
    return options;
  }

  function exchange(request: Message, config = networkConfig()) {
    const lab = new SwitchLab(config);
    lab.send('a', message(request));
    const [frame] = lab.got('a');
    expect(lab.got('b'), 'a request stays at its port').toEqual([]);
    if (frame === undefined) return { lab };
    expect(checksum(frame, 14, 34)).toBe(0);
    return { lab, frame, options: optionsOf(frame), yiaddr: ipv4Text(u32(frame, 42 + 16)) };
  }

  test('DISCOVER is answered by an OFFER with everything that a guest needs', () => {
    const { frame, options, yiaddr } = exchange({ type: DHCP.DISCOVER });
    expect(yiaddr).toBe('10.0.0.10');
    expect(options).toEqual({
      [OPTION.MESSAGE_TYPE]: '02',
      [OPTION.SERVER_ID]: '0a000001',
      [OPTION.LEASE_TIME]: '00015180',
      [OPTION.RENEWAL_TIME]: '0000a8c0',
      [OPTION.REBINDING_TIME]: '00012750',
      [OPTION.SUBNET_MASK]: 'ffffffc0',
      [OPTION.BROADCAST]: '0a00003f',
      [OPTION.MTU]: '05dc',
      [OPTION.ROUTER]: '0a000001',
      [OPTION.DNS]: '09090909',
      [OPTION.HOST_NAME]: hex(Buffer.from('a')),
      [OPTION.DOMAIN_NAME]: hex(Buffer.from('cloud.example')),
      [OPTION.CLASSLESS_ROUTES]: `20a9fea9fe00000000${'00'}0a000001`,
    });
    expect(macText(macAt(frame!, 0))).toBe(MAC_A);
    expect(ipv4Text(u32(frame!, 30))).toBe('10.0.0.10');
    expect([u16(frame!, 34), u16(frame!, 36)]).toEqual([67, 68]);
    expect(hex(frame!.subarray(42 + 4, 42 + 8))).toBe('01020304');
  });

  test('the broadcast flag makes the answer a broadcast', () => {
    const { frame } = exchange({ type: DHCP.DISCOVER, flags: 0x8000 });
    expect(macAt(frame!, 0)).toBe(BROADCAST);
    expect(u32(frame!, 30)).toBe(0xffffffff);
  });

  test('REQUEST for its own address is acknowledged, for another refused', () => {
    expect(exchange({ type: DHCP.REQUEST, options: '3204 0a00000a 3604 0a000001' }).options?.[53]).toBe('05');
    const { options, yiaddr, frame } = exchange({ type: DHCP.REQUEST, options: '3204 0a00000b' });
    expect(options?.[53]).toBe('06');
    expect(yiaddr).toBe('0.0.0.0');
    expect(macAt(frame!, 0)).toBe(BROADCAST);
  });

  test('a renewal is acknowledged to the address that the guest has', () => {
    const { options, frame } = exchange({ type: DHCP.REQUEST, ciaddr: '10.0.0.10', fromIp: '10.0.0.10' });
    expect(options?.[53]).toBe('05');
    expect(ipv4Text(u32(frame!, 30))).toBe('10.0.0.10');
  });

  test("a REQUEST that takes another server's offer is not answered", () => {
    expect(exchange({ type: DHCP.REQUEST, options: '3204 0a00000a 3604 0a000002' }).frame).toBeUndefined();
  });

  test('INFORM is answered without an address and without a lease', () => {
    const { options, yiaddr } = exchange({ type: DHCP.INFORM, ciaddr: '10.0.0.10', fromIp: '10.0.0.10' });
    expect(yiaddr).toBe('0.0.0.0');
    expect(options?.[OPTION.LEASE_TIME]).toBeUndefined();
    expect(options?.[OPTION.SUBNET_MASK]).toBe('ffffffc0');
  });

  test('RELEASE and DECLINE need no answer', () => {
    expect(exchange({ type: DHCP.RELEASE, ciaddr: '10.0.0.10', fromIp: '10.0.0.10' }).frame).toBeUndefined();
    expect(exchange({ type: DHCP.DECLINE }).frame).toBeUndefined();
  });

  test('an isolated network is served too: no router, and a server id on the link', () => {
    const subnet = { ...networkConfig().subnets[0]!, gatewayIp: null, dnsServers: [] };
    const { options } = exchange({ type: DHCP.DISCOVER }, networkConfig({ subnets: [subnet], gateways: [] }));
    expect(options?.[OPTION.ROUTER]).toBeUndefined();
    expect(options?.[OPTION.DNS]).toBeUndefined();
    expect(options?.[OPTION.SERVER_ID]).toBe('a9fea9fe');
    expect(options?.[OPTION.CLASSLESS_ROUTES]).toBe('20a9fea9fe00000000');
  });

  test('a subnet without DHCP is not served', () => {
    const subnet = { ...networkConfig().subnets[0]!, dhcp: false };
    const { frame, lab } = exchange({ type: DHCP.DISCOVER }, networkConfig({ subnets: [subnet] }));
    expect(frame).toBeUndefined();
    expect(lab.drops()).toEqual({ 'dhcp-ignored': 1 });
  });
});
