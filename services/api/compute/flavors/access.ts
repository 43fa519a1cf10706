// Which projects may use a flavor that is not public.

import { z } from 'zod';
import { CumuletError } from '#base';
import type { Flavor } from '#model';
import { type Route, route } from '../../http/route.ts';
import { findFlavor } from './find.ts';
import { changeFlavor } from './manage.ts';

const tenant = z.strictObject({
  tenant: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-zA-Z0-9-]*$/),
});

const view = (flavor: Flavor) => ({
  flavor_access: flavor.projects.map((project) => ({ flavor_id: flavor.id, tenant_id: project })),
});

function give(flavor: Flavor, project: string): Partial<Flavor> {
  if (flavor.isPublic) throw new CumuletError('conflict', 'Can not add access to a public flavor.');
  if (flavor.projects.includes(project)) {
    throw new CumuletError(
      'already_exists',
      `Flavor access already exists for flavor ${flavor.id} and project ${project} combination.`,
    );
  }
  return { projects: [...flavor.projects, project] };
}

function take(flavor: Flavor, project: string): Partial<Flavor> {
  if (!flavor.projects.includes(project)) {
    throw new CumuletError('not_found', `Flavor access not found for ${flavor.id} / ${project} combination.`);
  }
  return { projects: flavor.projects.filter((present) => present !== project) };
}

export const FLAVOR_ACCESS_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/flavors/:flavor_id/os-flavor-access',
    rule: 'os_compute_api:os-flavor-access',
    async handler(context) {
      const flavor = await findFlavor(context, context.param('flavor_id'));
      if (flavor.isPublic) throw new CumuletError('not_found', 'Access list not available for public flavors.');
      return { status: 200, body: view(flavor) };
    },
  }),
  route({
    method: 'POST',
    path: '/flavors/:flavor_id/action',
    action: 'addTenantAccess',
    rule: 'os_compute_api:os-flavor-access:add_tenant_access',
    body: z.strictObject({ addTenantAccess: tenant }),
    async handler(context) {
      const { id } = await findFlavor(context, context.param('flavor_id'));
      const project = context.body.addTenantAccess.tenant;
      const changed = await changeFlavor(context.records, id, context.clock.now(), (flavor) => give(flavor, project));
      return { status: 200, body: view(changed) };
    },
  }),
  route({
    method: 'POST',
    path: '/flavors/:flavor_id/action',
    action: 'removeTenantAccess',
    rule: 'os_compute_api:os-flavor-access:remove_tenant_access',
    body: z.strictObject({ removeTenantAccess: tenant }),
    async handler(context) {
      const { id } = await findFlavor(context, context.param('flavor_id'));
      const project = context.body.removeTenantAccess.tenant;
      const changed = await changeFlavor(context.records, id, context.clock.now(), (flavor) => take(flavor, project));
      return { status: 200, body: view(changed) };
    },
  }),
];
