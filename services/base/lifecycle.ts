// What can be started and stopped, and the order in which a group of such things is.

export interface Startable {
  start(): Promise<void>;
  /** Called once after start; also after a start that failed halfway. Must not throw for what was never started. */
  stop(): Promise<void>;
}

/** Starts parts in order and stops them in reverse; a part that fails to start stops those before it. */
export class Group implements Startable {
  readonly #parts: Startable[] = [];
  #started: Startable[] = [];

  add<T extends Startable>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  async start(): Promise<void> {
    for (const part of this.#parts) {
      this.#started.push(part);
      try {
        await part.start();
      } catch (error) {
        await this.stop();
        throw error;
      }
    }
  }

  async stop(): Promise<void> {
    const started = this.#started.reverse();
    this.#started = [];
    const failures: unknown[] = [];
    for (const part of started) {
      await part.stop().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0) throw new AggregateError(failures, 'not everything stopped cleanly');
  }
}
