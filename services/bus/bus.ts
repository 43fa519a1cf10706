// The bus's contract: fire-and-forget facts and request/reply between services. Two implementations (NATS, in-process)
// pass one compliance suite (test/compliance/bus.ts). Payloads are bytes that the sender encoded: nothing crosses by
// reference. Delivery is at most once; whoever needs more asks again or reconciles from the store.
// Subjects are lower-case dotted tokens with the version second: `compute.v1.host.<host>.spawn`.
// In a subscription `*` matches one token and a last `>` all that follow.

export interface BusMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
}

export type RequestHandler = (message: BusMessage) => Promise<Uint8Array>;

export interface Subscription {
  unsubscribe(): Promise<void>;
}

export interface SubscribeOptions {
  /** Of the subscribers that share a queue name one gets each message. */
  readonly queue?: string;
}

export interface RequestOptions {
  /** Milliseconds; the default is 5,000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

export interface Bus {
  publish(subject: string, payload: Uint8Array): void;
  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): Promise<Subscription>;
  /** Answers requests. A CumuletError thrown by the handler reaches the requester as a CumuletError of that code. */
  respond(subject: string, handler: RequestHandler, options?: SubscribeOptions): Promise<Subscription>;
  /** Throws CumuletError 'unavailable' when nobody answers on the subject, 'timeout' when the answer does not come. */
  request(subject: string, payload: Uint8Array, options?: RequestOptions): Promise<Uint8Array>;
  close(): Promise<void>;
}
