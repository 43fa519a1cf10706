// The node's tunnel endpoint: VXLAN datagrams over UDP. Received on one socket (port 4789 by default); sent from a few
// others, one chosen by the flow's hash, so that flows spread over an underlay with several paths (RFC 7348 section 5).
// The receiving socket is never connected: kernel VTEPs send from a port of each flow.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { CumuletError, messageOf } from '#base';
import { wire } from '#dataplane';

const SENDERS = 4;
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** Bytes that may wait in one sending socket. */
const MAX_QUEUED = 1024 * 1024;

export interface VtepInit {
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly onDatagram: (from: string, datagram: Buffer) => void;
}

export interface TunnelCounters {
  /** Datagrams that the host did not take. */
  sendErrors: number;
  queueFull: number;
}

export class VtepSocket {
  readonly counters: TunnelCounters = { sendErrors: 0, queueFull: 0 };
  readonly #init: VtepInit;
  readonly #peers = new Map<string, { address: string; port: number }>();
  readonly #senders: Socket[] = [];
  #receiver: Socket | undefined;
  #port = 0;

  constructor(init: VtepInit) {
    this.#init = init;
  }

  /** `address:port`, as other nodes are told. */
  get endpoint(): string {
    return `${this.#init.address}:${this.#port}`;
  }

  async start(): Promise<void> {
    const { address, port } = this.#init;
    try {
      const receiver = await bound(address, port);
      this.#receiver = receiver;
      this.#port = receiver.address().port;
      receiver.on('message', (datagram, from) => this.#init.onDatagram(from.address, datagram));
      for (let count = 0; count < SENDERS; count++) this.#senders.push(await bound(address, 0));
    } catch (error) {
      await this.stop();
      const why = messageOf(error);
      throw new CumuletError('unavailable', `The tunnel endpoint ${address}:${port} cannot be opened: ${why}.`, {
        cause: error,
      });
    }
  }

  async stop(): Promise<void> {
    const sockets = [this.#receiver, ...this.#senders.splice(0)];
    this.#receiver = undefined;
    for (const socket of sockets) socket?.close();
  }

  send(vtep: string, vni: number, header: Uint8Array, payload: Uint8Array, hash: number): void {
    const socket = this.#senders[hash % SENDERS];
    if (socket === undefined) return;
    if (socket.getSendQueueSize() > MAX_QUEUED) {
      this.counters.queueFull++;
      return;
    }
    const peer = this.#peerOf(vtep);
    // The frame is copied: its memory is the receiver's, and the send may be later than this call.
    const datagram = Buffer.allocUnsafe(wire.VXLAN_HEADER + header.length + payload.length);
    wire.writeVxlan(datagram, 0, vni);
    datagram.set(header, wire.VXLAN_HEADER);
    datagram.set(payload, wire.VXLAN_HEADER + header.length);
    socket.send(datagram, peer.port, peer.address, this.#sent);
  }

  readonly #sent = (error: Error | null): void => {
    if (error !== null) this.counters.sendErrors++;
  };

  #peerOf(vtep: string): { address: string; port: number } {
    let peer = this.#peers.get(vtep);
    if (peer === undefined) {
      const at = vtep.lastIndexOf(':');
      peer = { address: vtep.slice(0, at), port: Number(vtep.slice(at + 1)) };
      this.#peers.set(vtep, peer);
    }
    return peer;
  }
}

async function bound(address: string, port: number): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: RECEIVE_BUFFER,
    // Peers are addresses: asking the resolver for each datagram would cost more than sending it.
    lookup: (host, _options, found) => found(null, host, 4),
  });
  // Waited for from before: the lookup above answers at once, and so does the bind.
  const listening = once(socket, 'listening');
  socket.bind({ address, port, exclusive: true });
  await listening.catch((error: unknown) => {
    socket.close();
    throw error;
  });
  socket.on('error', () => {});
  return socket;
}
