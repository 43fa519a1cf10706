// The agent's end of one guest's frame socket. The guest process listens, we connect, and connect again whenever the
// connection is lost: either side may restart. What a guest does not read is dropped and counted after a bound, so that
// it stalls nobody else.
//
//   connecting ──► connected ──lost──► waiting ──pause──► connecting      close(): over

import { createConnection, type Socket } from 'node:net';
import { wire } from '#dataplane';
import { FrameBatch, FrameReader, type Framing } from './stream-framing.ts';

/** Bytes that may wait for a guest to read them. */
const MAX_QUEUED = 1024 * 1024;
/** As many as Node takes datagrams from a socket in one turn of its loop: a tunnel into the same process keeps up. */
const FRAMES_A_TURN = 32;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 1000;

export interface FrameLinkInit {
  readonly path: string;
  readonly framing: Framing;
  /** Whether the guest's card takes what a frame leaves to be done. */
  readonly offloads: boolean;
  /** One frame, with its virtio-net header when the framing has one. */
  readonly onFrame: (frame: Buffer) => void;
  readonly onConnected: (connected: boolean) => void;
  /** Why a connection ended, for the log. */
  readonly onTrouble: (why: string) => void;
}

export class FrameLink {
  readonly path: string;
  readonly framing: Framing;
  readonly offloads: boolean;
  readonly #init: FrameLinkInit;
  readonly #batch = new FrameBatch();
  #socket: Socket | undefined;
  #connected = false;
  #retry: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE_MS;
  #closed = false;

  constructor(init: FrameLinkInit) {
    this.#init = init;
    this.path = init.path;
    this.framing = init.framing;
    this.offloads = init.offloads;
    this.#connect();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** False when the guest has too much to read already. Sent by the next flush. */
  send(header: Uint8Array, payload: Uint8Array, offload: wire.Offload = wire.NO_OFFLOAD): boolean {
    const socket = this.#socket;
    if (!this.#connected || socket === undefined) return false;
    const size = header.length + payload.length;
    if (socket.writableLength + this.#batch.length + size > MAX_QUEUED) return false;
    if (!this.#batch.fits(size)) {
      this.flush();
      this.#batch.renew();
    }
    this.#batch.add(header, payload, this.framing, offload);
    return true;
  }

  flush(): void {
    if (this.#batch.length === 0) return;
    const bytes = this.#batch.take();
    if (this.#connected) this.#socket?.write(bytes);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  #connect(): void {
    const socket = createConnection(this.path);
    const reader = new FrameReader(this.#init.onFrame);
    this.#socket = socket;
    socket.on('connect', () => {
      this.#pause = FIRST_PAUSE_MS;
      this.#connected = true;
      this.#init.onConnected(true);
    });
    socket.on('data', (chunk: Buffer) => {
      reader.feed(chunk);
      this.#read(socket, reader);
    });
    socket.on('error', (error) => this.#init.onTrouble(error.message));
    socket.on('close', () => this.#lost(socket));
  }

  /** A guest that sends without end has its turn, and so have the others, the tunnel and whatever else lives here. */
  #read(socket: Socket, reader: FrameReader): void {
    switch (reader.read(FRAMES_A_TURN)) {
      case 'all':
        if (socket.isPaused()) socket.resume();
        return;
      case 'more':
        socket.pause();
        setImmediate(() => this.#read(socket, reader));
        return;
      case 'broken':
        socket.destroy(new Error('the guest process sent a length that no frame has'));
    }
  }

  #lost(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#drop();
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#connect(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    this.#batch.take();
    if (!this.#connected) return;
    this.#connected = false;
    this.#init.onConnected(false);
  }
}
