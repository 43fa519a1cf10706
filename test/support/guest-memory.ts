// The client's side of a guest's memory socket (services/vmm/contract.ts).

import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';

const CHUNK = 4 * 1024 * 1024;

export class MemoryClient {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  static async connect(path: string): Promise<MemoryClient> {
    const socket = createConnection(path);
    await once(socket, 'connect');
    return new MemoryClient(socket);
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let at = offset; at < offset + length; at += CHUNK) {
      const part = Math.min(CHUNK, offset + length - at);
      this.#socket.write(header(1, part, at));
      parts.push(await this.#take(part));
    }
    return Buffer.concat(parts);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const part = bytes.subarray(at, at + CHUNK);
      this.#socket.write(header(2, part.length, offset + at));
      this.#socket.write(part);
      await this.#take(4);
    }
  }

  /** Sends bytes as they are; resolves when the guest has cut the connection. */
  async offend(bytes: Uint8Array): Promise<void> {
    this.#socket.write(bytes);
    await once(this.#socket, 'close');
  }

  end(): void {
    this.#socket.destroy();
  }

  async #take(length: number): Promise<Buffer> {
    const parts = [this.#rest];
    let have = this.#rest.length;
    while (have < length) {
      const { value, done } = await this.#chunks.next();
      if (done) throw new Error('the guest has closed its memory socket');
      parts.push(value);
      have += value.length;
    }
    const all = Buffer.concat(parts);
    this.#rest = all.subarray(length);
    return all.subarray(0, length);
  }
}

export function header(operation: number, length: number, offset: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(operation, 0);
  bytes.writeUInt32LE(length, 4);
  bytes.writeBigUInt64LE(BigInt(offset), 8);
  return bytes;
}
