// Where a debugger connects: one at a time, on a TCP port (loopback unless told otherwise) or a Unix socket. Knows sockets;
// the protocol is gdb/, the machine machine-debug.ts.

import { createServer, type Server, type Socket } from 'node:net';
import { CumuletError, messageOf } from '#base';
import type { GdbAddress } from './gdb/address.ts';
import { GdbSession } from './gdb/session.ts';
import type { GdbTarget } from './gdb/target.ts';
import { closeServer, listen } from './sockets.ts';

export class GdbServer {
  readonly #target: GdbTarget;
  readonly #log: (message: string) => void;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #taken = false;

  constructor(target: GdbTarget, log: (message: string) => void) {
    this.#target = target;
    this.#log = log;
  }

  /** Returns what to type into GDB. */
  async listen(address: GdbAddress): Promise<string> {
    if (address.kind === 'unix') {
      this.#server = await listen(address.path, (socket) => void this.#serve(socket));
      return `target remote ${address.path}`;
    }
    const server = createServer((socket) => void this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new CumuletError('internal', `the debugger's port cannot be opened: ${messageOf(error)}`)),
      );
      server.listen(address.port, address.host, resolve);
    });
    this.#server = server;
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
    return `target remote ${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sockets].map((socket) => new Promise<void>((resolve) => socket.end(resolve))));
    if (this.#server !== undefined) await closeServer(this.#server, this.#sockets);
  }

  async #serve(socket: Socket): Promise<void> {
    if (this.#taken) {
      socket.destroy();
      return;
    }
    this.#taken = true;
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    const session = new GdbSession(
      this.#target,
      (bytes) => {
        if (socket.writable) socket.write(bytes);
      },
      () => socket.end(),
    );
    const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    try {
      // GDB takes it for granted that what it connects to stands still.
      await this.#target.pause();
      socket.on('data', (bytes: Buffer) => session.receive(bytes));
      await gone;
      await session.lost();
    } catch (error) {
      this.#log(`the debugger's session failed: ${messageOf(error)}`);
      socket.destroy();
    } finally {
      this.#sockets.delete(socket);
      this.#taken = false;
    }
  }
}
