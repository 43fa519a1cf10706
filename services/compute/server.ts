// The agent's gRPC service: what streams. Errors keep their CumuletError code in the metadata key `cumulet-code`.

import * as grpc from '@grpc/grpc-js';
import { CumuletError, type ErrorCode, type Log, messageOf, type Startable } from '#base';
import { computeV1 } from '#gen';
import { type Relay, type RelayClient, relayConsole, relayDisplay } from './console-relay.ts';
import type { Driver } from './driver.ts';
import type { Supervisor } from './supervisor.ts';

/** The most that GetConsoleOutput returns. */
const MAX_CONSOLE_BYTES = 1 << 20;

const STATUS: Readonly<Partial<Record<ErrorCode, grpc.status>>> = {
  invalid: grpc.status.INVALID_ARGUMENT,
  unauthenticated: grpc.status.UNAUTHENTICATED,
  forbidden: grpc.status.PERMISSION_DENIED,
  not_found: grpc.status.NOT_FOUND,
  conflict: grpc.status.FAILED_PRECONDITION,
  stale_generation: grpc.status.FAILED_PRECONDITION,
  already_exists: grpc.status.ALREADY_EXISTS,
  unsupported: grpc.status.UNIMPLEMENTED,
  unavailable: grpc.status.UNAVAILABLE,
  timeout: grpc.status.DEADLINE_EXCEEDED,
  aborted: grpc.status.ABORTED,
};

type ConsoleStream = grpc.ServerDuplexStream<computeV1.ConsoleInput__Output, computeV1.ConsoleChunk>;

export interface AgentServerInit {
  /** Address to listen on, without a port. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
  readonly credentials?: grpc.ServerCredentials;
}

export class AgentServer implements Startable {
  readonly #supervisor: Supervisor;
  readonly #driver: Driver;
  readonly #log: Log;
  readonly #init: AgentServerInit;
  readonly #server = new grpc.Server();
  #port = 0;

  constructor(components: { supervisor: Supervisor; driver: Driver; log: Log }, init: AgentServerInit) {
    this.#supervisor = components.supervisor;
    this.#driver = components.driver;
    this.#log = components.log;
    this.#init = init;
    this.#server.addService(computeV1.agentServiceClient().service, this.#handlers());
  }

  /** host:port, once it listens. */
  get address(): string {
    return this.#port === 0 ? '' : `${this.#init.address}:${this.#port}`;
  }

  async start(): Promise<void> {
    const credentials = this.#init.credentials ?? grpc.ServerCredentials.createInsecure();
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`${this.#init.address}:${this.#init.port}`, credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
  }

  async stop(): Promise<void> {
    this.#server.forceShutdown();
  }

  #handlers(): computeV1.ComputeAgentServiceHandlers {
    return {
      GetConsoleOutput: this.#unary(async ({ instanceId, lines }) => {
        const { instance } = this.#supervisor.get(instanceId);
        const bytes = await this.#driver.consoleLog(instance, MAX_CONSOLE_BYTES);
        return { output: Buffer.from(lines === 0 ? bytes : lastLines(bytes, lines)) };
      }),
      GetStats: this.#unary(async ({ instanceId }) => {
        const { instance } = this.#supervisor.get(instanceId);
        return { json: JSON.stringify(await this.#driver.stats(instance.id)) };
      }),
      AttachConsole: (stream) => this.#attach(stream, relayConsole),
      AttachDisplay: (stream) => this.#attach(stream, relayDisplay),
      Inspect: this.#unary(async ({ instanceId }) => {
        const { instance } = this.#supervisor.get(instanceId);
        return { json: JSON.stringify(await this.#driver.inspect(instance.id)) };
      }),
      Translate: this.#unary(async ({ instanceId, address, hart, privilege }) => {
        const { instance } = this.#supervisor.get(instanceId);
        const at = { address, hart, privilege: privilegeOf(privilege) };
        return { json: JSON.stringify(await this.#driver.translate(instance.id, at)) };
      }),
    };
  }

  #unary<Request, Response>(
    answer: (request: Request) => Promise<Response>,
  ): (call: { request: Request }, reply: grpc.sendUnaryData<Response>) => void {
    return (call, reply) => {
      answer(call.request).then(
        (response) => reply(null, response),
        (error: unknown) => reply(serviceError(error)),
      );
    };
  }

  /** The first message names the instance; everything after it goes to its console. */
  #attach(
    stream: ConsoleStream,
    relayed: (components: { supervisor: Supervisor; driver: Driver }, client: RelayClient) => Promise<Relay>,
  ): void {
    const early: computeV1.ConsoleInput__Output[] = [];
    let take = (input: computeV1.ConsoleInput__Output): void => void early.push(input);
    stream.once('data', (first: computeV1.ConsoleInput__Output) => {
      stream.on('data', (input: computeV1.ConsoleInput__Output) => take(input));
      relayed(
        { supervisor: this.#supervisor, driver: this.#driver },
        {
          instanceId: first.instanceId ?? '',
          output: (bytes) => void stream.write({ data: Buffer.from(bytes) }),
          ended: () => stream.end(),
        },
      ).then(
        (relay) => {
          take = (input) => {
            if (input.phase === 'data' && input.data !== undefined) relay.write(input.data);
            if (input.phase === 'resize' && input.resize != null) relay.resize(input.resize.columns, input.resize.rows);
          };
          for (const input of early) take(input);
          const leave = (): void => relay.close();
          stream.on('end', () => {
            leave();
            stream.end();
          });
          stream.on('cancelled', leave);
          stream.on('error', leave);
          if (stream.cancelled) leave();
        },
        (error: unknown) => {
          this.#log.debug({ err: error }, 'a console could not be attached');
          stream.emit('error', serviceError(error));
        },
      );
    });
    stream.on('error', () => {});
  }
}

function privilegeOf(text: string): 'U' | 'S' | 'M' | undefined {
  if (text === '') return undefined;
  if (text === 'U' || text === 'S' || text === 'M') return text;
  throw new CumuletError('invalid', `There is no privilege ${text}: it is U, S or M.`);
}

export function serviceError(error: unknown): Partial<grpc.StatusObject> & { details: string } {
  const code: ErrorCode = error instanceof CumuletError ? error.code : 'internal';
  const metadata = new grpc.Metadata();
  metadata.set('cumulet-code', code);
  return { code: STATUS[code] ?? grpc.status.INTERNAL, details: messageOf(error), metadata };
}

/** The last `count` lines; a last line that is not finished yet counts. */
export function lastLines(bytes: Uint8Array, count: number): Uint8Array {
  let at = bytes.length;
  if (bytes.at(-1) === 10) at -= 1;
  for (let lines = 0; at > 0; at -= 1) {
    if (bytes[at - 1] !== 10) continue;
    lines += 1;
    if (lines === count) break;
  }
  return bytes.subarray(at);
}
