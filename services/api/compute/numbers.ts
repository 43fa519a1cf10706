// Numbers that count up over the cloud: the `id` of keypairs and aggregates. Taken in the transaction that uses them.

import { COUNTER } from '#model';
import type { Tx } from '#store';

export function nextNumber(tx: Tx, counter: string): number {
  const present = tx.get(COUNTER, counter);
  const next = present?.next ?? 1;
  const after = { id: counter, next: next + 1 };
  if (present === undefined) tx.create(COUNTER, after);
  else tx.update(COUNTER, after);
  return next;
}
