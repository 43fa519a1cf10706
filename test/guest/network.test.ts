// The frame socket: a peer written here (ARP and ICMP echo) that speaks to the guest's NIC, in both framings.

import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuestProcess, guestConfig } from '#test/support/guest-control.ts';
import { tempFolder } from '#test/support/programs.ts';
import { tinyImage } from '#test/support/tiny-image.ts';
import { waitUntil } from '#test/support/wait.ts';

const GUEST_MAC = '02:00:00:00:00:05';
const PEER_MAC = Buffer.from('02000000000a', 'hex');
const PEER_IP = Buffer.from([10, 9, 8, 1]);
const HEADER = 12;

/** Answers ARP for 10.9.8.1 and echo requests to it. */
class Peer {
  readonly socket: Socket;
  readonly #header: number;
  #rest = Buffer.alloc(0);
  frames = 0;

  constructor(path: string, framing: 'ethernet' | 'vnet-hdr') {
    this.#header = framing === 'vnet-hdr' ? HEADER : 0;
    this.socket = createConnection(path);
    this.socket.on('error', () => undefined);
    this.socket.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      while (this.#rest.length >= 4 && this.#rest.length >= 4 + this.#rest.readUInt32BE(0)) {
        const length = this.#rest.readUInt32BE(0);
        this.#frame(this.#rest.subarray(4 + this.#header, 4 + length));
        this.#rest = this.#rest.subarray(4 + length);
      }
    });
  }

  send(frame: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(this.#header + frame.length);
    this.socket.write(Buffer.concat([length, Buffer.alloc(this.#header), frame]));
  }

  #frame(frame: Buffer): void {
    this.frames++;
    const type = frame.readUInt16BE(12);
    const answer = Buffer.from(frame);
    frame.copy(answer, 0, 6, 12);
    PEER_MAC.copy(answer, 6);
    if (type === 0x0806 && frame.readUInt16BE(20) === 1 && frame.subarray(38, 42).equals(PEER_IP)) {
      answer.writeUInt16BE(2, 20);
      PEER_MAC.copy(answer, 22);
      PEER_IP.copy(answer, 28);
      frame.copy(answer, 32, 22, 32);
      this.send(answer);
    } else if (type === 0x0800 && frame[23] === 1 && frame[34] === 8) {
      // Echo: addresses change places, and the checksum grows by what the type shrank.
      frame.copy(answer, 26, 30, 34);
      frame.copy(answer, 30, 26, 30);
      answer[34] = 0;
      const sum = frame.readUInt16BE(36) + 0x0800;
      answer.writeUInt16BE((sum & 0xffff) + (sum >> 16), 36);
      this.send(answer);
    }
  }
}

let folder: ReturnType<typeof tempFolder>;
const running: GuestProcess[] = [];
const peers: Peer[] = [];

async function start(framing: 'ethernet' | 'vnet-hdr', mtu?: number): Promise<GuestProcess> {
  const { kernel, initrd } = tinyImage();
  const nics = [{ id: 'port-1', mac: GUEST_MAC, mtu, socket: join(folder.path, 'nic.sock'), framing }];
  const guest = new GuestProcess(folder.path, guestConfig(folder.path, { kernel, initrd, nics }));
  running.push(guest);
  await guest.connect();
  return guest;
}
function plug(guest: GuestProcess): Peer {
  const nic = guest.config.nics[0]!;
  const peer = new Peer(nic.socket, nic.framing);
  peers.push(peer);
  return peer;
}
const up = async (guest: GuestProcess): Promise<void> => {
  await guest.sees(/~ # /);
  await shell(guest, 'ip link set eth0 up; ip addr add 10.9.8.2/24 dev eth0');
};
const shell = async (guest: GuestProcess, command: string): Promise<string> => {
  const mark = Math.random().toString(36).slice(2, 8);
  guest.clear();
  guest.type(`echo begin""${mark}; ${command}; echo end""${mark}\n`);
  const [, printed] = await guest.sees(new RegExp(`begin${mark}\\r?\\n([\\s\\S]*?)end${mark}`), 60_000);
  return printed!.replaceAll('\r', '');
};

beforeEach(() => {
  folder = tempFolder('nic');
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.socket.destroy();
  await Promise.all(running.splice(0).map((guest) => guest.end()));
  folder.remove();
});

describe('the frame socket', () => {
  it.each(['ethernet', 'vnet-hdr'] as const)(
    'carries a ping in framing %s, also one in the largest frame',
    async (framing) => {
      const guest = await start(framing);
      plug(guest);
      await up(guest);
      expect(await shell(guest, 'cat /sys/class/net/eth0/address')).toBe(`${GUEST_MAC}\n`);
      expect(await shell(guest, 'ping -c 3 -i 0.1 10.9.8.1')).toMatch(/3 packets transmitted, 3 packets received/);
      expect(await shell(guest, 'ping -c 2 -i 0.1 -s 1472 10.9.8.1')).toMatch(/2 packets received/);
      const { nics } = await guest.call('stats', {});
      expect(nics[0]).toMatchObject({ id: 'port-1' });
      expect(nics[0]!.rxFrames).toBeGreaterThanOrEqual(5);
      expect(nics[0]!.txFrames).toBeGreaterThanOrEqual(5);
    },
  );

  it('gives the guest its MTU', async () => {
    const guest = await start('vnet-hdr', 1450);
    plug(guest);
    await up(guest);
    expect(await shell(guest, 'cat /sys/class/net/eth0/mtu')).toBe('1450\n');
  });

  it('takes the newest client, and goes on when the switch comes back', async () => {
    const guest = await start('vnet-hdr');
    const first = plug(guest);
    await up(guest);
    expect(await shell(guest, 'ping -c 1 10.9.8.1')).toMatch(/1 packets received/);
    plug(guest);
    await waitUntil(() => first.socket.destroyed || first.socket.readableEnded);
    expect(await shell(guest, 'ping -c 1 10.9.8.1')).toMatch(/1 packets received/);
  });

  it('closes on a peer that sends nonsense, counts drops without one, and the guest lives', async () => {
    const guest = await start('vnet-hdr');
    const rude = plug(guest);
    await up(guest);
    rude.socket.write(Buffer.from('ffffffff00', 'hex'));
    await waitUntil(() => rude.socket.destroyed || rude.socket.readableEnded);
    await shell(guest, 'ping -c 1 -W 1 10.9.8.1');
    expect((await guest.call('stats', {})).nics[0]!.txDropped).toBeGreaterThan(0);
    plug(guest);
    expect(await shell(guest, 'ping -c 1 10.9.8.1')).toMatch(/1 packets received/);
  });

  it('drops what a guest has no buffers for, and stays in step', async () => {
    const guest = await start('vnet-hdr');
    const peer = plug(guest);
    await up(guest);
    await guest.call('pause', {});
    const junk = Buffer.alloc(1000, 0xee);
    Buffer.from(GUEST_MAC.replaceAll(':', ''), 'hex').copy(junk);
    for (let i = 0; i < 2000; i++) peer.send(junk);
    await waitUntil(async () => (await guest.call('stats', {})).nics[0]!.rxDropped >= 2000);
    await guest.call('resume', {});
    expect(await shell(guest, 'ping -c 2 -i 0.1 10.9.8.1')).toMatch(/2 packets received/);
  });
});
