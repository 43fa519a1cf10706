// virtio-vsock (virtio 1.2, 5.10): stream sockets between the guest and its host. The device owns connections, credit and
// the order of packets; the host's ends are streams that the backend opens and takes.
//
//   rx 0, tx 1, event 2
//
//   guest connects:  REQUEST ─► open() ─► RESPONSE | RST          host connects:  REQUEST ─► guest ─► RESPONSE | RST
//   opening ──RESPONSE──► open ──SHUTDOWN of both──► (RST) gone    RST from either side: gone at once
//
// Nothing that a guest does makes this grow: connections, bytes in flight (buf_alloc of each) and answers that wait for
// receive buffers are bounded; while too many answers wait, no packet is taken.

import type { HostStream, SocketBackend } from '../backends.ts';
import { type DeviceHost, VirtioDevice } from './device.ts';
import type { Virtqueue } from './queue.ts';
import { DEVICE_ID, VirtioFault, type VirtioSlot } from './registers.ts';
import { copyIn, copyOut, total } from './segments.ts';
import {
  decodeHeader,
  encodeHeader,
  HEADER_BYTES,
  HOST_CID,
  OP,
  type PacketHeader,
  SHUTDOWN_RECEIVE,
  SHUTDOWN_SEND,
  TYPE_STREAM,
} from './vsock-packet.ts';

const RECEIVE = 0;
const TRANSMIT = 1;
const EVENT = 2;
const QUEUE_SIZE = 128;
const EVENT_TRANSPORT_RESET = 0;
const EVENT_BYTES = 4;

/** What the guest may have in flight to us on one connection. */
const BUFFER_BYTES = 256 * 1024;
/** What a host's stream may have waiting for the guest before it is told to wait. */
const MAX_WAITING = 256 * 1024;
const MAX_CONNECTIONS = 256;
const MAX_ANSWERS = 256;
/** The payload of one packet at most (Linux takes 64 KiB). */
const MAX_PAYLOAD = 64 * 1024;
/** Ports of connections that the host opens; those below belong to its servers. */
const FIRST_HOST_PORT = 0x4000_0000;

export const vsockSlot = (cid: number): VirtioSlot => {
  const config = new Uint8Array(8);
  new DataView(config.buffer).setBigUint64(0, BigInt(cid), true);
  return {
    deviceId: DEVICE_ID.SOCKET,
    features: [],
    queues: [QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE],
    config: [...config],
  };
};

export interface VsockStateV1 {
  readonly kind: 'virtio-vsock';
  readonly version: 1;
  readonly cid: number;
}

interface Connection {
  readonly key: string;
  readonly hostPort: number;
  readonly guestPort: number;
  stream: HostStream | undefined;
  state: 'opening' | 'open';
  /** For the guest, and not sent yet. */
  waiting: Uint8Array[];
  waitingBytes: number;
  /** The host's stream has been told to wait. */
  stalled: boolean;
  /** Bytes sent to the guest, and what it says of its room (5.10.6.3). */
  sent: number;
  peerForwarded: number;
  peerAllocated: number;
  /** Bytes received from the guest; of these, passed on by the host's stream; and what the guest was told of that. */
  received: number;
  forwarded: number;
  told: number;
  /** Neither end sends any more than it has said. */
  guestSends: boolean;
  guestReceives: boolean;
  hostEnded: boolean;
  endTold: boolean;
}

export class VirtioVsock extends VirtioDevice {
  readonly kind = 'virtio-vsock';
  readonly #cid: number;
  readonly #backend: SocketBackend;
  readonly #connections = new Map<string, Connection>();
  /** Packets without payload that wait for receive buffers. */
  #answers: PacketHeader[] = [];
  /** Restored: connections of the saved guest are gone, and its driver has to know. */
  #resetWanted = false;
  #nextHostPort = FIRST_HOST_PORT;

  constructor(host: DeviceHost, backend: SocketBackend, cid: number) {
    super(host);
    this.#cid = cid;
    this.#backend = backend;
    backend.onConnect((port, stream) => this.#connect(port, stream));
  }

  get connections(): number {
    return this.#connections.size;
  }

  protected serve(queue: Virtqueue, index: number): boolean {
    switch (index) {
      case RECEIVE:
        return this.#give(queue);
      case TRANSMIT:
        return this.#take(queue);
      default:
        return this.#tellReset(queue);
    }
  }

  protected override wantsMore(index: number): boolean {
    if (index === TRANSMIT) return this.#answers.length < MAX_ANSWERS;
    return index === RECEIVE ? this.#hasForGuest() : this.#resetWanted;
  }

  protected override onLive(): void {
    const events = this.queue(EVENT);
    if (events !== undefined) this.#tellReset(events);
    this.#offer();
  }

  protected override onReset(): undefined {
    this.#dropAll();
    this.#resetWanted = false;
  }

  protected override saveOwn(): VsockStateV1 {
    return { kind: 'virtio-vsock', version: 1, cid: this.#cid };
  }

  protected override restoreOwn(): void {
    this.#dropAll();
    this.#resetWanted = true;
  }

  // From the host

  /** A stream of the host to a port of the guest. It hears onOpen or onClose. */
  #connect(guestPort: number, stream: HostStream): void {
    if (!this.live || this.#connections.size >= MAX_CONNECTIONS) {
      stream.onClose();
      return;
    }
    let hostPort = this.#nextHostPort;
    while (this.#connections.has(keyOf(hostPort, guestPort))) hostPort++;
    this.#nextHostPort = hostPort >= 0x7fff_ffff ? FIRST_HOST_PORT : hostPort + 1;
    const connection = this.#add(hostPort, guestPort, 'opening');
    this.#join(connection, stream);
    this.#answer(connection, OP.REQUEST);
  }

  #join(connection: Connection, stream: HostStream): void {
    connection.stream = stream;
    stream.join({
      write: (bytes) => this.#write(connection, bytes),
      end: () => {
        if (!this.#isKnown(connection)) return;
        connection.hostEnded = true;
        this.#offer();
      },
      forwarded: (bytes) => this.#forwarded(connection, bytes),
      destroy: () => {
        if (!this.#isKnown(connection)) return;
        this.#answer(connection, OP.RST);
        this.#forget(connection);
      },
    });
  }

  #write(connection: Connection, bytes: Uint8Array): boolean {
    if (!this.#isKnown(connection) || !connection.guestReceives) return true;
    connection.waiting.push(bytes);
    connection.waitingBytes += bytes.length;
    this.#offer();
    connection.stalled = connection.waitingBytes >= MAX_WAITING;
    return !connection.stalled;
  }

  /** The host's stream has passed on so much of what the guest sent. */
  #forwarded(connection: Connection, bytes: number): void {
    if (!this.#isKnown(connection)) return;
    connection.forwarded += bytes;
    // Told early enough that a guest that sends without pause never finds itself without room.
    if (connection.forwarded - connection.told >= BUFFER_BYTES / 4) this.#answer(connection, OP.CREDIT_UPDATE);
  }

  // From the guest

  #take(queue: Virtqueue): boolean {
    if (this.#answers.length >= MAX_ANSWERS) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.readableBytes < HEADER_BYTES) throw new VirtioFault(`a packet of ${chain.readableBytes} bytes`);
    const header = decodeHeader(copyOut(chain.readable, 0, HEADER_BYTES));
    if (header.length > MAX_PAYLOAD || header.length > chain.readableBytes - HEADER_BYTES)
      throw new VirtioFault(`a packet that says it has ${header.length} bytes in ${chain.readableBytes}`);
    const payload = header.op === OP.RW ? copyOut(chain.readable, HEADER_BYTES, header.length) : undefined;
    this.finish(queue, chain, 0);
    // Packets for nobody, or of nobody, are dropped (5.10.6.4.1).
    if (header.sourceCid === this.#cid && header.destinationCid === HOST_CID) this.#packet(header, payload);
    return true;
  }

  #packet(header: PacketHeader, payload: Uint8Array | undefined): void {
    const key = keyOf(header.destinationPort, header.sourcePort);
    const connection = this.#connections.get(key);
    if (header.type !== TYPE_STREAM) {
      this.#refuse(header);
      return;
    }
    if (connection === undefined) {
      if (header.op === OP.REQUEST) this.#accept(header);
      else if (header.op !== OP.RST) this.#refuse(header);
      return;
    }
    connection.peerAllocated = header.bufferAllocated;
    connection.peerForwarded = header.forwardCount;
    switch (header.op) {
      case OP.RESPONSE:
        if (connection.state !== 'opening') break;
        connection.state = 'open';
        connection.stream?.onOpen(connection.hostPort);
        break;
      case OP.RW:
        this.#data(connection, payload!);
        break;
      case OP.SHUTDOWN:
        this.#shutdown(connection, header.flags);
        break;
      case OP.CREDIT_REQUEST:
        this.#answer(connection, OP.CREDIT_UPDATE);
        break;
      case OP.CREDIT_UPDATE:
        break;
      case OP.RST:
        this.#forget(connection);
        return;
      default:
        this.#answer(connection, OP.RST);
        this.#forget(connection);
        return;
    }
    this.#offer();
  }

  #accept(header: PacketHeader): void {
    if (this.#connections.size >= MAX_CONNECTIONS) {
      this.#refuse(header);
      return;
    }
    const connection = this.#add(header.destinationPort, header.sourcePort, 'opening');
    connection.peerAllocated = header.bufferAllocated;
    connection.peerForwarded = header.forwardCount;
    this.#backend.open(header.destinationPort, (stream) => {
      if (!this.#isKnown(connection)) {
        stream?.onClose();
        return;
      }
      if (stream === undefined) {
        this.#answer(connection, OP.RST);
        this.#forget(connection);
        return;
      }
      connection.state = 'open';
      this.#answer(connection, OP.RESPONSE);
      this.#join(connection, stream);
    });
  }

  #data(connection: Connection, payload: Uint8Array): void {
    connection.received += payload.length;
    // A guest that sends more than it was told there is room for has broken its promise (5.10.6.3.1).
    const within = connection.received - connection.forwarded <= BUFFER_BYTES;
    if (connection.state !== 'open' || !connection.guestSends || !within) {
      this.#answer(connection, OP.RST);
      this.#forget(connection);
      return;
    }
    if (payload.length > 0) connection.stream?.onData(payload);
  }

  #shutdown(connection: Connection, flags: number): void {
    if ((flags & SHUTDOWN_SEND) !== 0 && connection.guestSends) {
      connection.guestSends = false;
      connection.stream?.onEnd();
    }
    if ((flags & SHUTDOWN_RECEIVE) !== 0) {
      connection.guestReceives = false;
      connection.waiting = [];
      connection.waitingBytes = 0;
    }
    // Both: the connection is over, which the guest waits to hear (5.10.6.5).
    if (connection.guestSends || connection.guestReceives) return;
    this.#answer(connection, OP.RST);
    this.#forget(connection);
  }

  // To the guest

  #hasForGuest(): boolean {
    if (this.#answers.length > 0) return true;
    for (const connection of this.#connections.values())
      if (this.#roomAt(connection) > 0 || this.#mayEnd(connection)) return true;
    return false;
  }

  /** Bytes that wait and that the guest has room for. */
  #roomAt(connection: Connection): number {
    if (connection.state !== 'open') return 0;
    const inFlight = (connection.sent - connection.peerForwarded) >>> 0;
    return Math.min(connection.waitingBytes, Math.max(0, connection.peerAllocated - inFlight));
  }

  #mayEnd(connection: Connection): boolean {
    return connection.state === 'open' && connection.hostEnded && !connection.endTold && connection.waitingBytes === 0;
  }

  #offer(): void {
    if (!this.live) return;
    const queue = this.queue(RECEIVE);
    if (queue === undefined) return;
    this.guarded(() => {
      while (this.#give(queue));
      if (this.#hasForGuest()) queue.wantNotify();
    });
  }

  /** One packet into one receive buffer. */
  #give(queue: Virtqueue): boolean {
    if (!this.#hasForGuest()) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    if (chain.writableBytes < HEADER_BYTES) throw new VirtioFault(`a receive buffer of ${chain.writableBytes} bytes`);
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      copyIn(chain.writable, 0, encodeHeader(answer));
      this.finish(queue, chain, HEADER_BYTES);
      // Packets wait while there are too many answers: they are looked at again.
      if (this.#answers.length === MAX_ANSWERS - 1) this.host.signals.notifyQueue(this.host.index, TRANSMIT);
      return true;
    }
    const connection = [...this.#connections.values()].find((one) => this.#roomAt(one) > 0 || this.#mayEnd(one))!;
    const room = Math.min(this.#roomAt(connection), chain.writableBytes - HEADER_BYTES, MAX_PAYLOAD);
    if (room <= 0 && !this.#mayEnd(connection)) throw new VirtioFault('a receive buffer without room for data');
    const payload = this.#next(connection, room);
    const bytes = total(payload);
    const header = this.#header(connection, bytes > 0 ? OP.RW : OP.SHUTDOWN, bytes);
    if (bytes === 0) connection.endTold = true;
    copyIn(chain.writable, 0, encodeHeader(bytes > 0 ? header : { ...header, flags: SHUTDOWN_SEND }));
    let at = HEADER_BYTES;
    for (const part of payload) at += copyIn(chain.writable, at, part);
    connection.sent = (connection.sent + bytes) >>> 0;
    this.finish(queue, chain, at);
    // The others have their turn before this one's next packet.
    this.#connections.delete(connection.key);
    this.#connections.set(connection.key, connection);
    if (connection.stalled && connection.waitingBytes < MAX_WAITING / 2) {
      connection.stalled = false;
      connection.stream?.onDrain();
    }
    return true;
  }

  /** Takes `length` bytes of what waits. */
  #next(connection: Connection, length: number): Uint8Array[] {
    const parts: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      const first = connection.waiting[0]!;
      if (first.length <= left) connection.waiting.shift();
      else connection.waiting[0] = first.subarray(left);
      parts.push(first.subarray(0, left));
      left -= Math.min(left, first.length);
    }
    connection.waitingBytes -= length;
    return parts;
  }

  /** The event that makes a driver forget its connections (5.10.6.7). */
  #tellReset(queue: Virtqueue): boolean {
    if (!this.#resetWanted) return false;
    const chain = queue.pop();
    if (chain === undefined) return false;
    this.#resetWanted = false;
    const event = new Uint8Array(EVENT_BYTES);
    new DataView(event.buffer).setUint32(0, EVENT_TRANSPORT_RESET, true);
    this.finish(queue, chain, copyIn(chain.writable, 0, event));
    return true;
  }

  #header(connection: Connection, op: number, length = 0): PacketHeader {
    connection.told = connection.forwarded;
    return {
      sourceCid: HOST_CID,
      destinationCid: this.#cid,
      sourcePort: connection.hostPort,
      destinationPort: connection.guestPort,
      length,
      type: TYPE_STREAM,
      op,
      flags: 0,
      bufferAllocated: BUFFER_BYTES,
      forwardCount: connection.forwarded >>> 0,
    };
  }

  #answer(connection: Connection, op: number): void {
    this.#answers.push(this.#header(connection, op));
    this.#offer();
  }

  /** To a packet that belongs to no connection. */
  #refuse(header: PacketHeader): void {
    this.#answers.push({
      ...header,
      sourceCid: header.destinationCid,
      destinationCid: header.sourceCid,
      sourcePort: header.destinationPort,
      destinationPort: header.sourcePort,
      length: 0,
      op: OP.RST,
      flags: 0,
      bufferAllocated: 0,
      forwardCount: 0,
    });
    this.#offer();
  }

  #add(hostPort: number, guestPort: number, state: Connection['state']): Connection {
    const connection: Connection = {
      key: keyOf(hostPort, guestPort),
      hostPort,
      guestPort,
      stream: undefined,
      state,
      waiting: [],
      waitingBytes: 0,
      stalled: false,
      sent: 0,
      peerForwarded: 0,
      peerAllocated: 0,
      received: 0,
      forwarded: 0,
      told: 0,
      guestSends: true,
      guestReceives: true,
      hostEnded: false,
      endTold: false,
    };
    this.#connections.set(connection.key, connection);
    return connection;
  }

  #isKnown(connection: Connection): boolean {
    return this.#connections.get(connection.key) === connection;
  }

  #forget(connection: Connection): void {
    if (!this.#isKnown(connection)) return;
    this.#connections.delete(connection.key);
    connection.stream?.onClose();
  }

  #dropAll(): void {
    for (const connection of [...this.#connections.values()]) this.#forget(connection);
    this.#answers = [];
  }
}

const keyOf = (hostPort: number, guestPort: number): string => `${hostPort}:${guestPort}`;
