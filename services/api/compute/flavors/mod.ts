// Flavors: routes and seeds.

import { isError } from '#base';
import { FLAVOR, SEED_FLAVORS } from '#model';
import type { ApiComponents } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { FLAVOR_ACCESS_ROUTES } from './access.ts';
import { FLAVOR_EXTRA_SPEC_ROUTES } from './extra-specs.ts';
import { findFlavor } from './find.ts';
import { FLAVOR_QUERY, listFlavors } from './list.ts';
import { FLAVOR_MANAGE_ROUTES } from './manage.ts';
import { briefFlavor, wholeFlavor } from './view.ts';

const RULE = 'os_compute_api:flavors';

export const FLAVOR_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/flavors',
    rule: RULE,
    query: FLAVOR_QUERY,
    handler: (context) => listFlavors(context, briefFlavor),
  }),
  route({
    method: 'GET',
    path: '/flavors/detail',
    rule: RULE,
    query: FLAVOR_QUERY,
    handler: (context) => listFlavors(context, wholeFlavor),
  }),
  route({
    method: 'GET',
    path: '/flavors/:flavor_id',
    rule: RULE,
    async handler(context) {
      const flavor = await findFlavor(context, context.param('flavor_id'));
      return { status: 200, body: { flavor: wholeFlavor(context, flavor) } };
    },
  }),
  ...FLAVOR_MANAGE_ROUTES,
  ...FLAVOR_ACCESS_ROUTES,
  ...FLAVOR_EXTRA_SPEC_ROUTES,
];

/** Writes the flavors of a new cloud. Once any flavor is there nothing is added: what an operator removed stays away. */
export async function seedFlavors(components: Pick<ApiComponents, 'records' | 'clock'>): Promise<void> {
  const { records, clock } = components;
  if ((await records.list(FLAVOR)).length > 0) return;
  try {
    await records.transact((tx) => {
      const now = clock.now();
      for (const flavor of SEED_FLAVORS) tx.create(FLAVOR, { ...flavor, createdAt: now });
    });
  } catch (error) {
    // Another controller started at the same moment and wrote them.
    if (!isError(error, 'already_exists')) throw error;
  }
}
