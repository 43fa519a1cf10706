// Guest RAM by offset over a Unix socket: what a migration copies, while the guest runs. The protocol is in contract.ts.

import type { Server, Socket } from 'node:net';
import { closeServer, listen } from './sockets.ts';

const HEADER = 16;
const READ = 1;
const WRITE = 2;
/** The most that one request moves. */
const MAX_BYTES = 16 * 1024 * 1024;
/** The answer to a WRITE. */
const DONE = Buffer.from([0, 0, 0, 0]);

export interface MemoryAccess {
  readonly bytes: Uint8Array;
  /** Whether RAM may be written to: no hart runs. */
  writable(): boolean;
  written(offset: number, length: number): void;
}

export class MemorySocket {
  readonly #memory: MemoryAccess;
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;

  constructor(memory: MemoryAccess) {
    this.#memory = memory;
  }

  async listen(path: string): Promise<void> {
    this.#server = await listen(path, (socket) => this.#serve(socket));
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server, this.#clients);
    this.#server = undefined;
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#clients.delete(socket));
    this.#answer(socket).catch(() => socket.destroy());
  }

  async #answer(socket: Socket): Promise<void> {
    const header = Buffer.alloc(HEADER);
    let have = 0;
    /** Where data of a WRITE goes on, and what is left of it. */
    let at = 0;
    let left = 0;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      for (let from = 0; from < chunk.length; ) {
        if (left > 0) {
          const part = chunk.subarray(from, from + left);
          this.#write(at, part);
          from += part.length;
          at += part.length;
          left -= part.length;
          if (left === 0) await send(socket, DONE);
          continue;
        }
        const part = chunk.subarray(from, from + HEADER - have);
        header.set(part, have);
        have += part.length;
        from += part.length;
        if (have < HEADER) continue;
        have = 0;
        const [op, length, offset] = [header.readUInt32LE(0), header.readUInt32LE(4), header.readBigUInt64LE(8)];
        if (length === 0 || length > MAX_BYTES || offset + BigInt(length) > BigInt(this.#memory.bytes.length)) {
          socket.destroy();
          return;
        }
        at = Number(offset);
        if (op === READ) {
          // A copy: the guest goes on writing while it is sent.
          await send(socket, Buffer.from(this.#memory.bytes.subarray(at, at + length)));
        } else if (op === WRITE && this.#memory.writable()) {
          left = length;
        } else {
          socket.destroy();
          return;
        }
      }
    }
  }

  #write(at: number, part: Uint8Array): void {
    if (!this.#memory.writable()) throw new Error('the guest was started while its memory was being written');
    this.#memory.bytes.set(part, at);
    this.#memory.written(at, part.length);
  }
}

async function send(socket: Socket, bytes: Buffer): Promise<void> {
  if (socket.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}
