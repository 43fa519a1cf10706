// /os-server-groups: servers that want to be together or apart. `policies` until 2.63, `policy` and `rules` from 2.64.

import { z } from 'zod';
import { CumuletError, newUuid } from '#base';
import { type GroupPolicy, SERVER, SERVER_GROUP, type ServerGroup } from '#model';
import type { RequestContext } from '../../http/context.ts';
import { HttpFault } from '../../http/faults.ts';
import { pageRequestOf, sortBy } from '../../http/paging.ts';
import { type Route, route } from '../../http/route.ts';
import { PROJECT_ADMIN, PROJECT_MEMBER, PROJECT_READER, type Rules } from '../../policy/mod.ts';
import { quotasOf } from '../servers/references.ts';

const rule = (name: string) => `os_compute_api:os-server-groups:${name}`;

export const SERVER_GROUP_RULES: Rules = {
  [rule('create')]: PROJECT_MEMBER,
  [rule('delete')]: PROJECT_MEMBER,
  [rule('index')]: PROJECT_READER,
  [rule('index:all_projects')]: PROJECT_ADMIN,
  [rule('show')]: PROJECT_READER,
};

const name = z
  .string()
  .min(1)
  .max(255)
  .regex(/^(?! ).*(?<! )$/u);
const strict = z.enum(['affinity', 'anti-affinity']);
const any = z.enum(['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity']);
const withPolicies = (policy: typeof strict | typeof any) =>
  z.strictObject({ server_group: z.strictObject({ name, policies: z.array(policy).length(1) }) });
const maxPerHost = z.union([
  z.number().int().min(1),
  z
    .string()
    .regex(/^[1-9]\d*$/)
    .transform(Number),
]);
const withPolicy = z.strictObject({
  server_group: z.strictObject({
    name,
    policy: any,
    rules: z.strictObject({ max_server_per_host: maxPerHost.optional() }).optional(),
  }),
});

const CREATE = [
  ['2.1', withPolicies(strict)],
  ['2.15', withPolicies(any)],
  ['2.64', withPolicy],
] as const;

interface CreateWish {
  readonly name: string;
  readonly policies?: readonly GroupPolicy[];
  readonly policy?: GroupPolicy;
  readonly rules?: { readonly max_server_per_host?: number };
}

function view(ctx: RequestContext, group: ServerGroup): object {
  const at = (minor: number) => ctx.microversion.atLeast(2, minor);
  const members = ctx.records.peekList(
    SERVER,
    (server) => server.serverGroupId === group.id && server.vmState !== 'deleted',
  );
  return {
    id: group.id,
    name: group.name,
    members: members.map(({ value }) => value.id),
    ...(at(64)
      ? {
          policy: group.policy,
          rules: group.maxServersPerHost === null ? {} : { max_server_per_host: group.maxServersPerHost },
        }
      : { policies: [group.policy], metadata: {} }),
    ...(at(13) ? { project_id: group.projectId, user_id: group.userId } : {}),
  };
}

async function find(ctx: RequestContext): Promise<ServerGroup> {
  const id = ctx.param('id');
  const group = (await ctx.records.get(SERVER_GROUP, id))?.value;
  if (group === undefined || !ctx.sees(group.projectId)) {
    throw new CumuletError('not_found', `Instance group ${id} could not be found.`);
  }
  return group;
}

export const SERVER_GROUP_ROUTES: readonly Route[] = [
  route({
    method: 'POST',
    path: '/os-server-groups',
    rule: rule('create'),
    body: CREATE,
    async handler(context) {
      const ctx = context;
      const wish = (ctx.body as { server_group: CreateWish }).server_group;
      const policy = wish.policy ?? wish.policies?.[0] ?? 'affinity';
      const maxServersPerHost = wish.rules?.max_server_per_host ?? null;
      if (maxServersPerHost !== null && policy !== 'anti-affinity') {
        throw new CumuletError('invalid', 'Only anti-affinity policy supports rules.');
      }
      const projectId = ctx.projectId;
      const limit = quotasOf(ctx).server_groups;
      const group: ServerGroup = {
        id: newUuid(),
        name: wish.name,
        projectId,
        userId: ctx.auth.userId,
        policy,
        maxServersPerHost,
        createdAt: ctx.clock.now(),
      };
      await ctx.records.transact((tx) => {
        const mine = tx.list(SERVER_GROUP, (one) => one.projectId === projectId);
        if (limit >= 0 && mine.length >= limit) throw new HttpFault(403, 'Quota exceeded, too many server groups.');
        tx.create(SERVER_GROUP, group);
      });
      return { status: 200, body: { server_group: view(ctx, group) } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-server-groups',
    rule: rule('index'),
    async handler(context) {
      const ctx = context;
      const all = ctx.search.has('all_projects') && ctx.can(rule('index:all_projects'));
      const projectId = all ? null : ctx.projectId;
      const found = await ctx.records.list(
        SERVER_GROUP,
        (group) => projectId === null || group.projectId === projectId,
      );
      const sorted = sortBy(
        found.map(({ value }) => value),
        [[(group) => group.createdAt, 'asc']],
      );
      const { limit } = pageRequestOf(ctx.search);
      const offset = Math.max(0, Number(ctx.search.get('offset') ?? 0) || 0);
      const shown = sorted.slice(offset, limit === undefined ? undefined : offset + limit);
      return { status: 200, body: { server_groups: shown.map((group) => view(ctx, group)) } };
    },
  }),
  route({
    method: 'GET',
    path: '/os-server-groups/:id',
    rule: rule('show'),
    async handler(context) {
      const ctx = context;
      return { status: 200, body: { server_group: view(ctx, await find(ctx)) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/os-server-groups/:id',
    rule: rule('delete'),
    async handler(context) {
      const ctx = context;
      const group = await find(ctx);
      await ctx.records.transact((tx) => tx.delete(SERVER_GROUP, group.id));
      return { status: 204 };
    },
  }),
];
