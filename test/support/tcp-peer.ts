// A TCP endpoint on a port of a switch, in this process: takes connections, and either reads what comes (checking it) or
// sends without end. As much of TCP as a peer without losses needs, and going back to the first missing byte where some
// were: RFC 9293 with window scaling (RFC 7323), and large sends as a virtio-net header describes them.

import { wire } from '#dataplane';

const { setU16, setU32, u16, u32 } = wire;

const ETH = 14;
const IP = 20;
const TCP = 20;
const L4 = ETH + IP;
const DATA = L4 + TCP;
const FIN = 1;
const SYN = 2;
const RST = 4;
const ACK = 16;
const SCALE = 8;
const WINDOW = 2 << 20;
const RESEND_MS = 200;

export interface TcpPeerInit {
  readonly mac: string;
  readonly ip: string;
  readonly mtu: number;
  /** Bytes of one large send. */
  readonly burst: number;
  readonly send: (frame: Uint8Array, offload: wire.Offload) => void;
}

interface Connection {
  readonly key: string;
  readonly mac: wire.Mac;
  readonly ip: wire.Ipv4;
  readonly port: number;
  readonly localPort: number;
  readonly sends: boolean;
  received: number;
  /** Next byte that we expect; the oldest of ours that is not acknowledged; the next that we send. */
  expected: number;
  acknowledged: number;
  next: number;
  scale: number;
  mss: number;
  window: number;
  duplicates: number;
  timer: NodeJS.Timeout | undefined;
}

/** Byte n of what either side sends, from the first on. */
export const patternAt = (n: number): number => (n * 7 + (n >>> 12)) & 0xff;

export class TcpPeer {
  readonly #init: TcpPeerInit;
  readonly #mac: wire.Mac;
  readonly #ip: wire.Ipv4;
  readonly #connections = new Map<string, Connection>();
  /** Ports at which connections are sent to instead of read from. */
  readonly sendingPorts = new Set<number>();
  /** Checks that each byte is patternAt of its place. */
  checks = false;
  received = 0;
  wrongBytes = 0;
  resent = 0;
  largest = 0;

  constructor(init: TcpPeerInit) {
    this.#init = init;
    this.#mac = wire.macOf(init.mac);
    this.#ip = wire.ipv4Of(init.ip);
  }

  close(): void {
    for (const { timer } of this.#connections.values()) clearTimeout(timer);
    this.#connections.clear();
  }

  /** A frame that the switch has for this port. ARP is answered by the switch. */
  take(frame: Uint8Array): void {
    if (frame.length < DATA || u16(frame, 12) !== 0x0800 || frame[ETH + 9] !== 6 || u32(frame, ETH + 16) !== this.#ip)
      return;
    const flags = frame[L4 + 13]!;
    const key = `${u32(frame, ETH + 12)}:${u16(frame, L4)}:${u16(frame, L4 + 2)}`;
    const known = this.#connections.get(key);
    if ((flags & RST) !== 0) this.#forget(known);
    else if ((flags & SYN) !== 0) this.#accept(key, frame);
    else if (known !== undefined) this.#segment(known, frame, flags);
  }

  #accept(key: string, frame: Uint8Array): void {
    this.#forget(this.#connections.get(key));
    const localPort = u16(frame, L4 + 2);
    const connection: Connection = {
      key,
      mac: wire.macAt(frame, 6),
      ip: u32(frame, ETH + 12),
      port: u16(frame, L4),
      localPort,
      sends: this.sendingPorts.has(localPort),
      received: 0,
      expected: (u32(frame, L4 + 4) + 1) >>> 0,
      acknowledged: 0,
      next: 0,
      scale: 0,
      mss: 536,
      window: u16(frame, L4 + 14),
      duplicates: 0,
      timer: undefined,
    };
    const end = L4 + (frame[L4 + 12]! >>> 4) * 4;
    for (let at = DATA; at < end; ) {
      const kind = frame[at]!;
      if (kind === 0) break;
      if (kind === 1) {
        at++;
        continue;
      }
      if (kind === 2) connection.mss = Math.min(u16(frame, at + 2), this.#init.mtu - IP - TCP);
      if (kind === 3) connection.scale = frame[at + 2]!;
      at += Math.max(2, frame[at + 1]!);
    }
    this.#connections.set(key, connection);
    const options = Uint8Array.of(2, 4, 0, 0, 1, 3, 3, SCALE);
    setU16(options, 2, this.#init.mtu - IP - TCP);
    this.#send(connection, SYN | ACK, 0, options, 0);
    connection.next = 1;
  }

  #segment(connection: Connection, frame: Uint8Array, flags: number): void {
    const start = L4 + (frame[L4 + 12]! >>> 4) * 4;
    const end = ETH + u16(frame, ETH + 2);
    const length = Math.max(0, Math.min(end, frame.length) - start);
    this.largest = Math.max(this.largest, frame.length);
    if ((flags & ACK) !== 0) this.#acknowledge(connection, u32(frame, L4 + 8), u16(frame, L4 + 14), length > 0);
    if (length === 0 && (flags & FIN) === 0) return;
    const sequence = u32(frame, L4 + 4);
    if (sequence === connection.expected) {
      if (this.checks) this.#check(connection, frame.subarray(start, start + length));
      connection.received += length;
      this.received += length;
      connection.expected = (sequence + length + ((flags & FIN) !== 0 ? 1 : 0)) >>> 0;
      if ((flags & FIN) !== 0) {
        this.#send(connection, FIN | ACK, connection.next, undefined, 0);
        return;
      }
    }
    this.#send(connection, ACK, connection.next, undefined, 0);
  }

  #check(connection: Connection, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== patternAt(connection.received + i)) this.wrongBytes++;
  }

  #acknowledge(connection: Connection, number: number, window: number, hasData: boolean): void {
    const before = connection.acknowledged;
    const flight = (connection.next - before) >>> 0;
    const gained = (number - before) >>> 0;
    connection.window = window << connection.scale;
    if (gained > 0 && gained <= flight) {
      connection.acknowledged = number;
      connection.duplicates = 0;
    } else if (gained === 0 && flight > 0 && !hasData && ++connection.duplicates === 3) {
      this.#resend(connection);
    }
    this.#pump(connection);
  }

  #resend(connection: Connection): void {
    this.resent++;
    connection.next = connection.acknowledged;
  }

  #pump(connection: Connection): void {
    if (!connection.sends) return;
    const burst = Math.floor(this.#init.burst / connection.mss) * connection.mss;
    for (;;) {
      const flight = (connection.next - connection.acknowledged) >>> 0;
      const room = Math.min(connection.window - flight, burst);
      // Whole bursts while there is more to come in flight; else what the window lets through.
      if (room <= 0 || (room < burst && flight > 0)) break;
      this.#send(connection, ACK, connection.next, undefined, room);
      connection.next = (connection.next + room) >>> 0;
    }
    clearTimeout(connection.timer);
    connection.timer = setTimeout(() => {
      this.#resend(connection);
      this.#pump(connection);
    }, RESEND_MS);
  }

  #send(connection: Connection, flags: number, sequence: number, options: Uint8Array | undefined, data: number): void {
    const headers = DATA + (options?.length ?? 0);
    const frame = new Uint8Array(headers + data);
    wire.writeEthernet(frame, connection.mac, this.#mac, wire.ETHERTYPE_IPV4);
    wire.writeIpv4(frame, ETH, {
      source: this.#ip,
      destination: connection.ip,
      protocol: 6,
      totalLength: frame.length - ETH,
    });
    setU16(frame, L4, connection.localPort);
    setU16(frame, L4 + 2, connection.port);
    setU32(frame, L4 + 4, sequence);
    setU32(frame, L4 + 8, connection.expected);
    frame[L4 + 12] = ((headers - L4) / 4) << 4;
    frame[L4 + 13] = flags;
    setU16(frame, L4 + 14, (flags & SYN) !== 0 ? 0xffff : WINDOW >>> SCALE);
    if (options !== undefined) frame.set(options, DATA);
    if (data > 0 && this.checks)
      for (let i = 0; i < data; i++) frame[headers + i] = patternAt((sequence - 1 + i) >>> 0);
    setU16(frame, L4 + 16, wire.fold(wire.ipv4PseudoSum(frame, ETH, 6, frame.length - L4)));
    const large = data > connection.mss;
    this.#init.send(frame, {
      gsoType: large ? wire.GSO_TCPV4 : wire.GSO_NONE,
      gsoSize: large ? connection.mss : 0,
      checksumStart: L4,
      checksumOffset: 16,
    });
  }

  #forget(connection: Connection | undefined): void {
    if (connection === undefined) return;
    clearTimeout(connection.timer);
    this.#connections.delete(connection.key);
  }
}
