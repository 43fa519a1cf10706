// The screen of a guest on a socket: any number of viewers, up to a limit, see the same picture; keys and pointers of all
// reach the guest.

import { createServer, type Server, type Socket } from 'node:net';
import { CumuletError } from '#base';
import type { Framebuffer } from '#emulator';
import { closeServer, listen } from '../sockets.ts';
import { type InputSink, RfbSession } from './session.ts';

/** Each takes about half a megabyte for its zlib stream. */
const MAX_VIEWERS = 16;

export class RfbServer {
  readonly #parts: { readonly screen: Framebuffer; readonly input: InputSink; readonly name: string };
  readonly #viewers = new Set<Socket>();
  #server: Server | undefined;

  constructor(screen: Framebuffer, input: InputSink, name: string) {
    this.#parts = { screen, input, name };
  }

  async listen(path: string): Promise<void> {
    this.#server = await listen(path, (socket) => this.#serve(socket));
  }

  /** For viewers of other programs. Port 0: any free one; returns which. */
  async listenOn(host: string, port: number): Promise<number> {
    const server = createServer((socket) => this.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) =>
        reject(new CumuletError('internal', `the screen cannot be served on ${host}:${port}: ${error.message}`)),
      );
      server.listen(port, host, resolve);
    });
    this.#server = server;
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server, this.#viewers);
  }

  #serve(socket: Socket): void {
    if (this.#viewers.size >= MAX_VIEWERS) {
      socket.destroy();
      return;
    }
    this.#viewers.add(socket);
    socket.on('close', () => this.#viewers.delete(socket));
    // Updates are small and wanted now.
    socket.setNoDelay(true);
    new RfbSession({ ...this.#parts, stream: socket });
  }
}
