// Waits for what a cloud does in its own time. Asks often at first and less often later: a server on this cloud is
// there in well under a second, on another after a minute.

import type { ComputeClient, Server } from './compute.ts';
import { ClientError, isNotFound } from './error.ts';

export interface WaitOptions {
  readonly timeoutMs?: number;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  readonly now?: () => number;
  /** Called with each state that was seen. */
  readonly onState?: (text: string) => void;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** Calls `probe` until it answers something other than undefined. */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined>,
  options: WaitOptions = {},
): Promise<T> {
  const sleep = options.sleep ?? ((ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)));
  const now = options.now ?? (() => performance.now());
  const deadline = now() + (options.timeoutMs ?? 600_000);
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.3, LONGEST_PAUSE_MS)) {
    const found = await probe();
    if (found !== undefined) return found;
    if (now() + pause > deadline) throw new ClientError(`Gave up waiting for ${what}.`);
    await sleep(pause);
  }
}

/** Until the server is in `status` and nothing is under way; throws its fault when it ends in ERROR instead. */
export function waitForServer(
  compute: ComputeClient,
  id: string,
  status: readonly string[],
  options: WaitOptions = {},
): Promise<Server> {
  return waitFor(
    `server ${id} to become ${status.join(' or ')}`,
    async () => {
      const server = await compute.servers.get(id);
      const task = server['OS-EXT-STS:task_state'];
      options.onState?.(typeof task === 'string' ? `${server.status} (${task})` : server.status);
      if (status.includes(server.status) && (task === null || task === undefined)) return server;
      if (server.status === 'ERROR' && !status.includes('ERROR')) throw faultOfServer(server);
      return undefined;
    },
    options,
  );
}

export function faultOfServer(server: Server): ClientError {
  const fault = server.fault as { code?: number; message?: string } | undefined;
  const reason = fault?.message ?? 'the cloud gave no reason';
  return new ClientError(`Server ${server.name} (${server.id}) went to ERROR: ${reason}`, { code: fault?.code });
}

export function waitForServerGone(compute: ComputeClient, id: string, options: WaitOptions = {}): Promise<true> {
  return waitFor(
    `server ${id} to be deleted`,
    async () => {
      try {
        const server = await compute.servers.get(id);
        options.onState?.(server.status);
        if (server.status === 'DELETED') return true as const;
        if (server.status === 'ERROR' && !server['OS-EXT-STS:task_state']) throw faultOfServer(server);
        return undefined;
      } catch (error) {
        if (isNotFound(error)) return true as const;
        throw error;
      }
    },
    options,
  );
}
