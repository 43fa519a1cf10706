// What the sagas of servers have in common: they take turns. A server may have several under way (a delete while it is
// still being made); each waits until the older ones are over, so that two never give its host contradicting orders.

import { CumuletError } from '#base';
import { SERVER, type Server, type ServerTaskInput } from '#model';
import type { Records } from '#store';
import { SAGA, type SagaRecord, type StepContext } from '#workflow';

/**
 * Tries of a step that asks a host: half a minute with the runner's pauses. After a restart of the whole cloud the sagas
 * go on before the node agents are back.
 */
export const ATTEMPTS = 8;

const isOver = (saga: SagaRecord): boolean => saga.state === 'succeeded' || saga.state === 'failed';

const isOlder = (saga: SagaRecord, than: SagaRecord): boolean =>
  saga.createdAt < than.createdAt || (saga.createdAt === than.createdAt && saga.id < than.id);

/** Waiting takes a place in the runner that an older saga may need: after this long it is given up and asked for anew. */
const TURN_MS = 20_000;

/** Resolves when no older saga works on the same server. Throws 'conflict' when that takes long: try again. */
export async function waitForTurn(records: Records, context: StepContext<unknown>): Promise<void> {
  const { saga, signal } = context;
  const inTheWay = (other: SagaRecord) =>
    other.id !== saga.id && other.resource.id === saga.resource.id && !isOver(other) && isOlder(other, saga);
  if (records.peekList(SAGA, inTheWay).length === 0) return;
  await new Promise<void>((resolve, reject) => {
    const waiting = new Set<string>();
    let watching = false;
    const finish = (error?: Error): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      queueMicrotask(() => cancel());
      if (error) reject(error);
      else resolve();
    };
    const timer = setTimeout(() => {
      finish(new CumuletError('conflict', 'An older request for this server is still under way.'));
    }, TURN_MS);
    const onAbort = (): void => finish(new CumuletError('aborted', 'The saga was handed to another controller.'));
    signal.addEventListener('abort', onAbort);
    const cancel = records.watch(SAGA, (change) => {
      if (change.type === 'put' && inTheWay(change.value)) waiting.add(change.value.id);
      else waiting.delete(change.type === 'put' ? change.value.id : change.id);
      if (watching && waiting.size === 0) finish();
    });
    watching = true;
    if (signal.aborted) onAbort();
    else if (waiting.size === 0) finish();
  });
}

/** The server of a saga. Throws 'not_found' when it is gone for good. */
export async function serverOf(records: Records, input: ServerTaskInput): Promise<Server> {
  const found = await records.get(SERVER, input.serverId);
  if (found === undefined) throw new CumuletError('not_found', `Instance ${input.serverId} could not be found.`);
  return found.value;
}
