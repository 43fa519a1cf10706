// What servers ask of their neighbours in compute: a flavor, a key, the limits (servers/references.ts says what for).

import { CumuletError, isError } from '#base';
import { effectiveQuotas, KEYPAIR, keypairId, QUOTA_SET, serverFlavorOf } from '#model';
import type { RequestContext } from '../http/context.ts';
import { findFlavor } from './flavors/find.ts';

type Asker = Pick<RequestContext, 'records' | 'auth' | 'maybeAuth' | 'isAdmin' | 'projectId'>;

export const serverReferences = {
  async flavor(asker: Asker, id: string) {
    try {
      return serverFlavorOf(await findFlavor(asker, id));
    } catch (error) {
      // A server of a flavor that is not there is a bad request, not a missing resource.
      throw isError(error, 'not_found') ? new CumuletError('invalid', error.message) : error;
    }
  },

  async key(asker: Asker, name: string) {
    const found = (await asker.records.get(KEYPAIR, keypairId(asker.auth.userId, name)))?.value;
    if (found === undefined) throw new CumuletError('invalid', 'Invalid key_name provided.');
    return { name: found.name, publicKey: found.publicKey, type: found.type };
  },

  limits(asker: Asker, projectId: string) {
    const quotas = effectiveQuotas(
      (id) => asker.records.peek(QUOTA_SET, id)?.value,
      projectId,
      asker.auth.projectId === projectId ? asker.auth.userId : undefined,
    );
    return {
      instances: quotas.instances,
      cores: quotas.cores,
      ram: quotas.ram,
      serverGroups: quotas.server_groups,
      groupMembers: quotas.server_group_members,
    };
  },
};
