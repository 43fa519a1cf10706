// What a transaction may be, checked before it is sent so that both stores refuse the same ones with the same words.

import { CumuletError } from '#base';
import { type Compare, MAX_TXN_OPS, type Op } from './store.ts';

/** etcd's default limit of a request (--max-request-bytes), less room for keys' framing. */
export const MAX_TXN_BYTES = 1_500_000;

export const keyOf = (op: Op): string => ('put' in op ? op.put : op.delete);

export function checkTxn(compares: readonly Compare[], ops: readonly Op[]): void {
  const count = compares.length + ops.length;
  if (count > MAX_TXN_OPS) {
    throw new CumuletError(
      'invalid',
      `A transaction holds at most ${MAX_TXN_OPS} compares and operations, not ${count}.`,
    );
  }
  for (const compare of compares) checkKey(compare.key);
  const written = new Set<string>();
  let bytes = 0;
  for (const op of ops) {
    const key = keyOf(op);
    checkKey(key);
    if (written.has(key)) throw new CumuletError('invalid', `A transaction may write a key once only: ${key}`);
    written.add(key);
    bytes += key.length + ('put' in op ? op.value.byteLength : 0);
  }
  if (bytes > MAX_TXN_BYTES) {
    throw new CumuletError('too_large', `A transaction carries at most ${MAX_TXN_BYTES} bytes, not ${bytes}.`);
  }
}

function checkKey(key: string): void {
  if (key === '') throw new CumuletError('invalid', 'A key may not be empty.');
  if (!key.isWellFormed()) throw new CumuletError('invalid', 'A key must be well-formed Unicode text.');
}
