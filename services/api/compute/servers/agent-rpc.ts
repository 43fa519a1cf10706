// What streams between the API and node agents: consoles and statistics, over gRPC (proto/compute/v1). One connection a
// host, opened at first use and kept.

import * as grpc from '@grpc/grpc-js';
import { CumuletError, type ErrorCode } from '#base';
import { computeV1 } from '#gen';
import { HOST, type Server } from '#model';
import type { Records } from '#store';

type Client = InstanceType<ReturnType<typeof computeV1.agentServiceClient>>;
export type ConsoleStream = ReturnType<Client['attachConsole']>;

const TIMEOUT_MS = 10_000;

/** For what failed before an agent could say why: gRPC's own refusals. */
const CODES: { readonly [status: number]: ErrorCode } = {
  [grpc.status.NOT_FOUND]: 'not_found',
  [grpc.status.UNAVAILABLE]: 'unavailable',
  [grpc.status.DEADLINE_EXCEEDED]: 'timeout',
};

export function errorFrom(error: grpc.ServiceError): CumuletError {
  const told = error.metadata?.get('cumulet-code')[0] as ErrorCode | undefined;
  return new CumuletError(told ?? CODES[error.code] ?? 'internal', error.details, { cause: error });
}

export class AgentRpc {
  readonly #clients = new Map<string, Client>();

  async consoleOutput(records: Records, server: Server, lines: number): Promise<Buffer> {
    const client = this.#client(records, server);
    const { output } = await answer<{ output: Buffer }>((options, done) =>
      client.getConsoleOutput({ instanceId: server.id, lines }, options, done as never),
    );
    return output;
  }

  /** The guest's statistics, as its driver gives them. */
  async stats(records: Records, server: Server): Promise<unknown> {
    const client = this.#client(records, server);
    const { json } = await answer<{ json: string }>((options, done) =>
      client.getStats({ instanceId: server.id }, options, done as never),
    );
    return JSON.parse(json);
  }

  /** Harts and devices, as the guest's driver shows them. */
  async inspect(records: Records, server: Server): Promise<unknown> {
    const client = this.#client(records, server);
    const { json } = await answer<{ json: string }>((options, done) =>
      client.inspect({ instanceId: server.id }, options, done as never),
    );
    return JSON.parse(json);
  }

  async translate(
    records: Records,
    server: Server,
    at: { address: string; hart: number; privilege: string },
  ): Promise<unknown> {
    const client = this.#client(records, server);
    const { json } = await answer<{ json: string }>((options, done) =>
      client.translate({ instanceId: server.id, ...at }, options, done as never),
    );
    return JSON.parse(json);
  }

  attachConsole(records: Records, server: Server): ConsoleStream {
    const stream = this.#client(records, server).attachConsole();
    stream.write({ instanceId: server.id });
    return stream;
  }

  attachDisplay(records: Records, server: Server): ConsoleStream {
    const stream = this.#client(records, server).attachDisplay();
    stream.write({ instanceId: server.id });
    return stream;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #client(records: Records, server: Server): Client {
    const host = server.owner === null ? undefined : records.peek(HOST, server.owner.host)?.value;
    if (host === undefined || host.grpcAddress === '') {
      throw new CumuletError('conflict', `Instance ${server.id} is not ready`);
    }
    let client = this.#clients.get(host.grpcAddress);
    if (client === undefined) {
      // The schema is loaded at the first call, not when the controller starts.
      client = new (computeV1.agentServiceClient())(host.grpcAddress, grpc.credentials.createInsecure());
      this.#clients.set(host.grpcAddress, client);
    }
    return client;
  }
}

function answer<T>(
  call: (options: grpc.CallOptions, done: (error: grpc.ServiceError | null, value?: T) => void) => unknown,
): Promise<T> {
  return new Promise((resolve, reject) => {
    call({ deadline: Date.now() + TIMEOUT_MS }, (error, value) => {
      if (error || value === undefined) reject(error ? errorFrom(error) : new CumuletError('internal', 'no answer'));
      else resolve(value);
    });
  });
}
