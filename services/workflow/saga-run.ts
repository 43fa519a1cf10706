// Runs one claimed saga to its end: asks the plan for the next move, makes it, and writes the log entry together with the
// step's own change. An entry that says nothing (no output, no change) waits for the next one: its step would only run
// again. A store out of reach is no failure of the step: the saga is read again once it answers.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, CumuletError, isError, type Log, messageOf } from '#base';
import type { Records, Tx } from '#store';
import { SAGA, type SagaDefinition, type SagaRecord, type Step, type StepContext, type StepResult } from './saga.ts';
import { SAGA_CLAIM, type SagaClaim } from './saga-claims.ts';
import { afterAction, afterAll, afterFailure, afterUndo, isEnded, nextMove } from './saga-plan.ts';

export interface SagaRunComponents {
  readonly records: Records;
  readonly clock: Clock;
  readonly log: Log;
  /** Waits before another try without holding a slot. */
  pause(failures: number, signal: AbortSignal): Promise<void>;
}

/** Returns when the saga has ended, its claim is lost or `signal` is aborted. */
export async function runSaga(
  components: SagaRunComponents,
  definition: SagaDefinition<unknown>,
  claim: SagaClaim,
  signal: AbortSignal,
): Promise<void> {
  for (let outages = 1; !signal.aborted; outages++) {
    const found = await components.records.get(SAGA, claim.sagaId);
    if (found === undefined || isEnded(found.value)) return;
    try {
      await new SagaRun(components, definition, claim, signal, found.value).run();
      return;
    } catch (error) {
      if (error instanceof ClaimLost) return;
      if (!(error instanceof StoreFailed)) throw error;
      components.log.warn({ saga: claim.sagaId }, `the log of a saga cannot be written: ${messageOf(error)}`);
      await components.pause(outages, signal);
    }
  }
}

class ClaimLost extends Error {}

/** The outcome of a write is unknown, or it lost too many races. */
class StoreFailed extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

/** An error of the step's own change, not of the store. */
class CommitRefused extends Error {
  constructor(cause: unknown) {
    super(messageOf(cause), { cause });
  }
}

const isOutage = (error: unknown): boolean =>
  isError(error, 'unavailable') || isError(error, 'timeout') || isError(error, 'conflict');

class SagaRun {
  readonly #components: SagaRunComponents;
  readonly #definition: SagaDefinition<unknown>;
  readonly #claim: SagaClaim;
  readonly #signal: AbortSignal;
  /** As it is in the store. */
  #written: SagaRecord;
  /** With the entries that are not yet written. */
  #saga: SagaRecord;

  constructor(
    components: SagaRunComponents,
    definition: SagaDefinition<unknown>,
    claim: SagaClaim,
    signal: AbortSignal,
    saga: SagaRecord,
  ) {
    this.#components = components;
    this.#definition = definition;
    this.#claim = claim;
    this.#signal = signal;
    this.#written = saga;
    this.#saga = saga;
  }

  async run(): Promise<void> {
    while (!this.#signal.aborted) {
      const move = nextMove(this.#definition, this.#saga);
      if (move.type === 'ended') return;
      if (move.type === 'finish') {
        await this.#write(afterAll(this.#saga, this.#now()));
        continue;
      }
      try {
        if (move.type === 'act') await this.#act(move.step);
        else await this.#undo(move.step);
      } catch (error) {
        if (this.#signal.aborted) return;
        await this.#fail(move.step, error);
      }
    }
  }

  async #act(step: Step<unknown>): Promise<void> {
    const result = await step.action(this.#context());
    const next = afterAction(this.#definition, this.#saga, result?.output, this.#now());
    await this.#enter(next, result);
  }

  async #undo(step: Step<unknown>): Promise<void> {
    const result = await step.undo?.(this.#context());
    await this.#enter(afterUndo(this.#saga, this.#now()), result);
  }

  async #enter(next: SagaRecord, result: StepResult | undefined): Promise<void> {
    const says = result?.commit !== undefined || next.outputs !== this.#saga.outputs || isEnded(next);
    if (says) await this.#write(next, result?.commit);
    else this.#saga = next;
  }

  async #fail(step: Step<unknown>, thrown: unknown): Promise<void> {
    if (thrown instanceof ClaimLost || thrown instanceof StoreFailed) throw thrown;
    const error = thrown instanceof CommitRefused ? thrown.cause : thrown;
    const next = afterFailure(step, this.#saga, error, this.#now());
    const about = {
      saga: this.#saga.id,
      name: this.#saga.name,
      step: step.name,
      state: next.state,
      failures: next.failures,
    };
    this.#components.log.warn({ ...about, err: error }, `a saga's step failed: ${messageOf(error)}`);
    await this.#write(next);
    if (next.failures > 0) await this.#components.pause(next.failures, this.#signal);
  }

  /** Writes the saga as `next`, with `change`, if it is still ours and as we left it. */
  async #write(next: SagaRecord, change?: (tx: Tx) => void): Promise<void> {
    try {
      await this.#components.records.transact((tx) => {
        const claim = tx.get(SAGA_CLAIM, next.id);
        const present = tx.get(SAGA, next.id);
        if (claim?.token !== this.#claim.token || present?.updatedAt !== this.#written.updatedAt) throw new ClaimLost();
        tx.update(SAGA, next);
        if (isEnded(next)) tx.delete(SAGA_CLAIM, next.id);
        try {
          change?.(tx);
          if (next.state === 'failed') this.#onFailed(tx, next);
        } catch (error) {
          throw new CommitRefused(error);
        }
      });
    } catch (error) {
      if (isOutage(error)) throw new StoreFailed(error);
      throw error;
    }
    this.#written = next;
    this.#saga = next;
  }

  #onFailed(tx: Tx, saga: SagaRecord): void {
    this.#definition.onFailed?.(
      tx,
      saga.input,
      saga.error ?? { code: 'internal', message: 'The reason is not known.' },
    );
  }

  #context(): StepContext<unknown> {
    const saga = this.#saga;
    return {
      saga,
      input: saga.input,
      signal: this.#signal,
      output: <T>(step: string): T => {
        if (Object.hasOwn(saga.outputs, step)) return saga.outputs[step] as T;
        throw new CumuletError('internal', `The step ${step} of the saga ${saga.name} has left no output.`);
      },
    };
  }

  #now(): number {
    return this.#components.clock.now();
  }
}

export const pauseFor = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, { signal, ref: false }).catch(() => {});
