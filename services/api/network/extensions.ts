// The extensions that are truly served: clients decide by their aliases what to try.
import { networkError } from '#model';
import { type Route, route } from '../http/route.ts';

const EXTENSIONS: readonly (readonly [alias: string, name: string, description: string])[] = [
  ['agent', 'agent', 'The agent management extension.'],
  ['allowed-address-pairs', 'Allowed Address Pairs', 'Provides allowed address pairs'],
  ['availability_zone', 'Availability Zone', 'The availability zone extension.'],
  ['binding', 'Port Binding', 'Expose port bindings of a virtual port to external application'],
  ['dns-integration', 'DNS Integration', 'Provides integration with DNS.'],
  [
    'ext-gw-mode',
    'Neutron L3 Configurable external gateway mode',
    'Extension of the router abstraction for specifying whether SNAT should occur on the external gateway',
  ],
  ['external-net', 'Neutron external network', 'Adds external network attribute to network resource.'],
  ['extraroute', 'Neutron Extra Route', 'Extra routes configuration for L3 router'],
  ['net-mtu', 'Network MTU', 'Provides MTU attribute for a network resource.'],
  ['net-mtu-writable', 'Network MTU (writable)', 'Provides a writable MTU attribute for a network resource.'],
  ['network-ip-availability', 'Network IP Availability', 'Provides IP availability data for each network and subnet.'],
  ['network_availability_zone', 'Network Availability Zone', 'Availability zone support for network.'],
  ['pagination', 'Pagination support', 'Extension that indicates that pagination is enabled.'],
  ['port-security', 'Port Security', 'Provides port security'],
  ['project-id', 'project_id field enabled', 'Extension that indicates that project_id field is enabled.'],
  ['provider', 'Provider Network', 'Expose mapping of virtual networks to physical networks'],
  ['quota_details', 'Quota details management support', 'Expose functions for quotas usage statistics per project'],
  ['quotas', 'Quota management support', 'Expose functions for quotas management per tenant'],
  [
    'revision-if-match',
    'If-Match constraints based on revision_number',
    'Extension indicating that If-Match based on revision_number is supported.',
  ],
  [
    'router',
    'Neutron L3 Router',
    'Router abstraction for basic L3 forwarding between L2 Neutron networks and access to external networks via a NAT gateway.',
  ],
  ['security-group', 'security-group', 'The security groups extension.'],
  [
    'service-type',
    'Neutron Service Type Management',
    'API for retrieving service providers for Neutron advanced services',
  ],
  ['sorting', 'Sorting support', 'Extension that indicates that sorting is enabled.'],
  ['standard-attr-description', 'standard-attr-description', 'Extension to add descriptions to standard attributes'],
  [
    'standard-attr-revisions',
    'Resource revision numbers',
    'This extension will display the revision number of neutron resources.',
  ],
  [
    'standard-attr-tag',
    'Tag support for resources with standard attribute',
    'Enables to set tag on resources with standard attribute.',
  ],
  [
    'standard-attr-timestamp',
    'Resource timestamps',
    'Adds created_at and updated_at fields to all Neutron resources that have Neutron standard attributes.',
  ],
  ['stateful-security-group', 'Stateful security group', 'Indicates if the security group is stateful or not'],
  ['subnet-service-types', 'Subnet service types', 'Provides ability to set the subnet service_types field'],
];

const view = ([alias, name, description]: (typeof EXTENSIONS)[number]) => ({
  alias,
  name,
  description,
  updated: '2026-01-01T00:00:00-00:00',
  links: [],
});

export const EXTENSION_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/extensions',
    rule: 'get_extension',
    handler: async () => ({ status: 200, body: { extensions: EXTENSIONS.map(view) } }),
  }),
  route({
    method: 'GET',
    path: '/extensions/:alias',
    rule: 'get_extension',
    handler: async (context) => {
      const alias = context.param('alias');
      const extension = EXTENSIONS.find(([known]) => known === alias);
      if (extension === undefined) {
        throw networkError('not_found', 'HTTPNotFound', `Extension with alias ${alias} does not exist`);
      }
      return { status: 200, body: { extension: view(extension) } };
    },
  }),
];
