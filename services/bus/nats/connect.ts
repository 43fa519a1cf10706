// Loads the NATS client when a bus over it is wanted, and not before: the embedded cloud starts without it.

import type { Log } from '#base';
import type { Bus } from '../bus.ts';

export interface NatsBusOptions {
  /** host:port of each server. */
  readonly servers: readonly string[];
  /** Shown in the server's list of connections. */
  readonly name?: string;
  readonly token?: string;
  readonly user?: string;
  readonly pass?: string;
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  readonly log?: Log;
}

/** Throws CumuletError 'unavailable' when no server answers. */
export async function connectNatsBus(options: NatsBusOptions): Promise<Bus> {
  const { connectToNats } = await import('./nats-bus.ts');
  return connectToNats(options);
}
