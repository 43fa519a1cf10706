// What servers need of their neighbours in compute: flavors, keypairs, quotas.

import { CumuletError } from '#base';
import {
  effectiveQuotas,
  FLAVOR,
  flavorVisibleTo,
  KEYPAIR,
  keypairId,
  QUOTA_SET,
  type Quotas,
  type Server,
  type ServerFlavor,
  serverFlavorOf,
} from '#model';
import type { RequestContext } from '../../http/context.ts';
import type { AgentRpc } from './agent-rpc.ts';
import type { InstanceNumbers } from './numbers.ts';

type Asker = Pick<RequestContext, 'records' | 'auth' | 'isAdmin' | 'projectId'>;

/** What the handlers of servers are built from. */
export interface ServerComponents {
  readonly numbers: InstanceNumbers;
  readonly agents: AgentRpc;
}

/** The copy of a flavor that a new server keeps. */
export async function serverFlavor(ctx: Asker, id: string): Promise<ServerFlavor> {
  const flavor = (await ctx.records.get(FLAVOR, id))?.value;
  if (flavor === undefined || !(ctx.isAdmin || flavorVisibleTo(flavor, ctx.projectId))) {
    throw new CumuletError('invalid', 'Invalid flavorRef provided.');
  }
  return serverFlavorOf(flavor);
}

/** The copy of the user's public key that a new server keeps. */
export async function serverKey(ctx: Asker, name: string): Promise<NonNullable<Server['key']>> {
  const key = (await ctx.records.get(KEYPAIR, keypairId(ctx.auth.userId, name)))?.value;
  if (key === undefined) throw new CumuletError('invalid', 'Invalid key_name provided.');
  return { name: key.name, publicKey: key.publicKey, type: key.type };
}

export const quotasOf = (ctx: Asker): Quotas =>
  effectiveQuotas((id) => ctx.records.peek(QUOTA_SET, id)?.value, ctx.projectId);
