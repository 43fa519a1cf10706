// Who runs which saga: a key /v1/saga-claim/<id> that hangs on the runner's lease, so that another runner takes over when
// this one is gone. The claim is a record too: each entry of a saga's log is written on the condition that the claim
// still stands, so a runner that lost its lease without noticing writes nothing any more.

import { type Log, newUuid } from '#base';
import type { Kind } from '#model';
import type { Lease, Records, Store } from '#store';

export interface SagaClaim {
  readonly sagaId: string;
  /** The runner, for people. */
  readonly owner: string;
  /** Tells this claim from any other of the same owner. */
  readonly token: string;
}

export const SAGA_CLAIM: Kind<SagaClaim> = { name: 'saga-claim', id: (claim) => claim.sagaId };

export interface HeldClaim {
  readonly claim: SagaClaim;
  /** Aborted when the lease is lost. */
  readonly lost: AbortSignal;
}

const keyOf = (sagaId: string): string => `/v1/${SAGA_CLAIM.name}/${sagaId}`;

interface HeldLease {
  readonly lease: Lease;
  readonly lost: AbortController;
}

export class SagaClaims {
  readonly #store: Store;
  readonly #records: Records;
  readonly #owner: string;
  readonly #ttl: number;
  readonly #log: Log;
  #lease: Promise<HeldLease> | undefined;

  constructor(components: { store: Store; records: Records; owner: string; log: Log }, ttl: number) {
    this.#store = components.store;
    this.#records = components.records;
    this.#owner = components.owner;
    this.#log = components.log;
    this.#ttl = ttl;
  }

  /** Undefined when somebody else has it. */
  async claim(sagaId: string): Promise<HeldClaim | undefined> {
    const { lease, lost } = await this.#hold();
    const claim: SagaClaim = { sagaId, owner: this.#owner, token: newUuid() };
    const key = keyOf(sagaId);
    const value = Buffer.from(JSON.stringify(claim));
    const { succeeded } = await this.#store.txn([{ key, modRevision: 0 }], [{ put: key, value, leaseId: lease.id }]);
    if (!succeeded) return undefined;
    // The index must have the claim before the first entry is written under it.
    await this.#records.get(SAGA_CLAIM, sagaId);
    return { claim, lost: lost.signal };
  }

  /** Of a saga that is left before its end; an ended one's claim went with its last entry. */
  async release(claim: SagaClaim): Promise<void> {
    if (this.#records.peek(SAGA_CLAIM, claim.sagaId)?.value.token !== claim.token) return;
    await this.#records.transact((tx) => {
      if (tx.get(SAGA_CLAIM, claim.sagaId)?.token === claim.token) tx.delete(SAGA_CLAIM, claim.sagaId);
    });
  }

  /** Gives up all claims at once. */
  async close(): Promise<void> {
    const held = await this.#lease?.catch(() => undefined);
    await held?.lease.revoke();
  }

  #hold(): Promise<HeldLease> {
    this.#lease ??= this.#grant();
    return this.#lease;
  }

  async #grant(): Promise<HeldLease> {
    try {
      const lease = await this.#store.lease(this.#ttl);
      const lost = new AbortController();
      void lease.lost.then(() => {
        this.#log.debug({ owner: this.#owner }, 'the lease of the sagas has ended');
        this.#lease = undefined;
        lost.abort();
      });
      return { lease, lost };
    } catch (error) {
      this.#lease = undefined;
      throw error;
    }
  }
}
