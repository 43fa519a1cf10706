// The bus over a NATS server. The client reconnects by itself, for ever; publications made meanwhile are kept and sent
// later, requests fail by their timeout. An error of a responder is an answer with the header below.

import {
  connect,
  headers,
  type Msg,
  type NatsConnection,
  type Subscription as NatsSubscription,
  RequestError,
  TimeoutError,
} from 'nats';
import { CumuletError, createLog, type Log, messageOf } from '#base';
import type { Bus, BusMessage, RequestHandler, RequestOptions, SubscribeOptions, Subscription } from '../bus.ts';
import { busClosed, decodeError, disconnected, encodeError, noAnswer, noResponder, requestAborted } from '../errors.ts';
import { checkPattern, checkPayload, checkSubject } from '../subjects.ts';
import type { NatsBusOptions } from './connect.ts';

const ERROR_HEADER = 'Cumulet-Error';
const DEFAULT_TIMEOUT_MS = 5000;
const RECONNECT_MS = 250;

/** See connect.ts. */
export async function connectToNats(options: NatsBusOptions): Promise<Bus> {
  const { servers, log, ...credentials } = options;
  try {
    const connection = await connect({
      ...credentials,
      servers: [...servers],
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_MS,
    });
    return new NatsBus(connection, log);
  } catch (error) {
    const message = `The NATS server at ${servers.join(', ')} cannot be reached: ${messageOf(error)}.`;
    throw new CumuletError('unavailable', message, { cause: error });
  }
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  #log: Log | undefined;
  #closed = false;
  #connected = true;

  constructor(connection: NatsConnection, log: Log | undefined) {
    this.#connection = connection;
    this.#log = log;
    void this.#watchConnection();
  }

  /** A request made without a connection would be sent late, or be lost and waited for: it is refused at once. */
  async #watchConnection(): Promise<void> {
    for await (const status of this.#connection.status()) {
      if (status.type === 'disconnect') this.#connected = false;
      if (status.type === 'reconnect') this.#connected = true;
    }
  }

  publish(subject: string, payload: Uint8Array): void {
    checkSubject(subject);
    checkPayload(payload);
    // The client keeps a reference until it flushes; the caller may use its buffer again at once.
    if (!this.#closed) this.#connection.publish(subject, Uint8Array.from(payload));
  }

  async subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    return this.#receive(subject, options, (message) => {
      try {
        handler({ subject: message.subject, payload: message.data });
      } catch (error) {
        this.#logFailure(message.subject, error);
      }
    });
  }

  async respond(subject: string, handler: RequestHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    return this.#receive(subject, options, async (message) => {
      try {
        const answer = await handler({ subject: message.subject, payload: message.data });
        checkPayload(answer);
        message.respond(answer);
      } catch (error) {
        if (message.reply) this.#respondWithError(message, error);
        else this.#logFailure(message.subject, error);
      }
    });
  }

  async request(subject: string, payload: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    checkSubject(subject);
    checkPayload(payload);
    if (this.#closed) throw busClosed();
    if (options.signal?.aborted) throw requestAborted(subject);
    if (!this.#connected) throw disconnected(subject);
    const timeout = options.timeout ?? DEFAULT_TIMEOUT_MS;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = () => reject(requestAborted(subject));
    options.signal?.addEventListener('abort', abort);
    try {
      const asked = this.#connection.request(subject, Uint8Array.from(payload), { timeout });
      const answer = await Promise.race([asked, aborted]);
      if (answer.headers?.has(ERROR_HEADER)) throw decodeError(answer.data);
      return answer.data;
    } catch (error) {
      throw this.#translate(subject, timeout, error);
    } finally {
      options.signal?.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    // What was published is sent, when the server is there to take it.
    if (!this.#connection.isClosed()) await this.#connection.drain().catch(() => this.#connection.close());
  }

  async #receive(pattern: string, options: SubscribeOptions, deliver: (message: Msg) => void): Promise<Subscription> {
    checkPattern(pattern);
    if (this.#closed) throw busClosed();
    const subscription: NatsSubscription = this.#connection.subscribe(pattern, {
      queue: options.queue,
      callback: (error, message) => (error ? this.#logFailure(pattern, error) : deliver(message)),
    });
    // The server knows of it once it has answered.
    await this.#connection.flush();
    return {
      unsubscribe: async () => {
        subscription.unsubscribe();
        if (!this.#closed) await this.#connection.flush();
      },
    };
  }

  #respondWithError(message: Msg, error: unknown): void {
    const marked = headers();
    marked.set(ERROR_HEADER, error instanceof CumuletError ? error.code : 'internal');
    message.respond(encodeError(error), { headers: marked });
  }

  #translate(subject: string, timeout: number, error: unknown): unknown {
    if (error instanceof CumuletError) return error;
    if (error instanceof TimeoutError) return noAnswer(subject, timeout);
    if (error instanceof RequestError && error.isNoResponders()) return noResponder(subject);
    if (this.#closed) return busClosed();
    return new CumuletError('unavailable', `The bus failed on ${subject}: ${messageOf(error)}.`, { cause: error });
  }

  #logFailure(subject: string, error: unknown): void {
    this.#log ??= createLog('bus');
    this.#log.error({ err: error, subject }, `a handler failed: ${messageOf(error)}`);
  }
}
