// The host's side of a guest's vsock, through Unix sockets as Firecracker has it:
//
//   host to guest   connect to <path>, say "CONNECT <port>\n", read "OK <host port>\n", then bytes both ways
//   guest to host   the guest connects to port n of CID 2: this connects to <path>_<n>, where a program of the host listens
//
// A stream that is slower than the guest keeps it waiting by its credit; a guest that is slower pauses the stream.

import { createConnection, type Server, type Socket } from 'node:net';
import { CumuletError } from '#base';
import type { GuestStream, HostStream, SocketBackend } from '#emulator';
import { closeServer, listen } from './sockets.ts';

/** "CONNECT 4294967295\n" and some room. */
const MAX_REQUEST = 64;
/** 107 that a socket's path may have, less those of `_4294967295`. */
const MAX_PATH_BYTES = 107 - 11;
const MAX_PORT = 0xffff_ffff;

export class VsockSocket implements SocketBackend {
  readonly #path: string;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #connect: (port: number, stream: HostStream) => void = (_port, stream) => stream.onClose();

  constructor(path: string) {
    this.#path = path;
  }

  async listen(): Promise<void> {
    if (Buffer.byteLength(this.#path) > MAX_PATH_BYTES)
      throw new CumuletError('invalid', `the vsock path ${this.#path} leaves no room for the port numbers behind it`);
    this.#server = await listen(this.#path, (socket) => this.#asked(socket), { allowHalfOpen: true });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server !== undefined) await closeServer(this.#server, this.#sockets);
  }

  onConnect(connect: (port: number, stream: HostStream) => void): void {
    this.#connect = connect;
  }

  open(port: number, taken: (stream: HostStream | undefined) => void): void {
    const socket = createConnection({ path: `${this.#path}_${port}`, allowHalfOpen: true });
    this.#keep(socket);
    const refused = (): void => taken(undefined);
    socket.once('close', refused);
    socket.once('connect', () => {
      socket.off('close', refused);
      taken(new Joined(socket));
    });
  }

  /** A program of the host that wants a port of the guest. */
  #asked(socket: Socket): void {
    this.#keep(socket);
    let request = '';
    const read = (): void => {
      // A byte at a time: what follows the line belongs to the guest.
      for (let byte = socket.read(1) as Buffer | null; byte !== null; byte = socket.read(1) as Buffer | null) {
        if (byte[0] !== 0x0a) {
          request += byte.toString('latin1');
          if (request.length > MAX_REQUEST) socket.destroy();
          continue;
        }
        socket.off('readable', read);
        const port = Number(/^CONNECT (\d{1,10})$/.exec(request)?.[1] ?? Number.NaN);
        if (port <= MAX_PORT) this.#connect(port, new Joined(socket, true));
        else socket.destroy();
        return;
      }
    };
    socket.on('readable', read);
    socket.on('end', () => {
      if (socket.listenerCount('readable') > 0) socket.destroy();
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** A socket of the host, joined to one of the guest. */
class Joined implements HostStream {
  readonly #socket: Socket;
  /** The program waits for "OK <port>" before it sends. */
  readonly #answers: boolean;
  #guest: GuestStream | undefined;
  #over = false;

  constructor(socket: Socket, answers = false) {
    this.#socket = socket;
    this.#answers = answers;
  }

  join(guest: GuestStream): void {
    this.#guest = guest;
    this.#socket.on('close', () => {
      if (!this.#over) guest.destroy();
    });
    if (!this.#answers) this.#read();
  }

  onOpen(port: number): void {
    this.#socket.write(`OK ${port}\n`);
    this.#read();
  }

  onData(bytes: Uint8Array): void {
    this.#socket.write(bytes, () => this.#guest?.forwarded(bytes.length));
  }

  onEnd(): void {
    this.#socket.end();
  }

  onDrain(): void {
    this.#socket.resume();
  }

  onClose(): void {
    this.#over = true;
    // What the guest sent before it closed still goes out.
    this.#socket.destroySoon();
  }

  #read(): void {
    const guest = this.#guest!;
    this.#socket.on('data', (bytes: Buffer) => {
      if (!guest.write(bytes)) this.#socket.pause();
    });
    this.#socket.on('end', () => guest.end());
    this.#socket.resume();
  }
}
