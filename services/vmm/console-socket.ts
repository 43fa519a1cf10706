// The console socket: any number of clients see all output; the input of all goes to the guest.

import type { Server, Socket } from 'node:net';
import type { ConsoleHub } from './console-hub.ts';
import { closeServer, listen } from './sockets.ts';

/** A client that lags behind by this much loses its connection rather than filling our memory. */
const MAX_BEHIND = 4 * 1024 * 1024;

export class ConsoleSocket {
  readonly #hub: ConsoleHub;
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;

  constructor(hub: ConsoleHub) {
    this.#hub = hub;
  }

  async listen(path: string): Promise<void> {
    this.#server = await listen(path, (socket) => this.#serve(socket));
  }

  async close(): Promise<void> {
    // What the guest printed last is on its way: end, not destroy.
    await Promise.all([...this.#clients].map((socket) => new Promise<void>((resolve) => socket.end(resolve))));
    if (this.#server !== undefined) await closeServer(this.#server, this.#clients);
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    const recent = this.#hub.recent();
    if (recent.length > 0) socket.write(recent);
    const detach = this.#hub.attach((bytes) => {
      if (socket.writableLength > MAX_BEHIND) socket.destroy();
      else socket.write(bytes);
    });
    socket.on('data', (bytes: Buffer) => this.#hub.type(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      detach();
      this.#clients.delete(socket);
    });
  }
}
