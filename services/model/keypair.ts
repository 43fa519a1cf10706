// A keypair: a public key under a name that its user chose. Written by the API alone. The private half of a generated
// pair is handed out once and kept nowhere.

import type { Kind } from './kind.ts';

export type KeypairType = 'ssh' | 'x509';

export interface Keypair {
  readonly userId: string;
  readonly name: string;
  readonly type: KeypairType;
  readonly publicKey: string;
  /** Hex bytes with colons: MD5 of an ssh key, SHA-1 of a certificate, as Nova has them. */
  readonly fingerprint: string;
  /** Counts up over the cloud: the `id` of the answers. */
  readonly number: number;
  /** UTC microseconds. */
  readonly createdAt: number;
}

/** A user's keys are told apart by their names. User ids have no slash. */
export const keypairId = (userId: string, name: string): string => `${userId}/${name}`;

export const KEYPAIR: Kind<Keypair> = {
  name: 'keypair',
  id: (keypair) => keypairId(keypair.userId, keypair.name),
};
