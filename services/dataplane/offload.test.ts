import { describe, expect, test } from 'vitest';
import { frameOf } from './frame.ts';
import { hasRightChecksum } from './offload.ts';
import { MAC_A, MAC_B, MAC_C, networkConfig, SwitchLab, udpFrame } from './switch-lab.test-support.ts';
import { ipv4Of, macOf, setU16, setU32, u16, u32 } from './wire/bytes.ts';
import { checksum, fold } from './wire/checksum.ts';
import { ETHERTYPE_IPV4, writeEthernet } from './wire/ethernet.ts';
import { ipv4PseudoSum, PROTOCOL_TCP, PROTOCOL_UDP, writeIpv4 } from './wire/ipv4.ts';
import { GSO_NONE, GSO_TCPV4, GSO_UDP_L4 } from './wire/vnet-header.ts';

/** A TCP frame as a guest hands it to its card: the checksum holds the pseudo header's sum alone. */
function partialTcp(to: string, size: number): Uint8Array {
  const bytes = new Uint8Array(54 + size);
  writeEthernet(bytes, macOf(to), macOf(MAC_A), ETHERTYPE_IPV4);
  const totalLength = bytes.length - 14;
  writeIpv4(bytes, 14, {
    source: ipv4Of('10.0.0.10'),
    destination: ipv4Of('10.0.0.11'),
    protocol: PROTOCOL_TCP,
    totalLength,
  });
  setU32(bytes, 38, 0xfffffff0);
  bytes[46] = 0x50;
  bytes[47] = 0x19; // FIN, PSH, ACK
  for (let at = 54; at < bytes.length; at++) bytes[at] = at * 7;
  setU16(bytes, 50, fold(ipv4PseudoSum(bytes, 14, PROTOCOL_TCP, bytes.length - 34)));
  return bytes;
}

const PARTIAL = { gsoType: GSO_NONE, gsoSize: 0, checksumStart: 34, checksumOffset: 16 };

const right = (bytes: Uint8Array): boolean => {
  const frame = frameOf(bytes, 0);
  return frame !== undefined && hasRightChecksum(frame) && checksum(bytes, 14, 34) === 0;
};

describe('a frame that left its checksum to the card', () => {
  test.each([20, 21, 1400])('of %i bytes leaves the switch with the right one, to a port and to a tunnel', (size) => {
    const lab = new SwitchLab(networkConfig());
    expect(right(partialTcp(MAC_B, size))).toBe(false);
    lab.send('a', partialTcp(MAC_B, size), PARTIAL);
    lab.send('a', partialTcp(MAC_C, size), PARTIAL);
    expect(lab.got('b').map(right)).toEqual([true]);
    expect(lab.toVteps.map((sent) => right(sent.bytes))).toEqual([true]);
  });

  test('is not changed where it lies: a broadcast goes to many', () => {
    const lab = new SwitchLab(networkConfig());
    const bytes = partialTcp(MAC_B, 20);
    const before = bytes.slice();
    lab.send('a', bytes, PARTIAL);
    expect(bytes).toEqual(before);
  });

  test('is refused when its offsets lie outside of it', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', partialTcp(MAC_B, 20), { ...PARTIAL, checksumStart: 60_000 });
    expect(lab.got('b')).toEqual([]);
    expect(lab.drops()).toEqual({ malformed: 1 });
  });
});

describe('a large send', () => {
  test('of TCP is cut into segments whose sequence, flags and checksums are right', () => {
    const lab = new SwitchLab(networkConfig());
    const bytes = partialTcp(MAC_B, 4000);
    lab.send('a', bytes, { ...PARTIAL, gsoType: GSO_TCPV4, gsoSize: 1460 });
    const segments = lab.got('b');
    expect(segments.map((segment) => segment.length - 54)).toEqual([1460, 1460, 1080]);
    expect(segments.every(right)).toBe(true);
    expect(segments.map((segment) => u32(segment, 38))).toEqual([0xfffffff0, 1444, 2904]);
    expect(segments.map((segment) => segment[47])).toEqual([0x10, 0x10, 0x19]);
    expect(segments.map((segment) => u16(segment, 16))).toEqual([1500, 1500, 1120]);
    expect(Buffer.concat(segments.map((segment) => segment.subarray(54)))).toEqual(Buffer.from(bytes.subarray(54)));
  });

  test('of UDP is cut into datagrams', () => {
    const lab = new SwitchLab(networkConfig());
    const offload = { gsoType: GSO_UDP_L4, gsoSize: 1000, checksumStart: 34, checksumOffset: 6 };
    lab.send('a', udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11', 2500), offload);
    const datagrams = lab.got('b');
    expect(datagrams.map((datagram) => u16(datagram, 38))).toEqual([1008, 1008, 508]);
    expect(datagrams.every(right)).toBe(true);
    expect(datagrams.every((datagram) => datagram[23] === PROTOCOL_UDP)).toBe(true);
  });

  test('in segments larger than the MTU is refused', () => {
    const lab = new SwitchLab(networkConfig());
    lab.send('a', partialTcp(MAC_B, 4000), { ...PARTIAL, gsoType: GSO_TCPV4, gsoSize: 1461 });
    expect(lab.drops()).toEqual({ 'too-big': 1 });
  });

  test('that is no TCP, or has no segment size, is refused', () => {
    const lab = new SwitchLab(networkConfig());
    const udp = udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11', 100);
    lab.send('a', udp, { ...PARTIAL, gsoType: GSO_TCPV4, gsoSize: 50 });
    lab.send('a', udp, { ...PARTIAL, gsoType: GSO_UDP_L4, gsoSize: 0 });
    lab.send('a', udp, { ...PARTIAL, gsoType: 99, gsoSize: 50 });
    expect(lab.drops()).toEqual({ malformed: 3 });
  });
});

describe('a port whose card takes offloads', () => {
  const lab = (): SwitchLab => {
    const made = new SwitchLab(networkConfig());
    made.vswitch.tables.byPortId.get('b')!.offloads = true;
    return made;
  };
  const LARGE = { ...PARTIAL, gsoType: GSO_TCPV4, gsoSize: 1460 };

  test('gets a large send in one piece, with what is left to be done; a tunnel does not', () => {
    const made = lab();
    const bytes = partialTcp(MAC_B, 4000);
    made.send('a', bytes, LARGE);
    expect(made.got('b')).toEqual([bytes]);
    expect(made.offloads).toEqual([LARGE]);
    made.send('a', partialTcp(MAC_C, 4000), LARGE);
    expect(made.toVteps.map((sent) => sent.bytes.length - 54)).toEqual([1460, 1460, 1080]);
    expect(made.toVteps.every((sent) => right(sent.bytes))).toBe(true);
  });

  test('gets an unfinished checksum as it is, inside the frame only', () => {
    const made = lab();
    made.send('a', partialTcp(MAC_B, 20), PARTIAL);
    expect(made.offloads).toEqual([PARTIAL]);
    made.send('a', partialTcp(MAC_B, 20), { ...PARTIAL, checksumStart: 60_000 });
    expect(made.drops()).toEqual({ malformed: 1 });
  });

  test.each([
    ['a checksum elsewhere', { ...LARGE, checksumStart: 20 }],
    ['no checksum to finish', { ...LARGE, checksumStart: 0, checksumOffset: 0 }],
    ['a kind of segment that no guest takes', { ...LARGE, gsoType: GSO_UDP_L4 }],
    ['segments of no size', { ...LARGE, gsoSize: 0 }],
  ])('never sees a large send with %s as it is', (_, offload) => {
    const made = lab();
    made.send('a', partialTcp(MAC_B, 4000), offload);
    const frames = made.got('b');
    expect(frames.every((bytes) => bytes.length <= 1514 && right(bytes))).toBe(true);
    expect(made.offloads.every(({ gsoType }) => gsoType === GSO_NONE)).toBe(true);
  });
});
