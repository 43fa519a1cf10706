// The compute area: everything under /compute, in Nova's dialect. Servers come from servers/ and are handed in.

import { NOVA } from '../http/dialects.ts';
import type { Area, Route, SocketRoute } from '../http/route.ts';
import type { Rules } from '../policy/checks.ts';
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
import { COMPUTE_DOCUMENTS, COMPUTE_VERSIONS, rewriteComputePath } from './versions.ts';

/** What is mounted beside compute's own routes. */
export interface ComputeParts {
  readonly routes: readonly Route[];
  readonly rules: Rules;
  readonly sockets?: readonly SocketRoute[];
}

export const computeArea = (parts: ComputeParts = { routes: [], rules: {} }): Area => ({
  name: 'compute',
  dialect: NOVA,
  prefix: '/compute',
  root: '/v2.1',
  documents: COMPUTE_DOCUMENTS,
  routes: [
    ...parts.routes,
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
  rules: { ...COMPUTE_RULES, ...parts.rules },
  microversions: COMPUTE_VERSIONS,
  catalog: [{ type: 'compute', name: 'nova', path: '/compute/v2.1' }],
  sockets: parts.sockets ?? [],
  rewrite: rewriteComputePath,
});
