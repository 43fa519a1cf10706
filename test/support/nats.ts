// A real nats-server for a test.

import { connect as connectSocket } from 'node:net';
import { findProgram, freePorts, type RunningProgram, startProgram, tempFolder } from './programs.ts';
import { waitUntil } from './wait.ts';

export interface NatsServer {
  /** 127.0.0.1:<port> */
  readonly address: string;
  /** kill -9 */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startNats(): Promise<NatsServer> {
  const program = findProgram('nats-server', 'nats-server');
  const folder = tempFolder('nats');
  const [port = 0] = await freePorts(1);
  const start = async (): Promise<RunningProgram> => {
    const running = startProgram(program, ['-a', '127.0.0.1', '-p', String(port)], folder.path);
    await waitUntil(async () => {
      if (!running.isRunning()) throw new Error(`nats-server ended at its start:\n${running.output()}`);
      return await accepts(port);
    }, 30_000);
    return running;
  };
  let running = await start();
  return {
    address: `127.0.0.1:${port}`,
    kill: () => running.end('SIGKILL'),
    restart: async () => {
      await running.end('SIGKILL');
      running = await start();
    },
    stop: async () => {
      await running.end();
      folder.remove();
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
