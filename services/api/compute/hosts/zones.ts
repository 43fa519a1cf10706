// Availability zones: the zones that hosts are in, with their hosts for operators.

import { HOST, type Host, hostState } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { type Route, route } from '../../http/route.ts';
import { nakedMicros } from '../../http/time.ts';

const hostView = (host: Host) => ({
  'nova-compute': {
    available: host.disabled === null,
    active: hostState(host) === 'up',
    updated_at: nakedMicros(host.heartbeatAt),
  },
});

async function zones(context: RequestContext): Promise<Map<string, Host[]>> {
  const found = new Map<string, Host[]>();
  for (const { value: host } of await context.records.list(HOST)) {
    found.set(host.availabilityZone, [...(found.get(host.availabilityZone) ?? []), host]);
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A zone can be used while one of its hosts is enabled. */
const available = (hosts: readonly Host[]): boolean => hosts.some((host) => host.disabled === null);

export const ZONE_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/os-availability-zone',
    rule: 'os_compute_api:os-availability-zone:list',
    async handler(context) {
      const info = [...(await zones(context))].map(([zoneName, hosts]) => ({
        zoneName,
        zoneState: { available: available(hosts) },
        hosts: null,
      }));
      return { status: 200, body: { availabilityZoneInfo: info } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-availability-zone/detail',
    rule: 'os_compute_api:os-availability-zone:detail',
    async handler(context) {
      const info = [...(await zones(context))].map(([zoneName, hosts]) => ({
        zoneName,
        zoneState: { available: available(hosts) },
        hosts: Object.fromEntries(hosts.map((host) => [host.name, hostView(host)])),
      }));
      return { status: 200, body: { availabilityZoneInfo: info } };
    },
  }),
];
