// Sockets between a guest and programs of its host, through the Unix sockets that Firecracker has them on.

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Console, EMULATOR } from '#test/support/emulator.ts';
import { initrdWith } from '#test/support/guest-program.ts';
import { tempFolder } from '#test/support/programs.ts';
import { tinyImage } from '#test/support/tiny-image.ts';

const PROGRAM = fileURLToPath(new URL('vsock.c', import.meta.url));
let folder: ReturnType<typeof tempFolder>;
let console: Console;
let path: string;

beforeEach(async () => {
  folder = tempFolder('vsock');
  path = join(folder.path, 'v');
  const initrd = join(folder.path, 'initrd');
  await writeFile(initrd, await initrdWith(tinyImage().initrd, PROGRAM, 'vsock', folder.path));
  const args = ['--kernel', tinyImage().kernel, '--initrd', initrd, '--append', 'console=ttyS0 quiet rescue'];
  console = new Console(EMULATOR, [...args, '--memory', '128', '--vsock', `${path},cid=7`]);
  await console.stage('shell', /~ # /);
});
afterEach(async () => {
  await console.end();
  folder.remove();
});

/** Connects to a port of the guest; what comes is gathered. */
async function connect(port: number): Promise<{ socket: Socket; received: Buffer[]; ended: Promise<unknown> }> {
  const socket = createConnection({ path, allowHalfOpen: true });
  const received: Buffer[] = [];
  socket.on('error', () => undefined);
  socket.on('data', (bytes: Buffer) => received.push(bytes));
  const ended = new Promise((resolve) => socket.once('close', resolve).once('end', resolve));
  await once(socket, 'connect');
  socket.write(`CONNECT ${port}\n`);
  return { socket, received, ended };
}

describe('a vsock', () => {
  it('carries a megabyte from a program of the host to the guest and back, and the end of it', async () => {
    console.type('vsock echo 1234\n');
    await console.stage('listening', /LISTENING/);
    const { socket, received, ended } = await connect(1234);
    const sent = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, i) => (i * 31) ^ (i >>> 8)));
    socket.write(sent);
    socket.end();
    await console.stage('echo', /ECHOED 1048576/);
    await ended;
    const all = Buffer.concat(received);
    const line = all.indexOf('\n') + 1;
    expect(all.subarray(0, line).toString()).toMatch(/^OK \d+\n$/);
    expect(all.subarray(line).equals(sent)).toBe(true);
  });

  it('ends where the guest does not listen, and where a program does not say how it wants to connect', async () => {
    const refused = await connect(4321);
    await refused.ended;
    expect(Buffer.concat(refused.received).length).toBe(0);
    const rude = createConnection(path);
    rude.on('error', () => undefined);
    rude.write('GET / HTTP/1.1\n');
    await once(rude, 'close');
  });

  it('takes a guest to a program of the host that listens, and refuses it where none does', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('data', (bytes: Buffer) => socket.write(bytes.toString().toUpperCase()));
      socket.on('end', () => socket.end());
    });
    await once(server.listen(`${path}_99`), 'listening');
    expect(await console.shell('vsock ask 99 hello; echo')).toBe('HELLO\n');
    expect(await console.shell('vsock ask 98 hello || true')).toMatch(/connect: Connection reset by peer/);
    server.close();
  });
});
