// Allocations of consumers, candidates for a new one, and the sums that projects use.

import { CumuletError, isUuid } from '#base';
import {
  AGGREGATE,
  ALLOCATION,
  type Amounts,
  capacity,
  NOTHING,
  RESOURCE_CLASSES,
  RESOURCE_PROVIDER,
  type ResourceProvider,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { checkKeys, providers, wishOf } from './providers.ts';
import { fits, nonZero } from './query.ts';
import { ok } from './reply.ts';

type Context = RequestContext<unknown, unknown>;

function summary(context: Context, provider: ResourceProvider, asked: Amounts) {
  const at = (minor: number) => context.microversion.atLeast(1, minor);
  // Until 1.26 only what was asked for is summed up.
  const shown = RESOURCE_CLASSES.filter((name) => at(27) || asked[name] > 0);
  const resources = shown.map((name) => [
    name,
    { capacity: capacity(provider.inventories[name]), used: provider.used[name] },
  ]);
  return {
    resources: Object.fromEntries(resources),
    ...(at(17) ? { traits: provider.traits } : {}),
    ...(at(29) ? { parent_provider_uuid: null, root_provider_uuid: provider.uuid } : {}),
  };
}

function request(context: Context, provider: ResourceProvider, asked: Amounts) {
  const resources = nonZero(asked);
  if (!context.microversion.atLeast(1, 12)) {
    return { allocations: [{ resource_provider: { uuid: provider.uuid }, resources }] };
  }
  const mappings = context.microversion.atLeast(1, 34) ? { mappings: { '': [provider.uuid] } } : {};
  return { allocations: { [provider.uuid]: { resources } }, ...mappings };
}

function limitOf(context: Context): number {
  const text = context.search.get('limit');
  if (text === null) return Number.POSITIVE_INFINITY;
  if (!/^[1-9]\d*$/.test(text)) {
    throw new CumuletError('invalid', `Invalid query string parameters: '${text}' does not match '^[1-9][0-9]*$'`);
  }
  return Number(text);
}

const CANDIDATE_KEYS = { resources: 10, limit: 16, required: 17, member_of: 21, group_policy: 25, in_tree: 31 };

export const CANDIDATE_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/allocation_candidates',
    rule: 'placement:allocation_candidates:list',
    microversions: ['1.10'],
    async handler(context) {
      checkKeys(context, CANDIDATE_KEYS);
      const wish = wishOf(context);
      if (wish.amounts === undefined) {
        throw new CumuletError('invalid', "Invalid query string parameters: 'resources' is a required property");
      }
      const asked = wish.amounts;
      const tree = context.search.get('in_tree');
      const aggregates = (await context.records.list(AGGREGATE)).map(({ value }) => value);
      const suitable = (await providers(context.records)).filter(
        (provider) => (tree === null || provider.uuid === tree) && fits(provider, wish, aggregates),
      );
      const found = suitable.slice(0, limitOf(context));
      const body = {
        allocation_requests: found.map((provider) => request(context, provider, asked)),
        provider_summaries: Object.fromEntries(
          found.map((provider) => [provider.uuid, summary(context, provider, asked)]),
        ),
      };
      return ok(context, body, context.clock.now());
    },
  }),
  route({
    method: 'GET',
    path: '/allocations/:consumer_uuid',
    rule: 'placement:allocations:list',
    async handler(context) {
      const consumer = context.param('consumer_uuid');
      if (!isUuid(consumer)) throw new CumuletError('invalid', `Malformed consumer uuid: ${consumer}`);
      const allocation = (await context.records.get(ALLOCATION, consumer.toLowerCase()))?.value;
      if (allocation === undefined) return ok(context, { allocations: {} }, context.clock.now());
      const provider = (await context.records.get(RESOURCE_PROVIDER, allocation.providerName))?.value;
      const at = (minor: number) => context.microversion.atLeast(1, minor);
      const body = {
        allocations:
          provider === undefined
            ? {}
            : { [provider.uuid]: { generation: provider.generation, resources: nonZero(allocation.resources) } },
        ...(at(12) ? { project_id: allocation.projectId, user_id: allocation.userId } : {}),
        ...(at(28) ? { consumer_generation: allocation.consumerGeneration } : {}),
        ...(at(38) ? { consumer_type: 'INSTANCE' } : {}),
      };
      return ok(context, body, allocation.createdAt);
    },
  }),
  route({
    method: 'GET',
    path: '/usages',
    rule: 'placement:usages',
    microversions: ['1.9'],
    handler: usages,
  }),
];

const USAGE_KEYS = { project_id: 9, user_id: 9, consumer_type: 38 };

/** Of a project, or of one of its users; by consumer type from 1.38: all of ours are instances. */
async function usages(context: Context) {
  checkKeys(context, USAGE_KEYS);
  const projectId = context.search.get('project_id');
  if (projectId === null) {
    throw new CumuletError('invalid', "Invalid query string parameters: 'project_id' is a required property");
  }
  context.enforce('placement:usages:project', { project_id: projectId });
  const userId = context.search.get('user_id');
  const type = context.search.get('consumer_type');
  const held = await context.records.list(
    ALLOCATION,
    (one) => one.projectId === projectId && (userId === null || one.userId === userId),
  );
  const none = type !== null && !['INSTANCE', 'all'].includes(type);
  const counted = none ? [] : held.map(({ value }) => value.resources);
  const sums: Record<string, number> = { ...NOTHING };
  for (const resources of counted) {
    for (const name of RESOURCE_CLASSES) sums[name] = (sums[name] ?? 0) + resources[name];
  }
  const used = nonZero(sums as unknown as Amounts);
  if (!context.microversion.atLeast(1, 38)) return ok(context, { usages: used }, context.clock.now());
  const group = type === 'all' ? 'all' : 'INSTANCE';
  const body = { usages: counted.length === 0 ? {} : { [group]: { consumer_count: counted.length, ...used } } };
  return ok(context, body, context.clock.now());
}
