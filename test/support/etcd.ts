// A real etcd of one member for a test.

import { findProgram, freePorts, type RunningProgram, startProgram, tempFolder } from './programs.ts';
import { waitUntil } from './wait.ts';

export interface EtcdServer {
  /** http://127.0.0.1:<port> */
  readonly endpoint: string;
  /** kill -9 */
  kill(): Promise<void>;
  /** Starts it again over the same data, on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startEtcd(): Promise<EtcdServer> {
  const program = findProgram('etcd', 'etcd-server');
  const folder = tempFolder('etcd');
  const [client, peer] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`);
  const endpoint = client ?? '';
  const args = [
    ...['--name', 'test', '--data-dir', `${folder.path}/data`],
    ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
    ...[
      '--listen-peer-urls',
      `${peer}`,
      '--initial-advertise-peer-urls',
      `${peer}`,
      '--initial-cluster',
      `test=${peer}`,
    ],
  ];
  const start = async (): Promise<RunningProgram> => {
    const running = startProgram(program, args, folder.path);
    await waitUntil(async () => {
      if (!running.isRunning()) throw new Error(`etcd ended at its start:\n${running.output()}`);
      const answer = await fetch(`${endpoint}/health`).catch(() => undefined);
      return answer?.ok && (await answer.text()).includes('"true"');
    }, 30_000);
    return running;
  };
  let running = await start();
  return {
    endpoint,
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
