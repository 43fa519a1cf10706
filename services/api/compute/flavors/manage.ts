// Making, changing and removing flavors: the admins' part.

import { z } from 'zod';
import { CumuletError, isError, newUuid } from '#base';
import { FLAVOR, type Flavor } from '#model';
import type { Records } from '#store';
import { type Route, route } from '../../http/route.ts';
import { boolean, integer, name } from '../parameters.ts';
import { findFlavor, noSuchFlavor } from './find.ts';
import { wholeFlavor } from './view.ts';

const description = z.string().max(65535).nullable();

/** nova/api/openstack/compute/schemas/flavors.py */
const flavorId = z
  .union([
    z
      .string()
      .min(1)
      .max(255)
      .regex(/^(?! )[a-zA-Z0-9. _-]*(?<! )$/),
    z.number(),
    z.null(),
  ])
  .transform((id) => (id === null ? null : String(id)));

const rxtxFactor = z
  .union([
    z.number(),
    z
      .string()
      .regex(/^[0-9]+(\.[0-9]+)?$/)
      .transform(Number),
  ])
  .pipe(z.number().positive().max(3.40282e38));

const create = {
  name,
  id: flavorId.optional(),
  ram: integer(1),
  vcpus: integer(1),
  disk: integer(0),
  'OS-FLV-EXT-DATA:ephemeral': integer(0).optional(),
  swap: integer(0).optional(),
  rxtx_factor: rxtxFactor.optional(),
  'os-flavor-access:is_public': boolean.optional(),
};

const CREATE_FLAVOR = z.strictObject({ flavor: z.strictObject(create) });
const CREATE_FLAVOR_55 = z.strictObject({
  flavor: z.strictObject({ ...create, description: description.optional() }),
});
const UPDATE_FLAVOR = z.strictObject({ flavor: z.strictObject({ description }) });

type Wish = z.output<typeof CREATE_FLAVOR_55>['flavor'];

function flavorFrom(wish: Wish, projectId: string, now: number): Flavor {
  const isPublic = wish['os-flavor-access:is_public'] ?? true;
  return {
    id: wish.id ?? newUuid(),
    name: wish.name,
    vcpus: wish.vcpus,
    ramMib: wish.ram,
    diskGib: wish.disk,
    ephemeralGib: wish['OS-FLV-EXT-DATA:ephemeral'] ?? 0,
    swapMib: wish.swap ?? 0,
    rxtxFactor: wish.rxtx_factor ?? 1.0,
    isPublic,
    description: wish.description ?? null,
    extraSpecs: {},
    // Whoever makes a private flavor may use it.
    projects: isPublic ? [] : [projectId],
    createdAt: now,
    updatedAt: null,
  };
}

async function createFlavor(records: Records, flavor: Flavor): Promise<void> {
  try {
    await records.transact((tx) => tx.create(FLAVOR, flavor));
  } catch (error) {
    if (!isError(error, 'already_exists')) throw error;
    const taken = (await records.get(FLAVOR, flavor.id)) === undefined ? 'name' : 'id';
    const what = taken === 'name' ? `name ${flavor.name}` : `ID ${flavor.id}`;
    throw new CumuletError('already_exists', `Flavor with ${what} already exists.`, { cause: error });
  }
}

/** Changes a flavor under compare-and-set; one that went meanwhile is a 404. */
export function changeFlavor(
  records: Records,
  id: string,
  now: number,
  change: (flavor: Flavor) => Partial<Flavor>,
): Promise<Flavor> {
  return records.transact((tx) => {
    const present = tx.get(FLAVOR, id);
    if (present === undefined) throw noSuchFlavor(id);
    const changed: Flavor = { ...present, ...change(present), updatedAt: now };
    tx.update(FLAVOR, changed);
    return changed;
  });
}

export const FLAVOR_MANAGE_ROUTES: readonly Route[] = [
  route({
    method: 'POST',
    path: '/flavors',
    rule: 'os_compute_api:os-flavor-manage:create',
    body: [
      ['2.1', CREATE_FLAVOR],
      ['2.55', CREATE_FLAVOR_55],
    ],
    async handler(context) {
      const flavor = flavorFrom(context.body.flavor, context.projectId, context.clock.now());
      await createFlavor(context.records, flavor);
      return { status: 200, body: { flavor: wholeFlavor(context, flavor) } };
    },
  }),
  route({
    method: 'PUT',
    path: '/flavors/:flavor_id',
    rule: 'os_compute_api:os-flavor-manage:update',
    microversions: ['2.55'],
    body: UPDATE_FLAVOR,
    async handler(context) {
      const { id } = await findFlavor(context, context.param('flavor_id'));
      const changed = await changeFlavor(context.records, id, context.clock.now(), () => ({
        description: context.body.flavor.description,
      }));
      return { status: 200, body: { flavor: wholeFlavor(context, changed) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/flavors/:flavor_id',
    rule: 'os_compute_api:os-flavor-manage:delete',
    async handler(context) {
      const { id } = await findFlavor(context, context.param('flavor_id'));
      await context.records.transact((tx) => {
        if (tx.get(FLAVOR, id) === undefined) throw noSuchFlavor(id);
        tx.delete(FLAVOR, id);
      });
      return { status: 202 };
    },
  }),
];
