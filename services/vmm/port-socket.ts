// The host's end of a named console port: a Unix socket that one program at a time connects to; a new one replaces the old.
// Bytes both ways; either side that is slow makes the other wait, or, where that cannot be, loses its connection.

import type { Server, Socket } from 'node:net';
import type { PortBackend } from '#emulator';
import { closeServer, listen } from './sockets.ts';

/** What a program may leave unread before it is cut off: the guest cannot be made to wait here. */
const MAX_BEHIND = 4 * 1024 * 1024;

export class PortSocket implements PortBackend {
  #server: Server | undefined;
  #client: Socket | undefined;
  #receive: (bytes: Uint8Array) => boolean = () => true;
  #changed: (open: boolean) => void = () => undefined;

  async listen(path: string): Promise<void> {
    this.#server = await listen(path, (socket) => this.#serve(socket));
  }

  async close(): Promise<void> {
    if (this.#server !== undefined) await closeServer(this.#server, this.#client === undefined ? [] : [this.#client]);
  }

  write(bytes: Uint8Array): void {
    const client = this.#client;
    if (client === undefined) return;
    if (client.writableLength > MAX_BEHIND) client.destroy();
    else client.write(bytes);
  }

  onInput(receive: (bytes: Uint8Array) => boolean): void {
    this.#receive = receive;
  }

  onDrain(): void {
    this.#client?.resume();
  }

  onOpen(changed: (open: boolean) => void): void {
    this.#changed = changed;
  }

  onGuestOpen(): void {}

  #serve(socket: Socket): void {
    this.#client?.destroy();
    this.#client = socket;
    socket.on('data', (bytes: Buffer) => {
      if (!this.#receive(bytes)) socket.pause();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#client !== socket) return;
      this.#client = undefined;
      this.#changed(false);
    });
    this.#changed(true);
  }
}
