// What the switch and the agent carry: run it with `node_modules/.bin/node test/bench/network.ts`. Guests are in a process of
// their own and do as little as possible; the agents of two nodes share one process, as in the embedded cloud. Rates are
// frames delivered a second.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VSwitch, wire } from '#dataplane';
import type { Network, Port } from '#model';
import {
  MAC_A,
  MAC_B,
  MAC_C,
  networkConfig,
  OPEN_GROUP,
  udpFrame,
} from '../../services/dataplane/switch-lab.test-support.ts';
import { NetworkLab } from '../support/network-lab.ts';

const SECONDS = 2;
const BATCH = 32;

interface Order {
  readonly kind: 'flood' | 'ping';
  readonly from: string;
  readonly to: string;
  /** Hex. */
  readonly frame: string;
  readonly answer: string;
}

interface Outcome {
  readonly perSecond: number;
  readonly sentPerSecond: number;
  readonly medianMicros: number;
}

const prefixed = (frame: Buffer): Buffer => {
  const bytes = Buffer.alloc(4 + wire.VNET_HEADER + frame.length);
  bytes.writeUInt32BE(wire.VNET_HEADER + frame.length);
  frame.copy(bytes, 4 + wire.VNET_HEADER);
  return bytes;
};

// The guests' process

/** A frame socket: the last client is the switch. */
async function listen(
  path: string,
): Promise<{ socket: () => Socket; onBytes: (receive: (chunk: Buffer) => void) => void }> {
  let socket: Socket | undefined;
  let receive = (_chunk: Buffer): void => {};
  const server = createServer((client) => {
    socket = client;
    client.on('data', (chunk: Buffer) => receive(chunk));
    client.on('error', () => {});
  });
  server.listen(path);
  await once(server, 'listening');
  return {
    socket: () => {
      if (socket === undefined) throw new Error(`nobody has connected to ${path}`);
      return socket;
    },
    onBytes: (next) => {
      receive = next;
    },
  };
}

async function guests(paths: readonly string[]): Promise<void> {
  const listening = new Map<string, Awaited<ReturnType<typeof listen>>>();
  for (const path of paths) listening.set(path, await listen(path));
  process.on('message', async (order: Order) => {
    const [from, to] = [listening.get(order.from), listening.get(order.to)];
    if (from === undefined || to === undefined) throw new Error('no such guest');
    const frame = prefixed(Buffer.from(order.frame, 'hex'));
    const answer = prefixed(Buffer.from(order.answer, 'hex'));
    const outcome = order.kind === 'flood' ? await flood(from, to, frame) : await ping(from, to, frame, answer);
    process.send?.(outcome);
  });
  process.send?.('listening');
}

type Guest = Awaited<ReturnType<typeof listen>>;

async function flood(from: Guest, to: Guest, frame: Buffer): Promise<Outcome> {
  const batch = Buffer.concat(Array<Buffer>(BATCH).fill(frame));
  let bytes = 0;
  let sent = 0;
  to.onBytes((chunk) => {
    bytes += chunk.length;
  });
  const started = performance.now();
  while (performance.now() - started < SECONDS * 1000) {
    if (!from.socket().write(batch)) await once(from.socket(), 'drain');
    sent += BATCH;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const seconds = (performance.now() - started) / 1000;
  return { perSecond: bytes / frame.length / seconds, sentPerSecond: sent / seconds, medianMicros: 0 };
}

async function ping(from: Guest, to: Guest, frame: Buffer, answer: Buffer): Promise<Outcome> {
  to.onBytes(() => to.socket().write(answer));
  const times: number[] = [];
  for (let round = 0; round < 2000; round++) {
    const reply = new Promise<void>((resolve) => from.onBytes(() => resolve()));
    const started = performance.now();
    from.socket().write(frame);
    await reply;
    times.push((performance.now() - started) * 1000);
  }
  times.sort((a, b) => a - b);
  return { perSecond: 0, sentPerSecond: 0, medianMicros: times[times.length / 2] ?? 0 };
}

// The network's process

function switching(): void {
  const vswitch = new VSwitch({ sink: { toPort: () => {}, toTunnel: () => {} }, now: () => performance.now() });
  vswitch.apply({ networks: [networkConfig()], routers: [], securityGroups: [OPEN_GROUP] });
  for (const port of vswitch.tables.ports) port.plugged = true;
  const from = vswitch.tables.byPortId.get('a');
  if (from === undefined) throw new Error('no port a');
  for (const [where, mac, ip] of [
    ['to a port', MAC_B, '10.0.0.11'],
    ['to a tunnel', MAC_C, '10.0.0.12'],
  ] as const) {
    const frame = udpFrame(MAC_A, '10.0.0.10', mac, ip, 1400);
    const rounds = 1_000_000;
    for (let round = 0; round < rounds / 10; round++) vswitch.fromPort(from, frame);
    const started = performance.now();
    for (let round = 0; round < rounds; round++) vswitch.fromPort(from, frame);
    const micros = ((performance.now() - started) * 1000) / rounds;
    console.log(`switch alone, ${where}: ${micros.toFixed(2)} µs a frame`);
  }
}

const frameBetween = (from: Port, to: Port, size: number): string =>
  Buffer.from(
    udpFrame(from.macAddress, from.fixedIps[0]?.ipAddress ?? '', to.macAddress, to.fixedIps[0]?.ipAddress ?? '', size),
  ).toString('hex');

async function measure(): Promise<void> {
  switching();
  const lab = await NetworkLab.start({ hosts: 2 });
  const { network } = await lab.addNetwork();
  const port = (host: string): Promise<Port> => lab.addPort(network as Network, { hostId: host });
  const ports = [await port('node-1'), await port('node-1'), await port('node-2')] as const;
  const paths = ports.map((_, index) => join(lab.folder, `g${index}.sock`));
  const child = fork(fileURLToPath(import.meta.url), ['guests', ...paths]);
  await once(child, 'message');
  for (const [index, { id, macAddress, binding }] of ports.entries()) {
    const nic = { portId: id, socket: paths[index] ?? '', framing: 'vnet-hdr', mac: macAddress } as const;
    await lab.agents.get(binding.hostId)?.plug(nic);
    await lab.untilStatus(id, 'ACTIVE');
  }
  const order = async (kind: Order['kind'], to: 1 | 2, size: number): Promise<Outcome> => {
    const frame = frameBetween(ports[0], ports[to], size);
    const answer = frameBetween(ports[to], ports[0], size);
    child.send({ kind, from: paths[0], to: paths[to], frame, answer });
    const [outcome] = (await once(child, 'message')) as [Outcome];
    return outcome;
  };
  for (const [where, to] of [
    ['on one node', 1],
    ['across nodes (VXLAN over UDP)', 2],
  ] as const) {
    for (const size of [22, 1400]) {
      const { perSecond, sentPerSecond } = await order('flood', to, size);
      const bits = (perSecond * (size + 42) * 8) / 1e9;
      console.log(
        `${where}, ${size + 42} bytes: ${Math.round(perSecond)} frames/s delivered of ${Math.round(sentPerSecond)} (${bits.toFixed(2)} Gbit/s)`,
      );
    }
    const { medianMicros } = await order('ping', to, 56);
    console.log(`${where}: round trip ${medianMicros.toFixed(0)} µs (median of 2000)`);
  }
  child.kill();
  await lab.stop();
}

if (process.argv[2] === 'guests') await guests(process.argv.slice(3));
else await measure();
