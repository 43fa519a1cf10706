// A pretend guest: listens on a frame socket as a guest process does, and has just enough of a network stack to take an
// address by DHCP, resolve addresses, answer and send echoes. It reads frames with offsets of its own, not with the
// dataplane's parsers, so that a mistake there is not repeated here.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { wire } from '#dataplane';
import { waitUntil } from './wait.ts';

export interface Lease {
  readonly ip: string;
  readonly server: string;
  /** Options by code. */
  readonly options: ReadonlyMap<number, Buffer>;
}

const ANY = 0;
const BROADCAST_IP = 0xffffffff;

export class PretendGuest {
  readonly path: string;
  readonly mac: string;
  readonly framing: 'vnet-hdr' | 'ethernet';
  /** Every Ethernet frame that came, without its virtio-net header. */
  readonly received: Buffer[] = [];
  ip = '0.0.0.0';
  /** Connections that the switch has made. */
  connections = 0;
  readonly #arp = new Map<number, number>();
  readonly #server: Server;
  #socket: Socket | undefined;
  #carry: Buffer = Buffer.alloc(0);
  #gateway: number | undefined;
  #netmask = 0;

  constructor(path: string, mac: string, framing: 'vnet-hdr' | 'ethernet' = 'vnet-hdr') {
    this.path = path;
    this.mac = mac;
    this.framing = framing;
    this.#server = createServer((socket) => {
      // One client at a time; a new one replaces the old (services/vmm/contract.ts).
      this.#socket?.destroy();
      this.#socket = socket;
      this.#carry = Buffer.alloc(0);
      this.connections++;
      socket.on('data', (chunk: Buffer) => this.#read(chunk));
      socket.on('error', () => {});
    });
  }

  async start(): Promise<this> {
    await rm(this.path, { force: true });
    this.#server.listen(this.path);
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    this.#socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Stops reading: the switch's writes pile up. */
  stall(): void {
    this.#socket?.pause();
  }

  send(frame: Uint8Array, vnetHeader: Uint8Array = new Uint8Array(12)): void {
    const body = this.framing === 'vnet-hdr' ? Buffer.concat([vnetHeader, frame]) : Buffer.from(frame);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    this.#socket?.write(Buffer.concat([length, body]));
  }

  /** Takes an address by DHCP: DISCOVER, OFFER, REQUEST, ACK; asks again as a client does when nothing comes. */
  async dhcp(): Promise<Lease> {
    const offer = await this.#ask(1, '', 2);
    const ip = offer.readUInt32BE(42 + 16);
    const options = dhcpOptions(offer);
    const server = options.get(54) ?? Buffer.alloc(4);
    const wanted = `3204${ip.toString(16).padStart(8, '0')}3604${server.toString('hex')}`;
    const ack = await this.#ask(3, wanted, 5);
    const given = dhcpOptions(ack);
    this.ip = wire.ipv4Text(ip);
    this.#netmask = given.get(1)?.readUInt32BE() ?? 0;
    this.#gateway = given.get(3)?.readUInt32BE();
    return { ip: this.ip, server: wire.ipv4Text(server.readUInt32BE()), options: given };
  }

  /** Round trip in milliseconds; undefined when no reply comes in time. */
  async ping(target: string, { size = 56, timeout = 2000 } = {}): Promise<number | undefined> {
    const destination = wire.ipv4Of(target);
    const source = wire.ipv4Of(this.ip);
    const isLocal = ((source ^ destination) & this.#netmask) === 0;
    const mac = await this.#resolve(isLocal ? destination : (this.#gateway ?? destination), timeout);
    if (mac === undefined) return undefined;
    const id = randomBytes(4);
    const rest = Buffer.concat([id, Buffer.alloc(size, 0x61)]);
    const ends = { sourceMac: wire.macOf(this.mac), destinationMac: mac, source, destination };
    const started = performance.now();
    this.send(wire.buildIcmp(ends, 8, 0, rest));
    const isReply = (frame: Buffer): boolean =>
      frame.readUInt16BE(12) === 0x0800 &&
      frame[23] === 1 &&
      frame[34] === 0 &&
      frame.readUInt32BE(26) === destination &&
      frame.subarray(38, 42).equals(id) &&
      frame.subarray(42, 42 + size).equals(rest.subarray(4));
    const reply = await this.#await(isReply, timeout);
    return reply && performance.now() - started;
  }

  async #resolve(target: number, timeout: number): Promise<number | undefined> {
    const known = this.#arp.get(target);
    if (known !== undefined) return known;
    const senderMac = wire.macOf(this.mac);
    const fields = { operation: 1, senderMac, senderIp: wire.ipv4Of(this.ip), targetMac: 0, targetIp: target };
    this.send(wire.buildArp(wire.BROADCAST, senderMac, fields));
    const isReply = (frame: Buffer): boolean =>
      frame.readUInt16BE(12) === 0x0806 && frame.readUInt16BE(20) === 2 && frame.readUInt32BE(28) === target;
    const reply = await this.#await(isReply, timeout);
    if (reply === undefined) return undefined;
    const mac = reply.readUIntBE(22, 6);
    this.#arp.set(target, mac);
    return mac;
  }

  async #ask(type: number, options: string, answer: number): Promise<Buffer> {
    const xid = randomBytes(4);
    const payload = Buffer.alloc(300);
    payload.set([1, 1, 6, 0, ...xid]);
    payload.set(Buffer.from(this.mac.replaceAll(':', ''), 'hex'), 28);
    payload.set(Buffer.from(`6382536335010${type}${options}3705010306791aff`, 'hex'), 236);
    const ends = {
      sourceMac: wire.macOf(this.mac),
      destinationMac: wire.BROADCAST,
      source: ANY,
      destination: BROADCAST_IP,
      sourcePort: 68,
      destinationPort: 67,
    };
    const isAnswer = (frame: Buffer): boolean =>
      frame.length > 282 &&
      frame[23] === 17 &&
      frame.readUInt16BE(36) === 68 &&
      frame.subarray(46, 50).equals(xid) &&
      dhcpOptions(frame).get(53)?.[0] === answer;
    for (let tries = 0; tries < 20; tries++) {
      this.send(wire.buildUdp(ends, payload));
      const frame = await this.#await(isAnswer, 250);
      if (frame !== undefined) return frame;
    }
    throw new Error(`no DHCP answer ${answer} for ${this.mac}`);
  }

  async #await(wanted: (frame: Buffer) => boolean, timeout: number): Promise<Buffer | undefined> {
    const from = this.received.length;
    const find = (): Buffer | undefined => this.received.slice(from).find(wanted);
    return waitUntil(find, timeout).catch(() => undefined);
  }

  #read(chunk: Buffer): void {
    this.#carry = Buffer.concat([this.#carry, chunk]);
    while (this.#carry.length >= 4) {
      const end = 4 + this.#carry.readUInt32BE(0);
      if (this.#carry.length < end) break;
      const frame = this.#carry.subarray(this.framing === 'vnet-hdr' ? 16 : 4, end);
      this.#carry = this.#carry.subarray(end);
      this.#take(frame);
    }
  }

  /** Most requests are answered by the switch; those of hosts that it does not serve come through. */
  #takeArp(frame: Buffer): void {
    if (frame.readUInt16BE(20) !== 1 || wire.ipv4Text(frame.readUInt32BE(38)) !== this.ip) return;
    const asker = frame.readUIntBE(22, 6);
    const senderMac = wire.macOf(this.mac);
    const targetIp = frame.readUInt32BE(28);
    const fields = { operation: 2, senderMac, senderIp: wire.ipv4Of(this.ip), targetMac: asker, targetIp };
    this.send(wire.buildArp(asker, senderMac, fields));
  }

  #take(frame: Buffer): void {
    this.received.push(frame);
    if (frame.readUInt16BE(12) === 0x0806) this.#takeArp(frame);
    const isMine = frame.subarray(0, 6).toString('hex') === this.mac.replaceAll(':', '');
    const isEcho = frame.readUInt16BE(12) === 0x0800 && frame[23] === 1 && frame[34] === 8;
    if (!isMine || !isEcho || wire.ipv4Text(frame.readUInt32BE(30)) !== this.ip) return;
    const ends = {
      sourceMac: wire.macOf(this.mac),
      destinationMac: frame.readUIntBE(6, 6),
      source: wire.ipv4Of(this.ip),
      destination: frame.readUInt32BE(26),
    };
    this.send(wire.buildIcmp(ends, 0, 0, frame.subarray(38, 14 + frame.readUInt16BE(16))));
  }
}

function dhcpOptions(frame: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 42 + 240; at < frame.length && frame[at] !== 255; ) {
    if (frame[at] === 0) {
      at++;
      continue;
    }
    const length = frame[at + 1] ?? 0;
    options.set(frame[at] ?? 0, frame.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}
