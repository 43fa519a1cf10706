// Who may do what, by Neutron's names of rules. Whether a project may see or change one resource is decided beside it
// (resource.ts); here is which tokens may ask at all, and which attributes are the operator's.

import {
  ADMIN,
  AUTHENTICATED,
  type Check,
  PROJECT_ADMIN,
  PROJECT_MEMBER,
  PROJECT_READER,
  type Rules,
} from '../policy/checks.ts';

const RESOURCES = ['network', 'subnet', 'port', 'security_group', 'security_group_rule', 'router', 'floatingip'];

const basic = (singular: string): Record<string, Check> => ({
  [`get_${singular}`]: PROJECT_READER,
  [`create_${singular}`]: PROJECT_MEMBER,
  [`update_${singular}`]: PROJECT_MEMBER,
  [`delete_${singular}`]: PROJECT_MEMBER,
  [`create_${singular}:others`]: PROJECT_ADMIN,
  [`update_${singular}:others`]: PROJECT_ADMIN,
  [`delete_${singular}:others`]: PROJECT_ADMIN,
});

const OPERATORS = {
  network: [
    'shared',
    'router:external',
    'is_default',
    'provider:network_type',
    'provider:physical_network',
    'provider:segmentation_id',
  ],
  port: [
    'binding:host_id',
    'binding:profile',
    'mac_address',
    'fixed_ips:ip_address',
    'port_security_enabled',
    'allowed_address_pairs',
    'device_owner',
    'external',
  ],
  router: ['external_gateway_info:enable_snat', 'external_gateway_info:external_fixed_ips'],
};

const operators = Object.entries(OPERATORS).flatMap(([singular, attributes]) =>
  attributes.flatMap((attribute) =>
    ['create', 'update'].map((verb) => [`${verb}_${singular}:${attribute}`, ADMIN] as const),
  ),
);

export const NETWORK_RULES: Rules = {
  ...Object.assign({}, ...RESOURCES.map(basic)),
  ...Object.fromEntries(operators),
  get_version: AUTHENTICATED,
  get_extension: AUTHENTICATED,
  add_router_interface: PROJECT_MEMBER,
  remove_router_interface: PROJECT_MEMBER,
  get_quota: PROJECT_READER,
  'get_quota:others': ADMIN,
  update_quota: ADMIN,
  delete_quota: ADMIN,
  get_agent: PROJECT_READER,
  get_availability_zone: PROJECT_READER,
  get_network_ip_availability: PROJECT_READER,
  get_service_provider: PROJECT_READER,
  get_subnetpool: PROJECT_READER,
  get_address_scope: PROJECT_READER,
};
