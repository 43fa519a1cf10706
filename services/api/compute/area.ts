// The compute area: everything under /compute, in Nova's dialect. Servers hold connections to node agents and are
// handed in.

import { NOVA } from '../http/dialects.ts';
import type { Area } from '../http/route.ts';
import { EXTENSION_ROUTES } from './extensions.ts';
import { FLAVOR_ROUTES } from './flavors/mod.ts';
import { AGGREGATE_ROUTES } from './hosts/aggregates.ts';
import { HOST_ROUTES } from './hosts/hosts.ts';
import { HYPERVISOR_ROUTES } from './hosts/hypervisors.ts';
import { SERVICE_ROUTES } from './hosts/services.ts';
import { ZONE_ROUTES } from './hosts/zones.ts';
import { KEYPAIR_ROUTES } from './keypairs/mod.ts';
import { QUOTA_ROUTES } from './quotas/mod.ts';
import { COMPUTE_RULES } from './rules.ts';
import { SERVER_GROUP_ROUTES, SERVER_GROUP_RULES } from './server-groups/mod.ts';
import { SERVER_RULES, type Servers } from './servers/mod.ts';
import { COMPUTE_DOCUMENTS, COMPUTE_VERSIONS, rewriteComputePath } from './versions.ts';

export const computeArea = (servers: Servers): Area => ({
  name: 'compute',
  dialect: NOVA,
  prefix: '/compute',
  root: '/v2.1',
  documents: COMPUTE_DOCUMENTS,
  routes: [
    ...servers.routes,
    ...SERVER_GROUP_ROUTES,
    ...FLAVOR_ROUTES,
    ...KEYPAIR_ROUTES,
    ...QUOTA_ROUTES,
    ...ZONE_ROUTES,
    ...HYPERVISOR_ROUTES,
    ...SERVICE_ROUTES,
    ...HOST_ROUTES,
    ...AGGREGATE_ROUTES,
    ...EXTENSION_ROUTES,
  ],
  rules: { ...COMPUTE_RULES, ...SERVER_RULES, ...SERVER_GROUP_RULES },
  microversions: COMPUTE_VERSIONS,
  catalog: [{ type: 'compute', name: 'nova', path: '/compute/v2.1' }],
  sockets: servers.sockets,
  rewrite: rewriteComputePath,
});
