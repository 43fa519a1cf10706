// Unix sockets that a guest process listens on. A socket that a dead process left behind is taken over.

import { rm } from 'node:fs/promises';
import { createServer, type Server, type ServerOpts, type Socket } from 'node:net';
import { CumuletError } from '#base';

/** sun_path holds 108 bytes, the last one a zero. */
const MAX_PATH_BYTES = 107;

export async function listen(
  path: string,
  connected: (socket: Socket) => void,
  options: ServerOpts = {},
): Promise<Server> {
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
    throw new CumuletError(
      'invalid',
      `the socket path ${path} is longer than the ${MAX_PATH_BYTES} bytes that the system allows`,
    );
  }
  await rm(path, { force: true });
  const server = createServer(options, connected);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return server;
}

export async function closeServer(server: Server, sockets: Iterable<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
