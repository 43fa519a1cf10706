// What servers need of their neighbours in compute: flavors, keypairs, limits. Handed in where the area is put together.

import type { ComputeLimits, Server, ServerFlavor } from '#model';
import type { RequestContext } from '../../http/context.ts';
import type { AgentRpc } from './agent-rpc.ts';
import type { InstanceNumbers } from './numbers.ts';

/** What of a request tells whose flavor, key or limit is meant. */
export type Asker = Pick<RequestContext, 'records' | 'auth' | 'isAdmin' | 'projectId'>;

export interface ServerReferences {
  /** Throws 'invalid' in Nova's words when there is no such flavor for the asker. */
  flavor(ctx: Asker, id: string): Promise<ServerFlavor>;
  /** Throws 'invalid' when the user has no such keypair. */
  key(ctx: Asker, name: string): Promise<NonNullable<Server['key']>>;
  limits(
    ctx: Asker,
    projectId: string,
  ): ComputeLimits & { readonly serverGroups: number; readonly groupMembers: number };
}

/** What the handlers of servers are built from. */
export interface ServerComponents {
  readonly references: ServerReferences;
  readonly numbers: InstanceNumbers;
  readonly agents: AgentRpc;
}
