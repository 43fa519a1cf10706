// Loads the etcd client when a store over it is wanted, and not before: the embedded cloud starts without it.

import type { Store } from '../store.ts';

export interface EtcdStoreOptions {
  /** Endpoints such as http://127.0.0.1:2379. */
  readonly hosts: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** PEM contents, for https endpoints. */
  readonly tls?: { readonly ca: Buffer; readonly key?: Buffer; readonly cert?: Buffer };
}

/** Throws CumuletError 'unavailable' when etcd does not answer. */
export async function connectEtcdStore(options: EtcdStoreOptions): Promise<Store> {
  const { connectToEtcd } = await import('./etcd-store.ts');
  return connectToEtcd(options);
}
