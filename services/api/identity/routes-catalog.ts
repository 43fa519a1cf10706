// /services, /endpoints and /regions: the catalog is composed of what this cloud serves, so it is read and never written.

import type { RequestContext } from '../http/context.ts';
import { HttpFault } from '../http/faults.ts';
import { type Route, route } from '../http/route.ts';
import { missing } from './resource.ts';
import { collection, endpointViews, serviceView } from './views.ts';

const services = (context: RequestContext) => context.catalog.map((entry) => serviceView(entry, context));
const endpoints = (context: RequestContext) =>
  context.catalog.flatMap((entry) => endpointViews(entry, context.components.region, context));
const regions = (context: RequestContext) => [
  {
    id: context.components.region,
    description: '',
    parent_region_id: null,
    links: { self: context.url(`/identity/v3/regions/${context.components.region}`) },
  },
];

const RESOURCES = [
  { noun: 'service', path: '/services', key: 'services', all: services },
  { noun: 'endpoint', path: '/endpoints', key: 'endpoints', all: endpoints },
  { noun: 'region', path: '/regions', key: 'regions', all: regions },
] as const;

const FILTERS = ['type', 'name', 'interface', 'service_id', 'region_id', 'region'] as const;

function resourceRoutes({ noun, path, key, all }: (typeof RESOURCES)[number]): Route[] {
  const refuse = async (): Promise<never> => {
    throw new HttpFault(403, `The catalog is made of what this cloud serves: a ${noun} cannot be changed.`);
  };
  return [
    route({
      method: 'GET',
      path,
      rule: `identity:list_${noun}s`,
      async handler(context) {
        const wanted = FILTERS.flatMap((name) => {
          const value = context.search.get(name);
          return value === null ? [] : [[name, value] as const];
        });
        const items = all(context).filter((item) =>
          wanted.every(([name, value]) => !(name in item) || (item as Record<string, unknown>)[name] === value),
        );
        return { status: 200, body: collection(key, items, context) };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:id`,
      rule: `identity:get_${noun}`,
      async handler(context) {
        const found = all(context).find((item) => item.id === context.param('id'));
        if (found === undefined) throw missing(noun, context.param('id'));
        return { status: 200, body: { [noun]: found } };
      },
    }),
    route({ method: 'POST', path, rule: `identity:create_${noun}`, handler: refuse }),
    route({ method: 'PATCH', path: `${path}/:id`, rule: `identity:update_${noun}`, handler: refuse }),
    route({ method: 'DELETE', path: `${path}/:id`, rule: `identity:delete_${noun}`, handler: refuse }),
  ];
}

export const CATALOG_ROUTES: readonly Route[] = RESOURCES.flatMap(resourceRoutes);
