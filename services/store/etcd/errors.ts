// What goes wrong with etcd, in our words. All but a lost lease means: the outcome is unknown, try again.

import { EtcdLeaseInvalidError } from 'etcd3';
import { CumuletError, messageOf } from '#base';

export function translate(error: unknown): CumuletError {
  if (error instanceof CumuletError) return error;
  if (error instanceof EtcdLeaseInvalidError) {
    return new CumuletError('not_found', 'The lease of this write is gone.', { cause: error });
  }
  return new CumuletError('unavailable', `etcd does not answer as it should: ${messageOf(error)}.`, { cause: error });
}

/** Whether a call surely never reached a server, so that even a write may be sent again. */
export const wasNotSent = (error: unknown): boolean =>
  /ECONNREFUSED|No connection established|EHOSTUNREACH|ENOTFOUND/.test(messageOf(error));
