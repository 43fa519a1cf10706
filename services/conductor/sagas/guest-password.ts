// The password of a new guest is kept only until the guest has it.

import { SERVER_PAYLOAD } from '#model';
import type { Tx } from '#store';

/** The password is in the guest, or of no use any more. */
export function forgetPassword(tx: Tx, serverId: string): void {
  const payload = tx.get(SERVER_PAYLOAD, serverId);
  if (payload === undefined || payload.adminPass === null) return;
  if (payload.userData === null && payload.personality.length === 0) tx.delete(SERVER_PAYLOAD, serverId);
  else tx.update(SERVER_PAYLOAD, { ...payload, adminPass: null });
}
