// A flavor's extra specs: what it asks of hosts beyond sizes.

import { z } from 'zod';
import { CumuletError } from '#base';
import { type Route, route } from '../../http/route.ts';
import { metadataKey } from '../parameters.ts';
import { findFlavor } from './find.ts';
import { changeFlavor } from './manage.ts';

const value = z.union([z.string(), z.number()]).transform(String).pipe(z.string().max(255));
const specs = z.record(metadataKey, value);
const CREATE = z.strictObject({ extra_specs: specs });
const UPDATE = specs.refine((given) => Object.keys(given).length === 1, {
  message: 'exactly one extra spec is expected',
});

const COLLECTION = '/flavors/:flavor_id/os-extra_specs';
const ITEM = `${COLLECTION}/:key`;

const noSuchSpec = (flavorId: string, key: string): CumuletError =>
  new CumuletError('not_found', `Flavor ${flavorId} has no extra specs with key ${key}.`);

export const FLAVOR_EXTRA_SPEC_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: COLLECTION,
    rule: 'os_compute_api:os-flavor-extra-specs:index',
    async handler(context) {
      const flavor = await findFlavor(context, context.param('flavor_id'));
      return { status: 200, body: { extra_specs: flavor.extraSpecs } };
    },
  }),
  route({
    method: 'POST',
    path: COLLECTION,
    rule: 'os_compute_api:os-flavor-extra-specs:create',
    body: CREATE,
    async handler(context) {
      const { id } = await findFlavor(context, context.param('flavor_id'));
      const given = context.body.extra_specs;
      await changeFlavor(context.records, id, context.clock.now(), (flavor) => ({
        extraSpecs: { ...flavor.extraSpecs, ...given },
      }));
      return { status: 200, body: { extra_specs: given } };
    },
  }),
  route({
    method: 'GET',
    path: ITEM,
    rule: 'os_compute_api:os-flavor-extra-specs:show',
    async handler(context) {
      const flavor = await findFlavor(context, context.param('flavor_id'));
      const key = context.param('key');
      if (!Object.hasOwn(flavor.extraSpecs, key)) throw noSuchSpec(flavor.id, key);
      return { status: 200, body: { [key]: flavor.extraSpecs[key] } };
    },
  }),
  route({
    method: 'PUT',
    path: ITEM,
    rule: 'os_compute_api:os-flavor-extra-specs:update',
    body: UPDATE,
    async handler(context) {
      const key = context.param('key');
      const given = context.body[key];
      if (given === undefined) throw new CumuletError('invalid', 'Request body and URI mismatch');
      const { id } = await findFlavor(context, context.param('flavor_id'));
      await changeFlavor(context.records, id, context.clock.now(), (flavor) => ({
        extraSpecs: { ...flavor.extraSpecs, [key]: given },
      }));
      return { status: 200, body: { [key]: given } };
    },
  }),
  route({
    method: 'DELETE',
    path: ITEM,
    rule: 'os_compute_api:os-flavor-extra-specs:delete',
    async handler(context) {
      const { id } = await findFlavor(context, context.param('flavor_id'));
      const key = context.param('key');
      await changeFlavor(context.records, id, context.clock.now(), (flavor) => {
        const { [key]: gone, ...others } = flavor.extraSpecs;
        if (gone === undefined) throw noSuchSpec(id, key);
        return { extraSpecs: others };
      });
      return { status: 200 };
    },
  }),
];
