import { describe, expect, test } from 'vitest';
import { fromHex, hex } from '../switch-lab.test-support.ts';
import { ARP_REPLY, buildArp } from './arp.ts';
import {
  inPrefix,
  ipv4Of,
  ipv4PrefixOf,
  ipv4Text,
  ipv6Of,
  isGroupMac,
  macAt,
  macOf,
  macText,
  setMac,
} from './bytes.ts';
import { checksum } from './checksum.ts';
import { DHCP, encodeClasslessRoutes, parseDhcp } from './dhcp.ts';
import { buildIcmp, ICMP_ECHO_REPLY } from './icmp.ts';
import { buildUdp } from './udp.ts';
import { readVnetHeader, writeVnetHeader } from './vnet-header.ts';
import { readVni, SOURCE_PORT_FIRST, sourcePortOf, writeVxlan } from './vxlan.ts';

describe('addresses', () => {
  test('go from text to number, to bytes and back', () => {
    const bytes = new Uint8Array(6);
    setMac(bytes, 0, macOf('fe:16:3e:a0:00:01'));
    expect(hex(bytes)).toBe('fe163ea00001');
    expect(macText(macAt(bytes, 0))).toBe('fe:16:3e:a0:00:01');
    expect(ipv4Text(ipv4Of('192.168.255.1'))).toBe('192.168.255.1');
    expect(hex(ipv6Of('fe80::f816:3eff:fe00:1'))).toBe('fe80000000000000f8163efffe000001');
    expect(hex(ipv6Of('::'))).toBe('0'.repeat(32));
  });

  test('a prefix of any length holds its own addresses alone', () => {
    expect(inPrefix(ipv4PrefixOf('10.0.0.64/26'), ipv4Of('10.0.0.127'))).toBe(true);
    expect(inPrefix(ipv4PrefixOf('10.0.0.64/26'), ipv4Of('10.0.0.128'))).toBe(false);
    expect(inPrefix(ipv4PrefixOf('0.0.0.0/0'), ipv4Of('255.1.2.3'))).toBe(true);
    expect(inPrefix(ipv4PrefixOf('10.0.0.7'), ipv4Of('10.0.0.6'))).toBe(false);
  });

  test('broadcast and multicast are groups', () => {
    expect(isGroupMac(macOf('ff:ff:ff:ff:ff:ff'))).toBe(true);
    expect(isGroupMac(macOf('01:00:5e:00:00:01'))).toBe(true);
    expect(isGroupMac(macOf('fa:16:3e:00:00:01'))).toBe(false);
  });
});

describe('checksum (RFC 1071)', () => {
  test('of the example in section 3', () => {
    expect(checksum(fromHex('0001 f203 f4f5 f6f7'), 0, 8)).toBe(~0xddf2 & 0xffff);
  });

  test('counts an odd last byte as the upper half of its word', () => {
    expect(checksum(fromHex('01'), 0, 1)).toBe(~0x0100 & 0xffff);
  });

  test('of the IPv4 header in RFC 1071 discussions: 45000073 ... 0a63', () => {
    expect(checksum(fromHex('4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7'), 0, 20)).toBe(0xb861);
  });
});

describe('frames, byte for byte', () => {
  test('an ARP reply', () => {
    const fields = {
      operation: ARP_REPLY,
      senderMac: macOf('fa:16:3e:00:00:01'),
      senderIp: ipv4Of('10.0.0.1'),
      targetMac: macOf('fa:16:3e:00:00:0a'),
      targetIp: ipv4Of('10.0.0.10'),
    };
    expect(hex(buildArp(fields.targetMac, fields.senderMac, fields))).toBe(
      'fa163e00000afa163e0000010806' + '0001080006040002' + 'fa163e0000010a000001' + 'fa163e00000a0a00000a',
    );
  });

  test('a UDP datagram with its checksum', () => {
    const frame = buildUdp(
      {
        sourceMac: 1,
        destinationMac: 2,
        source: ipv4Of('10.0.0.1'),
        destination: ipv4Of('10.0.0.2'),
        sourcePort: 67,
        destinationPort: 68,
      },
      fromHex('6869'),
    );
    expect(hex(frame)).toBe(
      '000000000002' +
        '000000000001' +
        '0800' +
        '4500001e0000400040' +
        '1126cd' +
        '0a0000010a000002' +
        '00430044000a82e7' +
        '6869',
    );
  });

  test('an echo reply whose checksum is right', () => {
    const ends = { sourceMac: 1, destinationMac: 2, source: ipv4Of('10.0.0.1'), destination: ipv4Of('10.0.0.2') };
    const frame = buildIcmp(ends, ICMP_ECHO_REPLY, 0, fromHex('0001000261'));
    expect(checksum(frame, 34, frame.length)).toBe(0);
    expect(checksum(frame, 14, 34)).toBe(0);
  });

  test('the VXLAN header of RFC 7348 section 5', () => {
    const bytes = new Uint8Array(8);
    writeVxlan(bytes, 0, 0xabcdef);
    expect(hex(bytes)).toBe('08000000abcdef00');
    expect(readVni(bytes)).toBe(0xabcdef);
    expect(readVni(fromHex('00000000abcdef00'))).toBeUndefined();
    expect(readVni(fromHex('08000000abcdef'))).toBeUndefined();
    // Reserved bits and the other flags are ignored.
    expect(readVni(fromHex('f8123456abcdefff'))).toBe(0xabcdef);
    expect(sourcePortOf(0xffffffff)).toBeLessThan(65536);
    expect(sourcePortOf(0)).toBe(SOURCE_PORT_FIRST);
  });

  test('a virtio-net header, both ways', () => {
    const bytes = fromHex('01 01 36 00 b4 05 22 00 10 00 01 00');
    const offload = readVnetHeader(bytes, 0);
    expect(offload).toEqual({ gsoType: 1, gsoSize: 1460, checksumStart: 34, checksumOffset: 16 });
    const out = new Uint8Array(12);
    writeVnetHeader(out, 0, offload);
    expect(readVnetHeader(out, 0)).toEqual(offload);
  });

  test('classless routes (the examples of RFC 3442)', () => {
    const route = (cidr: string, nexthop: string) => {
      const { network, length } = ipv4PrefixOf(cidr);
      return hex(encodeClasslessRoutes([{ network, length, nexthop: ipv4Of(nexthop) }]));
    };
    expect(route('0.0.0.0/0', '10.0.0.1')).toBe('000a000001');
    expect(route('10.0.0.0/8', '10.0.0.1')).toBe('080a0a000001');
    expect(route('10.17.0.0/16', '10.0.0.1')).toBe('100a110a000001');
    expect(route('10.27.129.0/24', '10.0.0.1')).toBe('180a1b810a000001');
    expect(route('10.229.0.128/25', '10.0.0.1')).toBe('190ae500800a000001');
    expect(route('10.198.122.47/32', '0.0.0.0')).toBe('200ac67a2f00000000');
  });
});

describe('DHCP messages of guests', () => {
  const message = (options: string, magic = '63825363'): Uint8Array => {
    const head = new Uint8Array(236);
    head.set([1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef]);
    head.set(fromHex('fa163e00000a'), 28);
    return Uint8Array.from([...head, ...fromHex(magic), ...fromHex(options)]);
  };

  test('are read with their options', () => {
    expect(parseDhcp(message('350103 3204 0a00000a 3604 0a000001 ff'))).toEqual({
      type: DHCP.REQUEST,
      xid: 0xdeadbeef,
      broadcast: false,
      ciaddr: 0,
      giaddr: 0,
      chaddr: macOf('fa:16:3e:00:00:0a'),
      requestedAddress: ipv4Of('10.0.0.10'),
      serverId: ipv4Of('10.0.0.1'),
    });
    expect(parseDhcp(message('00 00 350101'))?.type).toBe(DHCP.DISCOVER);
  });

  test('are refused when cut short, lying about a length, without a type or without the cookie', () => {
    expect(parseDhcp(message('3501'))).toBeUndefined();
    expect(parseDhcp(message('350101 3240 0a00'))).toBeUndefined();
    expect(parseDhcp(message('ff'))).toBeUndefined();
    expect(parseDhcp(message('350101', '00000000'))).toBeUndefined();
    expect(parseDhcp(message('350101').subarray(0, 200))).toBeUndefined();
  });
});
