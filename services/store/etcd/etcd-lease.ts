// A lease of etcd that this process keeps alive. It counts as lost once its time has passed since the sending of the last
// renewal that etcd confirmed, by our own monotonic clock: never later than etcd itself may let it expire.

import type { Etcd3 } from 'etcd3';
import { systemClock } from '#base';
import type { Lease } from '../store.ts';
import { translate } from './errors.ts';

type Stream = Awaited<ReturnType<Etcd3['leaseClient']['leaseKeepAlive']>>;

export class EtcdLease implements Lease {
  readonly id: string;
  readonly lost: Promise<void>;
  readonly #client: Etcd3;
  readonly #ttlMs: number;
  readonly #onGone: () => void;
  #resolveLost: () => void = () => {};
  #stream: Stream | undefined;
  #opening = false;
  #timer: NodeJS.Timeout | undefined;
  /** When the newest renewal was sent that is not confirmed, and when the newest that is. */
  #sentAt: number;
  #confirmedAt: number;
  #gone = false;

  constructor(client: Etcd3, id: string, ttlSeconds: number, onGone: () => void) {
    this.#client = client;
    this.id = id;
    this.#ttlMs = ttlSeconds * 1000;
    this.#onGone = onGone;
    this.#sentAt = this.#confirmedAt = systemClock.monotonic();
    this.lost = new Promise((resolve) => {
      this.#resolveLost = resolve;
    });
  }

  start(): void {
    // Thrice in its time, and looked at more often, so that a broken stream is opened again early.
    this.#timer = setInterval(() => this.#tick(), Math.min(this.#ttlMs / 6, 1000));
  }

  async revoke(): Promise<void> {
    if (this.#gone) return;
    this.#end();
    try {
      await this.#client.leaseClient.leaseRevoke({ ID: this.id });
    } catch (error) {
      const translated = translate(error);
      if (translated.code !== 'not_found') throw translated;
    }
  }

  #tick(): void {
    const now = systemClock.monotonic();
    if (now - this.#confirmedAt >= this.#ttlMs) this.#end();
    else if (now - this.#confirmedAt >= this.#ttlMs / 3 && now - this.#sentAt >= Math.min(this.#ttlMs / 6, 1000))
      this.#renew(now);
  }

  #renew(now: number): void {
    if (this.#stream === undefined) {
      if (!this.#opening) void this.#open();
      return;
    }
    this.#sentAt = now;
    this.#stream.write({ ID: this.id });
  }

  async #open(): Promise<void> {
    this.#opening = true;
    try {
      const stream = await this.#client.leaseClient.leaseKeepAlive();
      const broken = () => {
        if (this.#stream === stream) this.#stream = undefined;
      };
      stream.on('data', (answer) => this.#confirm(Number((answer as { TTL: string }).TTL)));
      stream.on('error', broken);
      stream.on('end', broken);
      if (this.#gone) stream.end();
      else {
        this.#stream = stream;
        this.#renew(systemClock.monotonic());
      }
    } catch {
      // The next tick tries again, until the lease's time has passed.
    } finally {
      this.#opening = false;
    }
  }

  #confirm(ttl: number): void {
    if (ttl > 0) this.#confirmedAt = this.#sentAt;
    else this.#end();
  }

  #end(): void {
    if (this.#gone) return;
    this.#gone = true;
    clearInterval(this.#timer);
    this.#stream?.end();
    this.#onGone();
    this.#resolveLost();
  }
}
