// Sagas: work of several steps that survives the death of whoever runs it. A saga is a record in the store; it is started
// by creating that record in the same transaction as the change it belongs to (the API does), and run by any conductor
// that holds its claim. Each step's log entry is written in the transaction that makes the change it records.
//
//            ┌──────── step n fails ────────┐
//   running ─┤                              ▼
//            └─ last step ─► succeeded   unwinding ── all undone ──► failed
//                                           │ an undo keeps failing: it is tried again with a growing pause, for ever:
//                                           └─ nothing is dropped, and `failures` says why it hangs
//
// Steps and undos are idempotent: after a crash the step under way runs again.

import { newUuid } from '#base';
import type { Kind } from '#model';
import type { Tx } from '#store';

export type SagaState = 'running' | 'unwinding' | 'succeeded' | 'failed';

export interface SagaRecord {
  readonly id: string;
  /** Name of its definition, such as `server_create`. */
  readonly name: string;
  /** The resource it works on, to find it by. */
  readonly resource: { readonly kind: string; readonly id: string };
  readonly input: unknown;
  readonly state: SagaState;
  /** Index of the step under way, or to be undone next. */
  readonly step: number;
  /** What finished steps returned, by the step's name. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** Why it unwinds. */
  readonly error?: { readonly code: string; readonly message: string };
  /** Failures of the step under way. */
  readonly failures: number;
  /** Wall time (UTC microseconds) of creation and of the last change. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly requestId: string;
}

export const SAGA: Kind<SagaRecord> = { name: 'saga', id: (saga) => saga.id };

export interface StepContext<I> {
  readonly saga: SagaRecord;
  readonly input: I;
  /** The output of an earlier step of this saga. Throws when that step did not finish. */
  output<T>(step: string): T;
  /** Aborted when the claim is lost or the process stops. */
  readonly signal: AbortSignal;
}

export interface StepResult {
  /** Kept in the saga's log, JSON. */
  readonly output?: unknown;
  /** Changes written in the same transaction as the log entry. May run more than once. */
  readonly commit?: (tx: Tx) => void;
}

export interface Step<I> {
  readonly name: string;
  /**
   * Throwing a CumuletError of code unavailable, timeout or conflict tries again, up to `attempts`; any other error
   * unwinds the saga.
   */
  action(context: StepContext<I>): Promise<StepResult | undefined>;
  /** Left out where there is nothing to undo. Called also for the step that failed: it may have done half. */
  undo?(context: StepContext<I>): Promise<StepResult | undefined>;
  /** Tries of the action on errors that may pass; the default is 5. */
  readonly attempts?: number;
}

export interface SagaDefinition<I> {
  readonly name: string;
  readonly steps: readonly Step<I>[];
  /** Written with the last undo: what the failure means for the resource. */
  onFailed?(tx: Tx, input: I, error: { code: string; message: string }): void;
}

/** A new saga record, to be created in the transaction that makes it necessary. */
export function newSaga(
  name: string,
  resource: { kind: string; id: string },
  input: unknown,
  context: { requestId: string; now: number },
): SagaRecord {
  return {
    id: newUuid(),
    name,
    resource,
    input,
    state: 'running',
    step: 0,
    outputs: {},
    failures: 0,
    createdAt: context.now,
    updatedAt: context.now,
    requestId: context.requestId,
  };
}
