// The frame socket of one NIC: the node's switch connects here. One client at a time; a new one replaces the old, since
// an agent that restarted knows nothing of its former connection. Without a client frames are dropped and counted.
//
// The guest's card takes offloads whoever is at the other end: for a peer that does not (framing `ethernet`, or one that
// ignores the header) checksums are written and large sends cut here, by the dataplane's own code.

import type { Server, Socket } from 'node:net';
import { completeOffload, frameOf, wire } from '#dataplane';
import { type FrameBackend, MAX_FRAME_BYTES, NET_HEADER_BYTES } from '#emulator';
import { FrameBatch, FrameReader } from './frame-codec.ts';
import { closeServer, listen } from './sockets.ts';

/** Frames waiting for a slow switch, at most. */
const MAX_QUEUED = 4 * 1024 * 1024;
const ETHERNET_HEADER_BYTES = 14;

export class FrameSocket implements FrameBackend {
  readonly #framing: 'ethernet' | 'vnet-hdr';
  #server: Server | undefined;
  #client: Socket | undefined;
  #receive: (frame: Uint8Array) => boolean = () => false;
  readonly #offloads: boolean;
  readonly #batch = new FrameBatch();
  #flushing = false;

  /** `offloads`: the peer reads the header of framing `vnet-hdr` and does what it says. */
  constructor(framing: 'ethernet' | 'vnet-hdr', offloads: boolean) {
    this.#framing = framing;
    this.#offloads = offloads && framing === 'vnet-hdr';
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
    if (client === undefined || client.writableLength + this.#batch.length > MAX_QUEUED) return false;
    // The device sends its header as the first part.
    const header = frame[0]!;
    if (this.#offloads || wire.readVnetHeader(header, 0) === wire.NO_OFFLOAD) {
      this.#add(this.#framing === 'ethernet' ? frame.slice(1) : frame);
      return true;
    }
    const whole = this.complete(Buffer.concat(frame));
    for (const one of whole) this.#add([this.#framing === 'ethernet' ? one.subarray(NET_HEADER_BYTES) : one]);
    return whole.length > 0;
  }

  complete(frame: Uint8Array): readonly Uint8Array[] {
    const inner = frameOf(frame.subarray(NET_HEADER_BYTES), 0, wire.readVnetHeader(frame, 0));
    return ((inner === undefined ? undefined : completeOffload(inner)) ?? []).map((bytes) => {
      const whole = new Uint8Array(NET_HEADER_BYTES + bytes.length);
      whole.set(bytes, NET_HEADER_BYTES);
      return whole;
    });
  }

  #add(parts: readonly Uint8Array[]): void {
    if (!this.#batch.add(parts)) {
      this.#client?.write(this.#batch.take());
      this.#batch.add(parts);
    }
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => this.#flush());
  }

  /** All frames of one turn in one write: a system call a frame costs more than the frame. */
  #flush(): void {
    this.#flushing = false;
    const bytes = this.#batch.take();
    if (bytes.length > 0) this.#client?.write(bytes);
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
