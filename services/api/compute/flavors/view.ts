// How a flavor is shown, by microversion.

import type { Flavor } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { resourceLinks } from '../links.ts';

type Context = Pick<RequestContext, 'url' | 'microversion' | 'can'>;

/** In lists without detail. */
export const briefFlavor = (context: Context, flavor: Flavor) => ({
  id: flavor.id,
  name: flavor.name,
  links: resourceLinks(context, 'flavors', flavor.id),
  ...(context.microversion.atLeast(2, 55) ? { description: flavor.description } : {}),
});

export function wholeFlavor(context: Context, flavor: Flavor): Record<string, unknown> {
  const at = (minor: number) => context.microversion.atLeast(2, minor);
  // Until 2.74 no swap is an empty string.
  const swap = flavor.swapMib === 0 && !at(75) ? '' : flavor.swapMib;
  const showSpecs = at(61) && context.can('os_compute_api:os-flavor-extra-specs:index');
  return {
    id: flavor.id,
    name: flavor.name,
    ram: flavor.ramMib,
    disk: flavor.diskGib,
    swap,
    'OS-FLV-EXT-DATA:ephemeral': flavor.ephemeralGib,
    'OS-FLV-DISABLED:disabled': false,
    vcpus: flavor.vcpus,
    'os-flavor-access:is_public': flavor.isPublic,
    rxtx_factor: flavor.rxtxFactor,
    links: resourceLinks(context, 'flavors', flavor.id),
    ...(at(55) ? { description: flavor.description } : {}),
    ...(showSpecs ? { extra_specs: flavor.extraSpecs } : {}),
  };
}
