// Numbers of instances (instance-0000000a), taken from the cloud's counter in blocks: creates do not meet at one record.
// A controller that stops leaves a gap, as a database sequence does.

import { COUNTER } from '#model';
import type { Records } from '#store';

const BLOCK = 32;
const COUNTER_ID = 'instance';

export class InstanceNumbers {
  #next = 0;
  #end = 0;
  #refill: Promise<void> | undefined;

  async take(records: Records, count: number): Promise<number[]> {
    const numbers: number[] = [];
    while (numbers.length < count) {
      if (this.#next < this.#end) {
        numbers.push(this.#next++);
        continue;
      }
      this.#refill ??= this.#reserve(records, Math.max(BLOCK, count)).finally(() => {
        this.#refill = undefined;
      });
      await this.#refill;
    }
    return numbers;
  }

  async #reserve(records: Records, size: number): Promise<void> {
    const first = await records.transact((tx) => {
      const counter = tx.get(COUNTER, COUNTER_ID);
      const next = counter?.next ?? 1;
      const after = { id: COUNTER_ID, next: next + size };
      if (counter === undefined) tx.create(COUNTER, after);
      else tx.update(COUNTER, after);
      return next;
    });
    this.#next = first;
    this.#end = first + size;
  }
}
