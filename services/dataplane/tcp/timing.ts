// How long to wait for an acknowledgment (RFC 6298), and how much may be under way (RFC 5681, with RFC 6582's recovery).
// Times are monotonic milliseconds.

const FIRST_RTO = 1000;
const MIN_RTO = 200;
const MAX_RTO = 60_000;
/** RFC 6298's clock granularity. */
const GRANULARITY = 1;

export class RetransmissionTimeout {
  #smoothed: number | undefined;
  #variation = 0;
  #rto = FIRST_RTO;
  #backoff = 0;

  get value(): number {
    return Math.min(this.#rto * 2 ** this.#backoff, MAX_RTO);
  }

  measured(rtt: number): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = rtt;
      this.#variation = rtt / 2;
    } else {
      this.#variation = 0.75 * this.#variation + 0.25 * Math.abs(this.#smoothed - rtt);
      this.#smoothed = 0.875 * this.#smoothed + 0.125 * rtt;
    }
    this.#rto = Math.max(MIN_RTO, this.#smoothed + Math.max(GRANULARITY, 4 * this.#variation));
    this.#backoff = 0;
  }

  expired(): void {
    if (this.value < MAX_RTO) this.#backoff++;
  }

  /** Something new was acknowledged. */
  progressed(): void {
    this.#backoff = 0;
  }
}

export class CongestionWindow {
  readonly #mss: number;
  #window: number;
  #threshold = Number.POSITIVE_INFINITY;

  constructor(mss: number) {
    this.#mss = mss;
    // RFC 6928: ten segments.
    this.#window = 10 * mss;
  }

  get size(): number {
    return this.#window;
  }

  acknowledged(bytes: number): void {
    this.#window += this.#window < this.#threshold ? bytes : Math.max(1, (this.#mss * bytes) / this.#window);
  }

  /** Three duplicates: one segment was lost, others arrive. */
  lost(underWay: number): void {
    this.#threshold = Math.max(underWay / 2, 2 * this.#mss);
    this.#window = this.#threshold + 3 * this.#mss;
  }

  duplicate(): void {
    this.#window += this.#mss;
  }

  recovered(): void {
    this.#window = Math.min(this.#window, this.#threshold);
  }

  timedOut(underWay: number): void {
    this.#threshold = Math.max(underWay / 2, 2 * this.#mss);
    this.#window = this.#mss;
  }
}
