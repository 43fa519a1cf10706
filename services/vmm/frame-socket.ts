// The frame socket of one NIC: the node's switch connects here. One client at a time; a new one replaces the old, since
// an agent that restarted knows nothing of its former connection. Without a client frames are dropped and counted.

import type { Server, Socket } from 'node:net';
import { type FrameBackend, MAX_FRAME_BYTES, NET_HEADER_BYTES } from '#emulator';
import { encodeFrame, FrameReader } from './frame-codec.ts';
import { closeServer, listen } from './sockets.ts';

/** Frames waiting for a slow switch, at most. */
const MAX_QUEUED = 4 * 1024 * 1024;
const ETHERNET_HEADER_BYTES = 14;

export class FrameSocket implements FrameBackend {
  readonly #framing: 'ethernet' | 'vnet-hdr';
  #server: Server | undefined;
  #client: Socket | undefined;
  #receive: (frame: Uint8Array) => boolean = () => false;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(framing: 'ethernet' | 'vnet-hdr') {
    this.#framing = framing;
  }

  async listen(path: string): Promise<void> {
    this.#server = await listen(path, (socket) => this.#serve(socket));
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server, this.#client === undefined ? [] : [this.#client]);
  }

  onFrame(receive: (frame: Uint8Array) => boolean): void {
    this.#receive = receive;
  }

  send(frame: readonly Uint8Array[]): boolean {
    const client = this.#client;
    if (client === undefined || client.writableLength + this.#pendingBytes > MAX_QUEUED) return false;
    // The device sends its header as the first part.
    const bytes = encodeFrame(this.#framing === 'ethernet' ? frame.slice(1) : frame);
    if (this.#pending.length === 0) setImmediate(() => this.#flush());
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    return true;
  }

  /** All frames of one turn in one write: a system call a frame costs more than the frame. */
  #flush(): void {
    const bytes = this.#pending.length === 1 ? this.#pending[0]! : Buffer.concat(this.#pending, this.#pendingBytes);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#client?.write(bytes);
  }

  #serve(socket: Socket): void {
    this.#client?.destroy();
    this.#client = socket;
    const header = this.#framing === 'ethernet' ? 0 : NET_HEADER_BYTES;
    const reader = new FrameReader(header + ETHERNET_HEADER_BYTES, header + MAX_FRAME_BYTES - NET_HEADER_BYTES);
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk, (frame) => this.#deliver(frame));
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#client === socket) this.#client = undefined;
    });
  }

  #deliver(frame: Buffer): void {
    if (this.#framing === 'vnet-hdr') {
      this.#receive(frame);
      return;
    }
    const withHeader = new Uint8Array(NET_HEADER_BYTES + frame.length);
    withHeader.set(frame, NET_HEADER_BYTES);
    this.#receive(withHeader);
  }
}
