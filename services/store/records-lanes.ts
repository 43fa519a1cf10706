// Where transactions of this process that lost a race wait for their turn: one lane for each contested key, first come
// first served. Without it n writers of one record would make n² tries. Fairness only; correctness is the compares'.

export class Lanes {
  readonly #tails = new Map<string, Promise<void>>();

  /** The first of the keys whose lane is in use. */
  busy(keys: Iterable<string>): string | undefined {
    for (const key of keys) if (this.#tails.has(key)) return key;
    return undefined;
  }

  /** Waits for the lane; returns what frees it. Whoever holds one lane enters no other, so nobody waits in a circle. */
  async enter(key: string): Promise<() => void> {
    const before = this.#tails.get(key);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    await before;
    return () => {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    };
  }
}
