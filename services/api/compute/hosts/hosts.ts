// /os-hosts: the oldest look at hosts, gone since 2.43.

import { z } from 'zod';
import { CumuletError } from '#base';
import { ALLOCATION, type Amounts, HOST, type Host, NOTHING, RESOURCE_PROVIDER } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { queryText } from '../parameters.ts';

const RANGE = ['2.1', '2.42'] as const;

const row = (host: Host, project: string, amounts: Amounts) => ({
  resource: { host: host.name, project, cpu: amounts.VCPU, memory_mb: amounts.MEMORY_MB, disk_gb: amounts.DISK_GB },
});

/** Nova's table: what there is, what is used now, what servers may use, and each project's part. */
function rows(context: RequestContext<unknown, unknown>, host: Host) {
  const provider = context.records.peek(RESOURCE_PROVIDER, host.name)?.value;
  const total: Amounts = {
    VCPU: host.resources.vcpus,
    MEMORY_MB: host.resources.memoryMib,
    DISK_GB: host.resources.diskGib,
  };
  const used = provider?.used ?? NOTHING;
  const projects = new Map<string, Amounts>();
  for (const { value: held } of context.records.peekList(ALLOCATION, (one) => one.providerName === host.name)) {
    const before = projects.get(held.projectId) ?? NOTHING;
    projects.set(held.projectId, {
      VCPU: before.VCPU + held.resources.VCPU,
      MEMORY_MB: before.MEMORY_MB + held.resources.MEMORY_MB,
      DISK_GB: before.DISK_GB + held.resources.DISK_GB,
    });
  }
  return [
    row(host, '(total)', total),
    row(host, '(used_now)', used),
    row(host, '(used_max)', used),
    ...[...projects].map(([project, amounts]) => row(host, project, amounts)),
  ];
}

export const HOST_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-hosts',
    rule: 'os_compute_api:os-hosts:list',
    microversions: RANGE,
    query: z.looseObject({ zone: queryText }),
    async handler(context) {
      const zone = context.query.zone;
      const found = await context.records.list(HOST, (host) => zone === undefined || host.availabilityZone === zone);
      const hosts = found.map(({ value: host }) => ({
        host_name: host.name,
        service: 'compute',
        zone: host.availabilityZone,
      }));
      return { status: 200, body: { hosts } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-hosts/:host_name',
    rule: 'os_compute_api:os-hosts:show',
    microversions: RANGE,
    async handler(context) {
      const name = context.param('host_name');
      const host = (await context.records.get(HOST, name))?.value;
      if (host === undefined) throw new CumuletError('not_found', `Compute host ${name} could not be found.`);
      return { status: 200, body: { host: rows(context, host) } };
    },
  }),
];
