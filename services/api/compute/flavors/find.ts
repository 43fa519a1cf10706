// Finding a flavor as its asker may see it.

import { CumuletError } from '#base';
import { FLAVOR, type Flavor, flavorVisibleTo } from '#model';
import type { RequestContext } from '../../http/context.ts';

export type FlavorAsker = Pick<RequestContext, 'records' | 'isAdmin' | 'maybeAuth'>;

export const noSuchFlavor = (id: string): CumuletError =>
  new CumuletError('not_found', `Flavor ${id} could not be found.`);

/** Throws 'not_found' also for a flavor that is not public and not given to the asker's project. */
export async function findFlavor(asker: FlavorAsker, id: string): Promise<Flavor> {
  const flavor = id === '' ? undefined : (await asker.records.get(FLAVOR, id))?.value;
  if (flavor === undefined || !(asker.isAdmin || flavorVisibleTo(flavor, asker.maybeAuth?.projectId))) {
    throw noSuchFlavor(id);
  }
  return flavor;
}
