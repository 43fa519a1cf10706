// What streams between the API and node agents: consoles and statistics, over gRPC (proto/compute/v1). One connection a
// host, opened at first use and kept.

import * as grpc from '@grpc/grpc-js';
import { CumuletError, type ErrorCode } from '#base';
import { loadServices } from '#gen';
import { HOST, type Server } from '#model';
import type { Records } from '#store';

type Unary = (
  request: object,
  options: grpc.CallOptions,
  done: (error: grpc.ServiceError | null, answer: unknown) => void,
) => void;

interface Client extends grpc.Client {
  GetConsoleOutput: Unary;
  GetStats: Unary;
  AttachConsole(): ConsoleStream;
}

export type ConsoleStream = grpc.ClientDuplexStream<object, { readonly data: Buffer }>;

const TIMEOUT_MS = 10_000;

const CODES: { readonly [status: number]: ErrorCode } = {
  [grpc.status.NOT_FOUND]: 'not_found',
  [grpc.status.UNAVAILABLE]: 'unavailable',
  [grpc.status.DEADLINE_EXCEEDED]: 'timeout',
  [grpc.status.FAILED_PRECONDITION]: 'conflict',
  [grpc.status.UNIMPLEMENTED]: 'unsupported',
};

export class AgentRpc {
  readonly #clients = new Map<string, Client>();
  #made: (new (address: string, credentials: grpc.ChannelCredentials) => Client) | undefined;

  async consoleOutput(records: Records, server: Server, lines: number): Promise<Buffer> {
    const answer = await this.#call(records, server, 'GetConsoleOutput', { instanceId: server.id, lines });
    return (answer as { output: Buffer }).output;
  }

  /** The guest's statistics, as its driver gives them. */
  async stats(records: Records, server: Server): Promise<Record<string, unknown>> {
    const answer = await this.#call(records, server, 'GetStats', { instanceId: server.id });
    return JSON.parse((answer as { json: string }).json) as Record<string, unknown>;
  }

  attachConsole(records: Records, server: Server): ConsoleStream {
    const stream = this.#client(records, server).AttachConsole();
    stream.write({ instanceId: server.id });
    return stream;
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }

  #call(records: Records, server: Server, method: 'GetConsoleOutput' | 'GetStats', request: object): Promise<unknown> {
    const client = this.#client(records, server);
    return new Promise((resolve, reject) => {
      client[method](request, { deadline: Date.now() + TIMEOUT_MS }, (error, answer) => {
        if (error) reject(new CumuletError(CODES[error.code] ?? 'internal', error.details, { cause: error }));
        else resolve(answer);
      });
    });
  }

  #client(records: Records, server: Server): Client {
    const host = server.owner === null ? undefined : records.peek(HOST, server.owner.host)?.value;
    if (host === undefined || host.grpcAddress === '') {
      throw new CumuletError('conflict', `Instance ${server.id} is not ready`);
    }
    let client = this.#clients.get(host.grpcAddress);
    if (client === undefined) {
      client = new (this.#service())(host.grpcAddress, grpc.credentials.createInsecure());
      this.#clients.set(host.grpcAddress, client);
    }
    return client;
  }

  /** The schema is loaded at the first call, not when the controller starts. */
  #service(): new (address: string, credentials: grpc.ChannelCredentials) => Client {
    if (this.#made === undefined) {
      const root = grpc.loadPackageDefinition(loadServices()) as unknown as {
        compute: { v1: { ComputeAgentService: new (address: string, credentials: grpc.ChannelCredentials) => Client } };
      };
      this.#made = root.compute.v1.ComputeAgentService;
    }
    return this.#made;
  }
}
