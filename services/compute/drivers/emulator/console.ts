// The consoles of a guest: their sockets, and the file that keeps what the serial one printed.

import { open, stat, truncate } from 'node:fs/promises';
import { connect } from 'node:net';
import { CumuletError } from '#base';
import type { ConsoleSession } from '../../driver.ts';

export function attachToConsole(
  path: string,
  resize: (columns: number, rows: number) => void,
): Promise<ConsoleSession> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let ended = (): void => {};
    let isEnded = false;
    socket.once('error', (error) => {
      reject(new CumuletError('unavailable', 'The console of the guest cannot be reached.', { cause: error }));
    });
    socket.on('close', () => {
      isEnded = true;
      ended();
    });
    socket.once('connect', () => {
      resolve({
        write: (bytes) => void socket.write(bytes),
        resize,
        onOutput: (receive) => void socket.on('data', receive),
        onEnd: (listener) => {
          ended = listener;
          if (isEnded) listener();
        },
        close: () => {
          ended = () => {};
          socket.destroy();
        },
      });
    });
  });
}

/** The last `bytes` bytes of a file; empty when there is none. */
export async function readTail(path: string, bytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return new Uint8Array(0);
  try {
    const { size } = await file.stat();
    const length = Math.min(size, bytes);
    const tail = new Uint8Array(length);
    const { bytesRead } = await file.read(tail, 0, length, size - length);
    return tail.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Cuts a log that a guest has filled beyond `limit` down to its last `keep` bytes. The guest goes on appending. */
export async function shorten(path: string, limit: number, keep: number): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size <= limit) return;
  const tail = await readTail(path, keep);
  await truncate(path, 0);
  const file = await open(path, 'a');
  try {
    await file.write(tail);
  } finally {
    await file.close();
  }
}
