// One client's terminal on an instance's console. It stays through a reboot: when the guest goes, the relay waits a while
// for the next one before it ends.

import { CumuletError } from '#base';
import type { ConsoleSession, Driver } from './driver.ts';
import type { Supervisor } from './supervisor.ts';

export interface RelayClient {
  readonly instanceId: string;
  output(bytes: Uint8Array): void;
  /** The guest is gone and does not come back. */
  ended(): void;
}

export interface Relay {
  write(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
  close(): void;
}

/** A viewer of the screen. It is not kept through a reboot: the protocol begins anew with each connection. */
export async function relayDisplay(
  components: { supervisor: Supervisor; driver: Driver },
  client: RelayClient,
): Promise<Relay> {
  components.supervisor.get(client.instanceId);
  const session = await components.driver.attachDisplay(client.instanceId);
  session.onOutput((bytes) => client.output(bytes));
  session.onEnd(() => client.ended());
  return {
    write: (bytes) => session.write(bytes),
    resize: () => undefined,
    close: () => session.close(),
  };
}

/** How long a client is kept without a guest. */
const PATIENCE_MS = 30_000;

export async function relayConsole(
  components: { supervisor: Supervisor; driver: Driver },
  client: RelayClient,
): Promise<Relay> {
  const { supervisor, driver } = components;
  const { instanceId } = client;
  const { observed } = supervisor.get(instanceId);
  const alive = (): boolean => {
    const power = driver.view(instanceId)?.power;
    return power === 'running' || power === 'paused';
  };
  if (!alive()) {
    throw new CumuletError(
      'conflict',
      `Instance ${instanceId} has no console while its power state is ${observed.power}.`,
    );
  }
  const closed = new AbortController();
  let size: { columns: number; rows: number } | undefined;
  let session: ConsoleSession | undefined;

  const join = async (): Promise<void> => {
    const joined = await driver.attachConsole(instanceId);
    if (closed.signal.aborted) return joined.close();
    session = joined;
    joined.onOutput((bytes) => client.output(bytes));
    joined.onEnd(() => {
      session = undefined;
      void rejoin();
    });
    if (size !== undefined) joined.resize(size.columns, size.rows);
  };

  const rejoin = async (): Promise<void> => {
    const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(PATIENCE_MS)]);
    while (!signal.aborted) {
      if (alive()) {
        try {
          return await join();
        } catch {
          // Not yet, or gone again.
        }
      }
      await supervisor.changed(instanceId, signal);
    }
    if (!closed.signal.aborted) client.ended();
  };

  await join();
  return {
    write: (bytes) => session?.write(bytes),
    resize: (columns, rows) => {
      size = { columns, rows };
      session?.resize(columns, rows);
    },
    close: () => {
      closed.abort();
      session?.close();
    },
  };
}
