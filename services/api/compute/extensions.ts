// /extensions: the aliases of Nova's extensions that 2.1 has for good. Clients of old look there for what exists.

import { CumuletError } from '#base';
import { type Route, route } from '../http/route.ts';

const UPDATED = '2014-12-03T00:00:00Z';

const ALIASES: Readonly<Record<string, string>> = {
  'OS-DCF': 'DiskConfig',
  'OS-EXT-AZ': 'ExtendedAvailabilityZone',
  'OS-EXT-IPS': 'ExtendedIps',
  'OS-EXT-IPS-MAC': 'ExtendedIpsMac',
  'OS-EXT-SRV-ATTR': 'ExtendedServerAttributes',
  'OS-EXT-STS': 'ExtendedStatus',
  'OS-FLV-DISABLED': 'FlavorDisabled',
  'OS-FLV-EXT-DATA': 'FlavorExtraData',
  'OS-SRV-USG': 'ServerUsage',
  'os-aggregates': 'Aggregates',
  'os-attach-interfaces': 'AttachInterfaces',
  'os-availability-zone': 'AvailabilityZone',
  'os-config-drive': 'ConfigDrive',
  'os-console-output': 'ConsoleOutput',
  'os-consoles': 'Consoles',
  'os-flavor-access': 'FlavorAccess',
  'os-flavor-extra-specs': 'FlavorExtraSpecs',
  'os-flavor-manage': 'FlavorManage',
  'os-hosts': 'Hosts',
  'os-hypervisors': 'Hypervisors',
  'os-instance-actions': 'InstanceActions',
  'os-keypairs': 'Keypairs',
  'os-lock-server': 'LockServer',
  'os-pause-server': 'PauseServer',
  'os-quota-class-sets': 'QuotaClasses',
  'os-quota-sets': 'Quotas',
  'os-remote-consoles': 'Consoles',
  'os-server-diagnostics': 'ServerDiagnostics',
  'os-server-groups': 'ServerGroups',
  'os-services': 'Services',
  'os-suspend-server': 'SuspendServer',
  'os-used-limits': 'UsedLimits',
  'os-user-data': 'UserData',
};

const extension = (alias: string) => ({
  alias,
  name: ALIASES[alias],
  description: `${ALIASES[alias]} support.`,
  namespace: 'http://docs.openstack.org/compute/ext/fake_xml',
  updated: UPDATED,
  links: [],
});

export const EXTENSION_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/extensions',
    rule: 'os_compute_api:extensions',
    handler: async () => ({ status: 200, body: { extensions: Object.keys(ALIASES).map(extension) } }),
  }),
  route({
    method: 'GET',
    path: '/extensions/:alias',
    rule: 'os_compute_api:extensions',
    async handler(context) {
      const alias = context.param('alias');
      if (!Object.hasOwn(ALIASES, alias)) {
        throw new CumuletError('not_found', `Extension ${alias} could not be found.`);
      }
      return { status: 200, body: { extension: extension(alias) } };
    },
  }),
];
