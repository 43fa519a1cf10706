// Resource providers: one for each host, with what it has, what is used, and who uses it.

import { CumuletError } from '#base';
import {
  AGGREGATE,
  ALLOCATION,
  type Inventory,
  RESOURCE_CLASSES,
  RESOURCE_PROVIDER,
  type ResourceClass,
  type ResourceProvider,
} from '#model';
import type { Records } from '#store';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { aggregatesOf, fits, nonZero, type ProviderWish, parseMemberOf, parseResources, parseTraits } from './query.ts';
import { ok } from './reply.ts';

type Context = RequestContext<unknown, unknown>;

/** In order of name: pages and tests rely on one. */
export async function providers(records: Records): Promise<ResourceProvider[]> {
  const found = (await records.list(RESOURCE_PROVIDER)).map(({ value }) => value);
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function find(context: Context): Promise<ResourceProvider> {
  const uuid = context.param('uuid').toLowerCase();
  const found = await context.records.list(RESOURCE_PROVIDER, (provider) => provider.uuid === uuid);
  const provider = found[0]?.value;
  if (provider === undefined) {
    throw new CumuletError(
      'not_found',
      `No resource provider with uuid ${context.param('uuid')} found : The resource could not be found.`,
    );
  }
  return provider;
}

/** Each link from the version on that knows what it leads to. */
const LINKS: readonly (readonly [rel: string, minor: number])[] = [
  ['inventories', 0],
  ['usages', 0],
  ['aggregates', 1],
  ['traits', 6],
  ['allocations', 11],
];

function view(context: Context, provider: ResourceProvider) {
  const self = `/placement/resource_providers/${provider.uuid}`;
  const links = LINKS.filter(([, minor]) => context.microversion.atLeast(1, minor));
  return {
    uuid: provider.uuid,
    name: provider.name,
    generation: provider.generation,
    ...(context.microversion.atLeast(1, 14) ? { root_provider_uuid: provider.uuid, parent_provider_uuid: null } : {}),
    links: [{ rel: 'self', href: self }, ...links.map(([rel]) => ({ rel, href: `${self}/${rel}` }))],
  };
}

export const inventoryView = (inventory: Inventory) => ({
  total: inventory.total,
  reserved: inventory.reserved,
  min_unit: inventory.minUnit,
  max_unit: inventory.maxUnit,
  step_size: inventory.stepSize,
  allocation_ratio: inventory.allocationRatio,
});

/** Query keys by the version that brought them; any other is refused, as placement does. */
const KEYS: Readonly<Record<string, number>> = {
  name: 0,
  uuid: 0,
  member_of: 3,
  resources: 4,
  in_tree: 14,
  required: 18,
};

export function checkKeys(context: Context, keys: Readonly<Record<string, number>>): void {
  for (const key of context.search.keys()) {
    const since = keys[key];
    if (since !== undefined && context.microversion.atLeast(1, since)) continue;
    throw new CumuletError(
      'invalid',
      `Invalid query string parameters: Additional properties are not allowed ('${key}' was unexpected)`,
    );
  }
}

export function wishOf(context: Context): ProviderWish {
  const resources = context.search.get('resources');
  const required = context.search.getAll('required');
  const memberOf = context.search.getAll('member_of');
  return {
    ...(resources === null ? {} : { amounts: parseResources(resources) }),
    ...(required.length === 0 ? {} : { traits: parseTraits(required, context.microversion.atLeast(1, 22)) }),
    memberOf: memberOf.map(parseMemberOf),
  };
}

const RULE = 'placement:resource_providers';
const ITEM = '/resource_providers/:uuid';

export const PROVIDER_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/resource_providers',
    rule: `${RULE}:list`,
    async handler(context) {
      checkKeys(context, KEYS);
      const wish = wishOf(context);
      const [name, uuid, tree] = ['name', 'uuid', 'in_tree'].map((key) => context.search.get(key));
      const aggregates = (await context.records.list(AGGREGATE)).map(({ value }) => value);
      const found = (await providers(context.records)).filter(
        (provider) =>
          (name === null || provider.name === name) &&
          (uuid === null || provider.uuid === uuid) &&
          (tree === null || provider.uuid === tree) &&
          fits(provider, wish, aggregates),
      );
      const changed = Math.max(...found.map((provider) => provider.updatedAt), 0) || context.clock.now();
      return ok(context, { resource_providers: found.map((provider) => view(context, provider)) }, changed);
    },
  }),
  route({
    method: 'GET',
    path: ITEM,
    rule: `${RULE}:show`,
    async handler(context) {
      const provider = await find(context);
      return ok(context, view(context, provider), provider.updatedAt);
    },
  }),
  route({
    method: 'GET',
    path: `${ITEM}/inventories`,
    rule: `${RULE}:inventories:list`,
    async handler(context) {
      const provider = await find(context);
      const present = RESOURCE_CLASSES.filter((name) => provider.inventories[name].total > 0);
      const inventories = Object.fromEntries(present.map((name) => [name, inventoryView(provider.inventories[name])]));
      const body = { resource_provider_generation: provider.generation, inventories };
      return ok(context, body, provider.updatedAt);
    },
  }),
  route({
    method: 'GET',
    path: `${ITEM}/inventories/:resource_class`,
    rule: `${RULE}:inventories:show`,
    async handler(context) {
      const provider = await find(context);
      const name = context.param('resource_class') as ResourceClass;
      if (!RESOURCE_CLASSES.includes(name) || provider.inventories[name].total === 0) {
        throw new CumuletError(
          'not_found',
          `No inventory of class ${name} found for resource provider ${provider.uuid}`,
        );
      }
      const body = { resource_provider_generation: provider.generation, ...inventoryView(provider.inventories[name]) };
      return ok(context, body, provider.updatedAt);
    },
  }),
  route({
    method: 'GET',
    path: `${ITEM}/usages`,
    rule: `${RULE}:usages`,
    async handler(context) {
      const provider = await find(context);
      const body = { resource_provider_generation: provider.generation, usages: provider.used };
      return ok(context, body, provider.updatedAt);
    },
  }),
  route({
    method: 'GET',
    path: `${ITEM}/aggregates`,
    rule: `${RULE}:aggregates:list`,
    microversions: ['1.1'],
    async handler(context) {
      const provider = await find(context);
      const aggregates = (await context.records.list(AGGREGATE)).map(({ value }) => value);
      const generation = context.microversion.atLeast(1, 19)
        ? { resource_provider_generation: provider.generation }
        : {};
      return ok(context, { aggregates: aggregatesOf(provider, aggregates), ...generation }, provider.updatedAt);
    },
  }),
  route({
    method: 'GET',
    path: `${ITEM}/traits`,
    rule: `${RULE}:traits:list`,
    microversions: ['1.6'],
    async handler(context) {
      const provider = await find(context);
      const body = { traits: provider.traits, resource_provider_generation: provider.generation };
      return ok(context, body, provider.updatedAt);
    },
  }),
  route({
    method: 'GET',
    path: `${ITEM}/allocations`,
    rule: `${RULE}:allocations:list`,
    async handler(context) {
      const provider = await find(context);
      const held = await context.records.list(ALLOCATION, ({ providerName }) => providerName === provider.name);
      const generations = context.microversion.atLeast(1, 28);
      const allocations = Object.fromEntries(
        held.map(({ value: allocation }) => [
          allocation.consumerId,
          {
            resources: nonZero(allocation.resources),
            ...(generations ? { consumer_generation: allocation.consumerGeneration } : {}),
          },
        ]),
      );
      const body = { resource_provider_generation: provider.generation, allocations };
      return ok(context, body, provider.updatedAt);
    },
  }),
];
