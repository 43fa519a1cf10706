// A lock between threads, held for a few register operations at most. A waiter sleeps (Atomics.wait): two cores serve
// many threads, so spinning would keep the holder from running.

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

export class Lock {
  readonly #word: Int32Array<SharedArrayBuffer>;

  constructor(word: Int32Array<SharedArrayBuffer>) {
    this.#word = word;
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#word, 0, FREE, HELD) === FREE) return;
    while (Atomics.exchange(this.#word, 0, CONTENDED) !== FREE) Atomics.wait(this.#word, 0, CONTENDED);
  }

  release(): void {
    if (Atomics.exchange(this.#word, 0, FREE) === CONTENDED) Atomics.notify(this.#word, 0, 1);
  }
}
