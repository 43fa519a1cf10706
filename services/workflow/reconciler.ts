// The driver of a reconciler: one activation at a time, on events and on a timer; what arrives while it runs is one more
// activation after it. A failure is logged and tried again with a growing pause. What it does lies in `run`, which reads
// stored state alone and takes no hint from the event.

import { type Log, messageOf, type Startable } from '#base';

export interface ReconcilerOptions {
  readonly name: string;
  /** One pass. Aborted when the reconciler stops. */
  run(signal: AbortSignal): Promise<void>;
  /** Each is called at start with what makes a pass due, and returns its cancel: `(fire) => records.watch(KIND, fire)`. */
  readonly triggers?: readonly ((fire: () => void) => () => void)[];
  /** Milliseconds from the end of a pass to the next when nothing happens. */
  readonly everyMs: number;
  readonly log: Log;
}

export interface Reconciler extends Startable {
  /** Makes a pass due now. */
  trigger(): void;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 30_000;

export const reconcile = (options: ReconcilerOptions): Reconciler => new Driver(options);

class Driver implements Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #stopping = new AbortController();
  #cancels: (() => void)[] = [];
  #loop: Promise<void> = Promise.resolve();
  #due = true;
  #wake: () => void = () => {};
  #failures = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const fire = () => this.trigger();
    this.#cancels = (this.#options.triggers ?? []).map((trigger) => trigger(fire));
    this.#loop = this.#run();
  }

  /** Waits for the pass under way. */
  async stop(): Promise<void> {
    for (const cancel of this.#cancels) cancel();
    this.#stopping.abort();
    this.#wake();
    await this.#loop;
  }

  trigger(): void {
    this.#due = true;
    // A failing pass is not hurried by events: they would defeat its pause.
    if (this.#failures === 0) this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#due = false;
      await this.#pass(signal);
      if (this.#failures > 0) {
        await this.#sleep(Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), LONGEST_PAUSE_MS));
      } else if (!this.#due) {
        await this.#sleep(this.#options.everyMs);
      }
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.run(signal);
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures++;
      const about = { err: error, reconciler: this.#options.name, failures: this.#failures };
      this.#options.log.warn(about, `${this.#options.name} failed: ${messageOf(error)}`);
    }
  }

  async #sleep(milliseconds: number): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}
