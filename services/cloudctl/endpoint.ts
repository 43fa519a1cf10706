// endpoint, service and region: the catalog as identity keeps it, for administrators.

import type { Command } from './command.ts';
import { namesById } from './fields.ts';

export const commands: readonly Command[] = [
  {
    words: 'endpoint list',
    summary: 'List endpoints (admin)',
    output: 'list',
    async run(context) {
      const { identity } = await context.cloud();
      const [endpoints, services] = await Promise.all([identity.endpoints.list(), identity.services.list()]);
      const names = namesById(services);
      const types = new Map(services.map((one) => [one.id, one.type]));
      return {
        columns: ['ID', 'Region', 'Service Name', 'Service Type', 'Enabled', 'Interface', 'URL'],
        rows: endpoints.map((one) => [
          ...[one.id, one.region_id ?? one.region, names.get(String(one.service_id)) ?? ''],
          ...[types.get(String(one.service_id)) ?? '', one.enabled, one.interface, one.url],
        ]),
      };
    },
  },
  {
    words: 'service list',
    summary: 'List services (admin)',
    output: 'list',
    async run(context) {
      const { identity } = await context.cloud();
      const services = await identity.services.list();
      return { columns: ['ID', 'Name', 'Type'], rows: services.map((one) => [one.id, one.name, one.type]) };
    },
  },
  {
    words: 'region list',
    summary: 'List regions',
    output: 'list',
    async run(context) {
      const { identity } = await context.cloud();
      const regions = await identity.regions.list();
      return {
        columns: ['Region', 'Parent Region', 'Description'],
        rows: regions.map((one) => [one.id, one.parent_region_id, one.description]),
      };
    },
  },
];
