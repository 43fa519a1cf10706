// The network area: everything under /network, in Neutron's dialect. Clients append the version to the catalog's URL.
import { NEUTRON } from '../http/dialects.ts';
import type { Area } from '../http/route.ts';
import { EXTENSION_ROUTES } from './extensions.ts';
import { FLOATING_IP_ROUTES } from './floating-ips.ts';
import { NETWORK_ROUTES } from './networks.ts';
import { OPERATION_ROUTES } from './operations.ts';
import { PORT_ROUTES } from './ports.ts';
import { QUOTA_ROUTES } from './quotas.ts';
import { ROUTER_INTERFACE_ROUTES } from './router-interfaces.ts';
import { ROUTER_ROUTES } from './routers.ts';
import { NETWORK_RULES } from './rules.ts';
import { SECURITY_GROUP_RULE_ROUTES } from './security-group-rules.ts';
import { SECURITY_GROUP_ROUTES } from './security-groups.ts';
import { SUBNET_ROUTES } from './subnets.ts';
import { NETWORK_DOCUMENTS, VERSION_ROUTES } from './versions.ts';

export const networkArea = (): Area => ({
  name: 'network',
  dialect: NEUTRON,
  prefix: '/network',
  root: '/v2.0',
  documents: NETWORK_DOCUMENTS,
  routes: [
    ...VERSION_ROUTES,
    ...EXTENSION_ROUTES,
    ...NETWORK_ROUTES,
    ...SUBNET_ROUTES,
    ...PORT_ROUTES,
    ...SECURITY_GROUP_ROUTES,
    ...SECURITY_GROUP_RULE_ROUTES,
    ...ROUTER_ROUTES,
    ...ROUTER_INTERFACE_ROUTES,
    ...FLOATING_IP_ROUTES,
    ...QUOTA_ROUTES,
    ...OPERATION_ROUTES,
  ],
  rules: NETWORK_RULES,
  catalog: [{ type: 'network', name: 'neutron', path: '/network' }],
});
