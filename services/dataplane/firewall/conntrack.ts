// The connections of one port: which flows were allowed, and by whom they were begun. Bounded: a full table gives up the
// flow that expires first among a few old ones, unanswered ones before others, so that a scan cannot push out what is in use.
//
//   TCP   opening ──both sides──► open ──FIN or RST──► closing ──► gone         others   unanswered ──reply──► answered ──► gone

import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { TCP_FIN, TCP_RST } from '../wire/tcp.ts';
import type { Direction, Flow } from './flow.ts';

/** Milliseconds. The defaults of Linux's nf_conntrack, where tables are as large; ours are smaller, and so is `open`. */
const TIMEOUT = { opening: 120_000, open: 7_200_000, closing: 30_000, unanswered: 30_000, answered: 180_000 } as const;

export const MAX_CONNECTIONS = 16_384;
/** How many of the oldest are looked at to make room. */
const CANDIDATES = 8;

type State = keyof typeof TIMEOUT;

export interface Connection {
  state: State;
  /** Monotonic milliseconds. */
  expiresAt: number;
  /** Who began it, as the guest sees it. */
  readonly begun: Direction;
  /** Of the rules that it was last allowed by. */
  generation: number;
}

const isTransient = (state: State): boolean => state !== 'open' && state !== 'answered';

export class Conntrack {
  readonly #connections = new Map<string, Connection>();

  get size(): number {
    return this.#connections.size;
  }

  find(key: string, now: number): Connection | undefined {
    const connection = this.#connections.get(key);
    if (connection === undefined || connection.expiresAt > now) return connection;
    this.#connections.delete(key);
    return undefined;
  }

  /** Remembers a new flow. */
  begin(key: string, flow: Flow, direction: Direction, generation: number, now: number): void {
    if (this.#connections.size >= MAX_CONNECTIONS) this.#makeRoom(now);
    const state: State = flow.protocol === PROTOCOL_TCP ? 'opening' : 'unanswered';
    this.#connections.set(key, { state, expiresAt: now + TIMEOUT[state], begun: direction, generation });
    this.#close(this.#connections.get(key)!, flow, now);
  }

  /** Another packet of a known flow. */
  touch(connection: Connection, flow: Flow, direction: Direction, now: number): void {
    const isAnswer = direction !== connection.begun;
    if (connection.state === 'opening' && isAnswer) connection.state = 'open';
    else if (connection.state === 'unanswered' && isAnswer) connection.state = 'answered';
    // What is closing stays so: late packets do not keep it.
    if (connection.state !== 'closing') connection.expiresAt = now + TIMEOUT[connection.state];
    this.#close(connection, flow, now);
  }

  delete(key: string): void {
    this.#connections.delete(key);
  }

  #close(connection: Connection, flow: Flow, now: number): void {
    if (flow.protocol !== PROTOCOL_TCP || (flow.tcpFlags & (TCP_FIN | TCP_RST)) === 0) return;
    connection.state = 'closing';
    connection.expiresAt = now + TIMEOUT.closing;
  }

  #makeRoom(now: number): void {
    let victim: string | undefined;
    let least = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const [key, { expiresAt, state }] of this.#connections) {
      // One that has expired goes first; then those that nobody has answered.
      const worth = expiresAt <= now ? -1 : isTransient(state) ? expiresAt : expiresAt + TIMEOUT.open;
      if (worth < least) [victim, least] = [key, worth];
      looked++;
      if (looked >= CANDIDATES) break;
    }
    if (victim !== undefined) this.#connections.delete(victim);
  }
}
