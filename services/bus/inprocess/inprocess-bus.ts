// The bus inside one process. It behaves as NATS does: payloads are copied when sent and again for each receiver, handlers
// run in a later turn of the event loop, each receiver sees messages in the order they were published.

import { createLog, type Log, messageOf } from '#base';
import type { Bus, BusMessage, RequestHandler, RequestOptions, SubscribeOptions, Subscription } from '../bus.ts';
import { busClosed, decodeError, encodeError, noAnswer, noResponder, requestAborted } from '../errors.ts';
import { checkPattern, checkPayload, checkSubject, matches } from '../subjects.ts';

export interface InProcessBusOptions {
  readonly log?: Log;
}

export const createInProcessBus = (options: InProcessBusOptions = {}): Bus => new InProcessBus(options);

type Reply = (payload: Uint8Array, isError: boolean) => void;

interface Receiver {
  readonly pattern: string;
  readonly queue: string | undefined;
  readonly deliver: (message: BusMessage, reply: Reply | undefined) => void;
}

const DEFAULT_TIMEOUT_MS = 5000;

class InProcessBus implements Bus {
  #log: Log | undefined;
  readonly #receivers = new Set<Receiver>();
  readonly #pending = new Set<(error: Error) => void>();
  /** Whose turn it is in each queue. */
  readonly #turns = new Map<string, number>();
  #deliveries: (() => void)[] = [];
  #closed = false;

  constructor(options: InProcessBusOptions) {
    this.#log = options.log;
  }

  publish(subject: string, payload: Uint8Array): void {
    checkSubject(subject);
    checkPayload(payload);
    if (!this.#closed) this.#send(subject, payload, undefined);
  }

  async subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: SubscribeOptions = {},
  ): Promise<Subscription> {
    return this.#receive(subject, options, (message) => {
      try {
        handler(message);
      } catch (error) {
        this.#logFailure(message, error);
      }
    });
  }

  async respond(subject: string, handler: RequestHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    return this.#receive(subject, options, async (message, reply) => {
      try {
        const answer = await handler(message);
        checkPayload(answer);
        reply?.(Uint8Array.from(answer), false);
      } catch (error) {
        if (reply) reply(encodeError(error), true);
        else this.#logFailure(message, error);
      }
    });
  }

  async request(subject: string, payload: Uint8Array, options: RequestOptions = {}): Promise<Uint8Array> {
    checkSubject(subject);
    checkPayload(payload);
    if (this.#closed) throw busClosed();
    if (options.signal?.aborted) throw requestAborted(subject);
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const milliseconds = options.timeout ?? DEFAULT_TIMEOUT_MS;
    const timer = setTimeout(() => reject(noAnswer(subject, milliseconds)), milliseconds);
    const abort = () => reject(requestAborted(subject));
    options.signal?.addEventListener('abort', abort);
    this.#pending.add(reject);
    const receivers = this.#send(subject, payload, (answer, isError) => {
      // An answer travels as a message does: it arrives in a later turn.
      this.#later(() => (isError ? reject(decodeError(answer)) : resolve(answer)));
    });
    if (receivers === 0) reject(noResponder(subject));
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      this.#pending.delete(reject);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#receivers.clear();
    for (const reject of this.#pending) reject(busClosed());
  }

  #receive(pattern: string, options: SubscribeOptions, deliver: Receiver['deliver']): Subscription {
    checkPattern(pattern);
    if (this.#closed) throw busClosed();
    const receiver: Receiver = { pattern, queue: options.queue, deliver };
    this.#receivers.add(receiver);
    return {
      unsubscribe: async () => {
        this.#receivers.delete(receiver);
      },
    };
  }

  /** Returns how many receivers it went to. */
  #send(subject: string, payload: Uint8Array, reply: Reply | undefined): number {
    const chosen = this.#choose(subject);
    const sent = Uint8Array.from(payload);
    for (const receiver of chosen) {
      this.#later(() => {
        if (this.#receivers.has(receiver)) receiver.deliver({ subject, payload: Uint8Array.from(sent) }, reply);
      });
    }
    return chosen.length;
  }

  /** All receivers without a queue, and one of each queue by turns. */
  #choose(subject: string): Receiver[] {
    const chosen: Receiver[] = [];
    const queues = new Map<string, Receiver[]>();
    for (const receiver of this.#receivers) {
      if (!matches(receiver.pattern, subject)) continue;
      if (receiver.queue === undefined) chosen.push(receiver);
      else queues.set(receiver.queue, [...(queues.get(receiver.queue) ?? []), receiver]);
    }
    for (const [queue, members] of queues) {
      const turn = this.#turns.get(queue) ?? 0;
      this.#turns.set(queue, turn + 1);
      const member = members[turn % members.length];
      if (member) chosen.push(member);
    }
    return chosen;
  }

  #later(delivery: () => void): void {
    this.#deliveries.push(delivery);
    if (this.#deliveries.length > 1) return;
    setImmediate(() => {
      const deliveries = this.#deliveries;
      this.#deliveries = [];
      for (const deliver of deliveries) deliver();
    });
  }

  #logFailure(message: BusMessage, error: unknown): void {
    this.#log ??= createLog('bus');
    this.#log.error({ err: error, subject: message.subject }, `a handler failed: ${messageOf(error)}`);
  }
}
