// Security groups at a port: what passes, what is dropped and counted, and what is remembered.
import { describe, expect, test } from 'vitest';
import type { SecurityGroupConfig, SecurityRuleConfig } from '../config.ts';
import { MAC_A, MAC_B, MAC_C, networkConfig, portConfig, SwitchLab } from '../switch-lab.test-support.ts';
import { ipv4Of, ipv6Of, macOf, setU16 } from '../wire/bytes.ts';
import { checksum } from '../wire/checksum.ts';
import { ETH_HEADER, ETHERTYPE_IPV4, ETHERTYPE_IPV6, writeEthernet } from '../wire/ethernet.ts';
import { buildIcmp, ICMP_ECHO, ICMP_ECHO_REPLY, ICMP_UNREACHABLE, unreachableBody } from '../wire/icmp.ts';
import { IPV4_CHECKSUM, IPV4_FRAGMENT, IPV4_IDENTIFICATION, writeIpv4 } from '../wire/ipv4.ts';
import { TCP_ACK, TCP_FIN, TCP_FLAGS, TCP_RST, TCP_SYN } from '../wire/tcp.ts';
import { MAX_CONNECTIONS } from './conntrack.ts';

const IP_A = '10.0.0.10';
const IP_B = '10.0.0.11';
const IP_C = '10.0.0.12';

const rule = (direction: 'ingress' | 'egress', more: Partial<SecurityRuleConfig> = {}): SecurityRuleConfig => ({
  id: `${direction}-${JSON.stringify(more)}`,
  direction,
  ipVersion: 4,
  protocol: null,
  min: null,
  max: null,
  remoteCidr: null,
  remoteGroupId: null,
  ...more,
});

const group = (id: string, rules: SecurityRuleConfig[], more: Partial<SecurityGroupConfig> = {}) => ({
  id,
  stateful: true,
  rules,
  members: [],
  ...more,
});

const OUT = [rule('egress'), rule('egress', { ipVersion: 6 })];

/** A is guarded by the rules; B lets everything pass. Frames of C come from another node. */
function guarded(rules: SecurityRuleConfig[], more: Partial<SecurityGroupConfig> = {}): SwitchLab {
  const lab = new SwitchLab(networkConfig());
  regroup(lab, [group('g', rules, more)]);
  return lab;
}

function regroup(lab: SwitchLab, groups: SecurityGroupConfig[], ids = groups.map((each) => each.id)): void {
  const open = lab.groups.filter((each) => each.id === 'open');
  lab.groups = [...open, ...groups];
  lab.apply(
    networkConfig({
      ports: [portConfig('a', MAC_A, IP_A, { securityGroupIds: ids }), portConfig('b', MAC_B, IP_B)],
    }),
  );
}

interface Packet {
  readonly protocol?: number;
  readonly ports?: readonly [number, number];
  readonly flags?: number;
  /** Offset in units of 8 bytes, and whether more pieces follow. */
  readonly fragment?: { readonly id: number; readonly offset: number; readonly more: boolean };
}

const MACS: Record<string, string> = { [IP_A]: MAC_A, [IP_B]: MAC_B, [IP_C]: MAC_C };

function packet(
  from: string,
  to: string,
  { protocol = 6, ports = [1000, 80], flags = TCP_SYN, fragment }: Packet = {},
) {
  const bytes = new Uint8Array(ETH_HEADER + 20 + 24);
  writeEthernet(bytes, macOf(MACS[to]!), macOf(MACS[from]!), ETHERTYPE_IPV4);
  writeIpv4(bytes, ETH_HEADER, { source: ipv4Of(from), destination: ipv4Of(to), protocol, totalLength: 44 });
  if (fragment !== undefined) {
    setU16(bytes, ETH_HEADER + IPV4_IDENTIFICATION, fragment.id);
    setU16(bytes, ETH_HEADER + IPV4_FRAGMENT, (fragment.more ? 0x2000 : 0) | fragment.offset);
    setU16(bytes, ETH_HEADER + IPV4_CHECKSUM, 0);
    setU16(bytes, ETH_HEADER + IPV4_CHECKSUM, checksum(bytes, ETH_HEADER, ETH_HEADER + 20));
  }
  const l4 = ETH_HEADER + 20;
  setU16(bytes, l4, ports[0]);
  setU16(bytes, l4 + 2, ports[1]);
  if (protocol === 6) {
    bytes[l4 + 12] = 0x50;
    bytes[l4 + TCP_FLAGS] = flags;
  }
  return bytes;
}

/** Whether a frame arrives where it is sent. */
function passes(lab: SwitchLab, from: 'a' | 'b', bytes: Uint8Array): boolean {
  const to = from === 'a' ? 'b' : 'a';
  lab.got(to);
  lab.send(from, bytes);
  return lab.got(to).length === 1;
}

const reversed = ([from, to]: readonly [number, number]): [number, number] => [to, from];

describe('a port without a rule', () => {
  test('gets nothing and sends nothing, and each drop is counted under its reason', () => {
    const lab = guarded([]);
    expect(passes(lab, 'a', packet(IP_A, IP_B))).toBe(false);
    expect(passes(lab, 'b', packet(IP_B, IP_A))).toBe(false);
    expect(lab.drops()).toEqual({ 'egress-rules': 1, 'ingress-rules': 1 });
    expect(lab.vswitch.tables.byPortId.get('a')?.counters.drops).toEqual({ 'egress-rules': 1, 'ingress-rules': 1 });
  });

  test('gets nothing from other nodes either', () => {
    const lab = guarded([]);
    const frame = packet(IP_C, IP_A);
    lab.vswitch.fromTunnel('127.0.0.3', Uint8Array.from([8, 0, 0, 0, 0, 0, 5, 0, ...frame]));
    expect(lab.got('a')).toEqual([]);
    expect(lab.drops()).toEqual({ 'ingress-rules': 1 });
  });

  test('without port security has no firewall', () => {
    const lab = guarded([]);
    lab.apply(networkConfig({ ports: [portConfig('a', MAC_A, IP_A, { portSecurity: false, securityGroupIds: [] })] }));
    lab.vswitch.fromTunnel('127.0.0.3', Uint8Array.from([8, 0, 0, 0, 0, 0, 5, 0, ...packet(IP_C, IP_A)]));
    expect(lab.got('a')).toHaveLength(1);
  });
});

describe('rules allow', () => {
  test.each([
    ['a port in its range', rule('ingress', { protocol: 6, min: 80, max: 90 }), { ports: [5, 85] }, true],
    ['no port beside it', rule('ingress', { protocol: 6, min: 80, max: 90 }), { ports: [5, 91] }, false],
    ['not by the source port', rule('ingress', { protocol: 6, min: 80, max: 90 }), { ports: [85, 5] }, false],
    ['one port', rule('ingress', { protocol: 6, min: 22, max: 22 }), { ports: [5, 22] }, true],
    ['the protocol alone', rule('ingress', { protocol: 17 }), { protocol: 17 }, true],
    ['no other protocol', rule('ingress', { protocol: 17 }), { protocol: 6 }, false],
    ['a protocol without ports', rule('ingress', { protocol: 47 }), { protocol: 47 }, true],
    ['a sender under the prefix', rule('ingress', { remoteCidr: '10.0.0.8/29' }), {}, true],
    ['no sender beside it', rule('ingress', { remoteCidr: '10.0.0.12/30' }), {}, false],
    ['IPv6 not by a rule for IPv4', rule('ingress', { ipVersion: 6 }), {}, false],
  ] as const)('%s', (_what, allowed, sent, expected) => {
    expect(passes(guarded([allowed]), 'b', packet(IP_B, IP_A, sent as Packet))).toBe(expected);
  });

  test.each([
    [{ min: 8, max: 0 }, 8, true],
    [{ min: 8, max: null }, 8, true],
    [{ min: 8, max: 1 }, 8, false],
    [{ min: 13, max: null }, 8, false],
  ])('ICMP by type and code: %o, type %i', (range, type, expected) => {
    const ends = {
      sourceMac: macOf(MAC_B),
      destinationMac: macOf(MAC_A),
      source: ipv4Of(IP_B),
      destination: ipv4Of(IP_A),
    };
    const lab = guarded([rule('ingress', { protocol: 1, ...range })]);
    expect(passes(lab, 'b', buildIcmp(ends, type, 0, Uint8Array.of(0, 1, 0, 1)))).toBe(expected);
  });

  test('members of a group that they name, as the members come and go', () => {
    const lab = guarded([rule('ingress', { remoteGroupId: 'web' })]);
    const rules = [rule('ingress', { remoteGroupId: 'web' })];
    expect(passes(lab, 'b', packet(IP_B, IP_A))).toBe(false);
    regroup(lab, [group('g', rules), group('web', [], { members: [IP_B] })], ['g']);
    expect(passes(lab, 'b', packet(IP_B, IP_A))).toBe(true);
    regroup(lab, [group('g', rules), group('web', [], { members: ['10.0.0.0/27', 'fd00::/64'] })], ['g']);
    expect(passes(lab, 'b', packet(IP_B, IP_A))).toBe(true);
    regroup(lab, [group('g', rules), group('web', [], { members: [IP_C] })], ['g']);
    expect(passes(lab, 'b', packet(IP_B, IP_A))).toBe(false);
  });

  test('together, when a port has several groups', () => {
    const lab = guarded([]);
    const web = group('web', [rule('ingress', { protocol: 6, min: 80, max: 80 })]);
    const ssh = group('ssh', [rule('ingress', { protocol: 6, min: 22, max: 22 })]);
    regroup(lab, [web, ssh]);
    const answers = [80, 22, 25].map((port) => passes(lab, 'b', packet(IP_B, IP_A, { ports: [7, port] })));
    expect(answers).toEqual([true, true, false]);
  });
});

describe('a connection', () => {
  const PORTS = [1000, 80] as const;
  const there = (flags: number) => packet(IP_A, IP_B, { ports: PORTS, flags });
  const back = (flags: number) => packet(IP_B, IP_A, { ports: reversed(PORTS), flags });

  test('that was let out gets its answers, and nobody else does', () => {
    const lab = guarded(OUT);
    expect(passes(lab, 'b', back(TCP_SYN | TCP_ACK))).toBe(false);
    expect(passes(lab, 'a', there(TCP_SYN))).toBe(true);
    expect(passes(lab, 'b', back(TCP_SYN | TCP_ACK))).toBe(true);
    expect(passes(lab, 'b', packet(IP_B, IP_A, { ports: [80, 1001] }))).toBe(false);
    expect(passes(lab, 'b', packet(IP_B, IP_A, { ports: [80, 1000], protocol: 17 }))).toBe(false);
  });

  test('is forgotten after it has been closed or reset, and late packets do not keep it', () => {
    for (const flag of [TCP_FIN, TCP_RST]) {
      const lab = guarded(OUT);
      passes(lab, 'a', there(TCP_SYN));
      passes(lab, 'b', back(TCP_SYN | TCP_ACK));
      passes(lab, 'a', there(flag | TCP_ACK));
      lab.now = 29_000;
      expect(passes(lab, 'b', back(TCP_ACK))).toBe(true);
      lab.now = 31_000;
      expect(passes(lab, 'b', back(TCP_ACK))).toBe(false);
    }
  });

  test('that is open outlasts an hour of silence; an answered datagram three minutes, an unanswered one half a minute', () => {
    const lab = guarded(OUT);
    passes(lab, 'a', there(TCP_SYN));
    passes(lab, 'b', back(TCP_SYN | TCP_ACK));
    lab.now = 3_600_000;
    expect(passes(lab, 'b', back(TCP_ACK))).toBe(true);
    const udp = { protocol: 17, ports: PORTS };
    const answer = { protocol: 17, ports: reversed(PORTS) };
    passes(lab, 'a', packet(IP_A, IP_B, udp));
    lab.now += 31_000;
    expect(passes(lab, 'b', packet(IP_B, IP_A, answer))).toBe(false);
    passes(lab, 'a', packet(IP_A, IP_B, udp));
    expect(passes(lab, 'b', packet(IP_B, IP_A, answer))).toBe(true);
    lab.now += 179_000;
    expect(passes(lab, 'b', packet(IP_B, IP_A, answer))).toBe(true);
  });

  test('ends at once when its rule goes, and lives on when another rule is added', () => {
    const lab = guarded([...OUT, rule('ingress', { protocol: 6, min: 80, max: 80 })]);
    const from = packet(IP_B, IP_A, { ports: PORTS });
    const answer = packet(IP_A, IP_B, { ports: reversed(PORTS), flags: TCP_ACK });
    expect(passes(lab, 'b', from)).toBe(true);
    regroup(lab, [group('g', [...OUT, rule('ingress', { protocol: 6, min: 1, max: 99 })])]);
    expect(passes(lab, 'a', answer)).toBe(true);
    expect(passes(lab, 'b', from)).toBe(true);
    regroup(lab, [group('g', [rule('egress', { protocol: 17 })])]);
    expect(passes(lab, 'a', answer)).toBe(false);
    expect(passes(lab, 'b', from)).toBe(false);
  });

  test('is not remembered by a stateless group: each direction needs a rule', () => {
    const lab = guarded([rule('egress')], { stateful: false });
    expect(passes(lab, 'a', there(TCP_SYN))).toBe(true);
    expect(passes(lab, 'b', back(TCP_SYN | TCP_ACK))).toBe(false);
  });

  test('of a scanner does not push out those that are in use', () => {
    const lab = guarded([...OUT, rule('ingress', { protocol: 17 })]);
    passes(lab, 'a', there(TCP_SYN));
    passes(lab, 'b', back(TCP_SYN | TCP_ACK));
    for (let i = 0; i < MAX_CONNECTIONS + 100; i++) {
      lab.send('b', packet(IP_B, IP_A, { protocol: 17, ports: [i % 65536, i < 65536 ? 7 : 8] }));
    }
    lab.got('a');
    expect(lab.vswitch.tables.byPortId.get('a')?.firewall?.connections).toBe(MAX_CONNECTIONS);
    expect(passes(lab, 'b', back(TCP_ACK))).toBe(true);
  });
});

describe('ICMP', () => {
  const ends = (from: string, to: string) => ({
    sourceMac: macOf(MACS[from]!),
    destinationMac: macOf(MACS[to]!),
    source: ipv4Of(from),
    destination: ipv4Of(to),
  });
  const echo = (from: string, to: string, type: number, id: number) =>
    buildIcmp(ends(from, to), type, 0, Uint8Array.of(id >>> 8, id, 0, 1));

  test('an echo that was let out gets its reply, by its identifier', () => {
    const lab = guarded(OUT);
    expect(passes(lab, 'a', echo(IP_A, IP_B, ICMP_ECHO, 7))).toBe(true);
    expect(passes(lab, 'b', echo(IP_B, IP_A, ICMP_ECHO_REPLY, 8))).toBe(false);
    expect(passes(lab, 'b', echo(IP_B, IP_A, ICMP_ECHO_REPLY, 7))).toBe(true);
  });

  test('an error passes when it is about a connection that is known, and only then', () => {
    const lab = guarded(OUT);
    const sent = packet(IP_A, IP_B, { protocol: 17 });
    const about = (bytes: Uint8Array) =>
      buildIcmp(ends(IP_B, IP_A), ICMP_UNREACHABLE, 3, unreachableBody(bytes.subarray(ETH_HEADER), 20));
    expect(passes(lab, 'b', about(sent))).toBe(false);
    passes(lab, 'a', sent);
    expect(passes(lab, 'b', about(sent))).toBe(true);
    expect(passes(lab, 'b', about(packet(IP_A, IP_B, { protocol: 17, ports: [1, 2] })))).toBe(false);
  });

  test('over IPv6, neighbours find each other without a rule', () => {
    const lab = guarded([]);
    const frame = (type: number) => {
      const bytes = new Uint8Array(ETH_HEADER + 40 + 24);
      writeEthernet(bytes, macOf(MAC_A), macOf(MAC_B), ETHERTYPE_IPV6);
      bytes.set([0x60, 0, 0, 0, 0, 24, 58, 255], ETH_HEADER);
      bytes.set(ipv6Of('fe80::f816:3eff:fe00:b'), ETH_HEADER + 8);
      bytes.set(ipv6Of('fe80::f816:3eff:fe00:a'), ETH_HEADER + 24);
      bytes[ETH_HEADER + 40] = type;
      return bytes;
    };
    expect(passes(lab, 'b', frame(135))).toBe(true);
    expect(passes(lab, 'b', frame(128))).toBe(false);
  });
});

describe('a packet in pieces', () => {
  const piece = (id: number, offset: number, port = 80) =>
    packet(IP_B, IP_A, { ports: [1000, port], fragment: { id, offset, more: offset === 0 } });

  test('goes as its first piece went', () => {
    const lab = guarded([rule('ingress', { protocol: 6, min: 80, max: 80 })]);
    expect(passes(lab, 'b', piece(1, 3))).toBe(false);
    expect(passes(lab, 'b', piece(1, 0))).toBe(true);
    expect(passes(lab, 'b', piece(1, 3))).toBe(true);
    expect(passes(lab, 'b', piece(2, 0, 81))).toBe(false);
    expect(passes(lab, 'b', piece(2, 3))).toBe(false);
    expect(lab.drops()).toEqual({ fragment: 2, 'ingress-rules': 1 });
  });
});
