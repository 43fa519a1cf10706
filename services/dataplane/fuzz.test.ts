// Whatever a guest or the underlay sends, the switch neither throws nor hands a guest what is not its own. Bounded: a
// seeded generator, so that a failure is found again; its seed is in the message.
import { expect, test } from 'vitest';
import { fromHex, MAC_A, MAC_B, networkConfig, SwitchLab, udpFrame } from './switch-lab.test-support.ts';
import { ARP_REQUEST, buildArp } from './wire/arp.ts';
import { BROADCAST, macOf } from './wire/bytes.ts';
import { parseDhcp } from './wire/dhcp.ts';
import { buildUdp } from './wire/udp.ts';
import { readVnetHeader } from './wire/vnet-header.ts';

/** xorshift32. */
function generator(seed: number): (below: number) => number {
  let state = seed || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const dhcpPayload = new Uint8Array(300);
dhcpPayload.set([1, 1, 6, 0]);
dhcpPayload.set(fromHex('fa163e00000a'), 28);
dhcpPayload.set(fromHex('63825363 350101 3204 0a00000a ff'), 236);
const ends = { sourceMac: macOf(MAC_A), destinationMac: BROADCAST, source: 0, destination: 0xffffffff };
const arp = {
  operation: ARP_REQUEST,
  senderMac: macOf(MAC_A),
  senderIp: 0x0a00000a,
  targetMac: 0,
  targetIp: 0x0a00000b,
};

const CORPUS = [
  udpFrame(MAC_A, '10.0.0.10', MAC_B, '10.0.0.11', 200),
  buildUdp({ ...ends, sourcePort: 68, destinationPort: 67 }, dhcpPayload),
  buildArp(BROADCAST, macOf(MAC_A), arp),
  fromHex(
    `fa163e00000b fa163e00000a 86dd 6000000000083aff ${'00'.repeat(16)} ff020000000000000000000000000001 ${'11'.repeat(8)}`,
  ),
  fromHex('fa163e000001 fa163e00000a 0800 4500 001c 0000 4000 4001 0000 0a00000a 0a000001 0800 f7ff 0000 0000'),
];

/** One of the corpus with some bytes changed, cut or made longer. */
function mutate(next: (below: number) => number): Uint8Array {
  let bytes = CORPUS[next(CORPUS.length)]!.slice();
  for (let changes = next(6); changes > 0 && bytes.length > 0; changes--) bytes[next(bytes.length)] = next(256);
  if (next(3) === 0) bytes = bytes.subarray(0, next(bytes.length + 1));
  if (next(8) === 0) bytes = Uint8Array.from([...bytes, ...new Uint8Array(next(2000))]);
  return bytes;
}

test.each([1, 2, 3, 20260102])('frames of guests and datagrams of peers, seed %i', (seed) => {
  const next = generator(seed);
  const lab = new SwitchLab(networkConfig());
  lab.groups = lab.groups.map((group) => ({ ...group, stateful: true }));
  lab.apply(networkConfig());
  for (let round = 0; round < 5000; round++) {
    const bytes = mutate(next);
    const header = Uint8Array.from({ length: 12 }, () => (next(2) === 0 ? 0 : next(256)));
    const before = bytes.slice();
    if (next(2) === 0) lab.send('a', bytes, readVnetHeader(header, 0));
    else lab.vswitch.fromTunnel('127.0.0.3', Uint8Array.from([8, 0, 0, 0, 0, 0, next(2) === 0 ? 5 : 6, 0, ...bytes]));
    if (Buffer.compare(bytes, before) !== 0) throw new Error(`seed ${seed}, round ${round}: the frame was changed`);
    lab.toPorts.clear();
    lab.toVteps.length = 0;
  }
  const { a, b } = Object.fromEntries(lab.vswitch.tables.ports.map((port) => [port.id, port.counters]));
  expect(a?.rxFrames).toBeGreaterThan(1000);
  expect(b?.txFrames).toBeGreaterThan(100);
});

test.each([4, 5])('DHCP options, seed %i', (seed) => {
  const next = generator(seed);
  for (let round = 0; round < 5000; round++) {
    const bytes = dhcpPayload.slice(0, 240 + next(60));
    for (let at = 240; at < bytes.length; at++) if (next(2) === 0) bytes[at] = next(256);
    const request = parseDhcp(bytes);
    if (request !== undefined) expect(request.type).toBeGreaterThan(0);
  }
});
