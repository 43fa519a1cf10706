// What a program in a guest gets of its disk and its network, ours and QEMU's with its user-mode back end, in turn:
//
//   bin/node test/bench/devices.ts [read] [send] [receive] [rounds=5] [translate=on]        all three unless some are named
//
// The guest runs test/bench/guest/throughput.c (riscv64-linux-gnu-gcc builds it here): a disk read with O_DIRECT in requests
// of 1 MiB, TCP from and to the guest. Our guest talks through its frame socket and a VSwitch in a process of its own to a
// TCP endpoint on another port of it; QEMU's to a socket of this host by way of its user-mode stack.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Console, EMULATOR } from '../support/emulator.ts';
import { GUEST, PEER } from '../support/local-switch.ts';
import { must } from '../support/run.ts';
import { throughputInitrd } from '../support/throughput.ts';
import { tinyImage } from '../support/tiny-image.ts';

const DISK_MIB = 512;
const TCP_MIB = 128;
const KINDS = ['read', 'send', 'receive'] as const;
type Kind = (typeof KINDS)[number];

const folder = await mkdtemp(join(tmpdir(), 'cumulet-devices-'));
const raw = join(folder, 'disk.raw');
const qcow2 = join(folder, 'disk.qcow2');
const initrd = join(folder, 'initrd');
const { kernel } = tinyImage();

interface Machine {
  readonly console: Console;
  /** A command of the guest for each kind. */
  command(kind: Kind): string;
  end(): Promise<void>;
}

async function shell(console: Console): Promise<void> {
  await console.stage('shell', /~ # /);
  await console.shell('true');
}

async function ours(disk: string): Promise<Machine> {
  const socket = join(folder, `nic-${Math.random().toString(36).slice(2, 8)}.sock`);
  const net = `${socket},mac=${GUEST.mac},framing=vnet-hdr,offloads=on`;
  const args = ['--kernel', kernel, '--initrd', initrd, '--append', 'console=ttyS0 quiet rescue', '--memory', '256'];
  const console = new Console(EMULATOR, [...args, '--translate', translate, '--disk', `${disk},ro`, '--net', net]);
  const peer: ChildProcess = fork(fileURLToPath(new URL('../support/local-switch.ts', import.meta.url)), [
    socket,
    'on',
  ]);
  await Promise.all([shell(console), once(peer, 'message')]);
  await console.shell(`ip link set eth0 up; ip addr add ${GUEST.ip}/26 dev eth0`);
  return {
    console,
    command: (kind) => commandOf(kind, PEER.ip, PEER.readingPort, PEER.sendingPort),
    end: async () => {
      peer.disconnect();
      await console.end();
    },
  };
}

async function qemu(disk: string): Promise<Machine> {
  const chunk = Buffer.alloc(64 * 1024);
  const reading = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume();
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
  });
  const sending = createServer((socket) => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', more);
    socket.on('error', () => undefined);
    more();
  });
  for (const server of [reading, sending]) await once(server.listen(0, '127.0.0.1'), 'listening');
  const port = (server: Server): number => (server.address() as AddressInfo).port;
  const format = disk === raw ? 'raw' : 'qcow2';
  const console = new Console('qemu-system-riscv64', [
    ...['-M', 'virt', '-m', '256', '-smp', '1', '-nographic', '-no-reboot'],
    ...['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet rescue'],
    ...['-drive', `file=${disk},format=${format},if=none,id=d0,readonly=on`, '-device', 'virtio-blk-device,drive=d0'],
    ...['-netdev', 'user,id=n0', '-device', 'virtio-net-device,netdev=n0'],
  ]);
  await shell(console);
  await console.shell('ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0');
  return {
    console,
    command: (kind) => commandOf(kind, '10.0.2.2', port(reading), port(sending)),
    end: async () => {
      await console.end();
      for (const server of [reading, sending]) server.close();
    },
  };
}

function commandOf(kind: Kind, ip: string, reading: number, sending: number): string {
  if (kind === 'read') return `throughput read /dev/vda ${DISK_MIB} 1024`;
  return `throughput ${kind} ${ip} ${kind === 'send' ? reading : sending} ${TCP_MIB}`;
}

async function rate(machine: Machine, kind: Kind): Promise<number> {
  const printed = await machine.console.shell(machine.command(kind), 120_000);
  const [, bytes, micros] = /RESULT \w+ (\d+) (\d+)/.exec(printed) ?? [];
  if (Number(bytes) < (kind === 'read' ? DISK_MIB : TCP_MIB) << 20)
    throw new Error(`the guest ended early: ${printed}`);
  return Number(bytes) / Number(micros);
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function compare(name: string, kind: Kind, disk: string, rounds: number): Promise<void> {
  const mine = await ours(disk);
  const theirs = await qemu(disk);
  const rates: [number[], number[]] = [[], []];
  try {
    // The first round of each warms caches and translations, and does not count.
    for (let round = 0; round <= rounds; round++) {
      for (const [index, machine] of [mine, theirs].entries()) {
        const measured = await rate(machine, kind);
        if (round > 0) rates[index]!.push(measured);
      }
    }
  } finally {
    await Promise.all([mine.end(), theirs.end()]);
  }
  const [a, b] = rates.map(median) as [number, number];
  console.log(`${name}: ${a.toFixed(0)} MB/s; QEMU ${b.toFixed(0)} MB/s; ratio ${(a / b).toFixed(2)}`);
}

const words = process.argv.slice(2);
const rounds = Number(words.find((word) => word.startsWith('rounds='))?.slice(7) ?? 5);
const translate = words.find((word) => word.startsWith('translate='))?.slice(10) ?? 'on';
const named = KINDS.filter((kind) => words.includes(kind));
try {
  await writeFile(initrd, await throughputInitrd(folder));
  for (const kind of named.length > 0 ? named : KINDS) {
    const file = await open(raw, 'w');
    const block = Buffer.alloc(1 << 20, 0x5a);
    for (let i = 0; i < (kind === 'read' ? DISK_MIB : 1); i++) await file.write(block);
    await file.close();
    if (kind !== 'read') {
      await compare(`TCP, ${kind}`, kind, raw, rounds);
      continue;
    }
    await must('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
    await compare('disk, raw, read', kind, raw, rounds);
    await compare('disk, qcow2, read', kind, qcow2, rounds);
  }
} finally {
  await rm(folder, { recursive: true });
}
