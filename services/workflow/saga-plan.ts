// What happens to a saga's record next. Pure: the runner acts and writes, this decides.

import { CumuletError, type ErrorCode, messageOf } from '#base';
import type { SagaDefinition, SagaRecord, Step } from './saga.ts';

export type Move =
  | { readonly type: 'act'; readonly step: Step<unknown> }
  | { readonly type: 'undo'; readonly step: Step<unknown> }
  /** No step is left to do or to undo; only the end is to be written. */
  | { readonly type: 'finish' }
  | { readonly type: 'ended' };

const DEFAULT_ATTEMPTS = 5;
const PASSING: readonly ErrorCode[] = ['unavailable', 'timeout', 'conflict'];
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

export const isEnded = (saga: SagaRecord): boolean => saga.state === 'succeeded' || saga.state === 'failed';

export function nextMove(definition: SagaDefinition<unknown>, saga: SagaRecord): Move {
  if (isEnded(saga)) return { type: 'ended' };
  const step = definition.steps[saga.step];
  if (step === undefined) return { type: 'finish' };
  return { type: saga.state === 'running' ? 'act' : 'undo', step };
}

/** The step is done; after the last one so is the saga. */
export function afterAction(
  definition: SagaDefinition<unknown>,
  saga: SagaRecord,
  output: unknown,
  now: number,
): SagaRecord {
  const name = definition.steps[saga.step]?.name ?? '';
  const outputs = output === undefined ? saga.outputs : { ...saga.outputs, [name]: output };
  const step = saga.step + 1;
  const state = step < definition.steps.length ? 'running' : 'succeeded';
  return changed(saga, { state, step, outputs, failures: 0 }, now);
}

export function afterUndo(saga: SagaRecord, now: number): SagaRecord {
  const step = saga.step - 1;
  return changed(saga, { state: step < 0 ? 'failed' : 'unwinding', step: Math.max(step, 0), failures: 0 }, now);
}

/** With no step left: what the state becomes. */
export function afterAll(saga: SagaRecord, now: number): SagaRecord {
  return changed(saga, { state: saga.state === 'running' ? 'succeeded' : 'failed' }, now);
}

/** Another try of the step, or the way back. An undo is tried for ever. */
export function afterFailure(step: Step<unknown>, saga: SagaRecord, error: unknown, now: number): SagaRecord {
  const failures = saga.failures + 1;
  if (saga.state === 'unwinding') return changed(saga, { failures }, now);
  const code = error instanceof CumuletError ? error.code : 'internal';
  if (PASSING.includes(code) && failures < (step.attempts ?? DEFAULT_ATTEMPTS)) return changed(saga, { failures }, now);
  return changed(saga, { state: 'unwinding', failures: 0, error: { code, message: messageOf(error) } }, now);
}

/** Milliseconds before the next try; `chance` from 0 to 1 spreads those who failed together. */
export function pauseAfter(failures: number, chance: number): number {
  const pause = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
  return pause * (0.75 + chance / 2);
}

/** `updatedAt` grows with each change, so that it also tells one version of the record from another. */
function changed(saga: SagaRecord, change: Partial<SagaRecord>, now: number): SagaRecord {
  return { ...saga, ...change, updatedAt: Math.max(now, saga.updatedAt + 1) };
}
