// /roles, what they imply, who holds them where (grants), and the list of all assignments.

import { z } from 'zod';
import { CumuletError, newHexId } from '#base';
import {
  type ActorType,
  ASSIGNMENT,
  type Assignment,
  DOMAIN,
  PROJECT,
  ROLE,
  type Role,
  type TargetType,
  USER,
  USER_GROUP,
  withImplied,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { find, list, missing, patched } from './resource.ts';
import { collection, roleView } from './views.ts';

const fields = {
  name: z.string().min(1).max(255),
  description: z.string().nullish(),
  domain_id: z.string().nullish(),
  options: z.object({}).optional(),
};

const roleOf = (context: RequestContext, parameter = 'role_id') =>
  find(context, ROLE, 'role', context.param(parameter));

async function change(context: RequestContext, id: string, edit: (old: Role) => Role): Promise<Role> {
  return context.records.transact((tx) => {
    const old = tx.get(ROLE, id);
    if (old === undefined) throw missing('role', id);
    const next = edit(old);
    tx.update(ROLE, next);
    return next;
  });
}

const roleRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/roles',
    rule: 'identity:list_roles',
    async handler(context) {
      // Without domain_id only global roles are listed.
      const domainId = context.search.get('domain_id');
      const listing = { key: 'roles', kind: ROLE, filter: { name: (role: Role) => role.name }, view: roleView };
      return list(context, listing, (role) => role.domainId === domainId);
    },
  }),
  route({
    method: 'POST',
    path: '/roles',
    rule: 'identity:create_role',
    body: z.object({ role: z.object(fields) }),
    async handler(context) {
      const { name, description, domain_id: domainId } = context.body.role;
      const role: Role = {
        id: newHexId(),
        name,
        domainId: domainId ?? null,
        description: description ?? null,
        implies: [],
      };
      await context.records.transact((tx) => tx.create(ROLE, role));
      return { status: 201, body: { role: roleView(role, context) } };
    },
  }),
  route({
    method: 'GET',
    path: '/roles/:role_id',
    rule: 'identity:get_role',
    async handler(context) {
      return { status: 200, body: { role: roleView(await roleOf(context), context) } };
    },
  }),
  route({
    method: 'PATCH',
    path: '/roles/:role_id',
    rule: 'identity:update_role',
    body: z.object({ role: z.object(fields).partial() }),
    async handler(context) {
      const { name, description } = context.body.role;
      const role = await change(context, context.param('role_id'), (old) => patched(old, { name, description }));
      return { status: 200, body: { role: roleView(role, context) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/roles/:role_id',
    rule: 'identity:delete_role',
    async handler(context) {
      const { id } = await roleOf(context);
      await context.records.transact((tx) => {
        tx.delete(ROLE, id);
        for (const each of tx.list(ASSIGNMENT, (held) => held.roleId === id))
          tx.delete(ASSIGNMENT, ASSIGNMENT.id(each));
        for (const each of tx.list(ROLE, (role) => role.implies.includes(id))) {
          const role = tx.get(ROLE, each.id) ?? each;
          tx.update(ROLE, { ...role, implies: role.implies.filter((implied) => implied !== id) });
        }
      });
      return { status: 204 };
    },
  }),
];

const inference = (prior: Role, implied: readonly Role[], context: RequestContext) => ({
  prior_role: { ...roleView(prior, context) },
  implies: implied.map((role) => roleView(role, context)),
});

const rolesById = (context: RequestContext, ids: readonly string[]): Role[] =>
  ids.flatMap((id) => context.records.peek(ROLE, id)?.value ?? []);

const impliedRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/role_inferences',
    rule: 'identity:list_implied_roles',
    async handler(context) {
      const roles = await context.records.list(ROLE, (role) => role.implies.length > 0);
      const views = roles.map(({ value }) => inference(value, rolesById(context, value.implies), context));
      return { status: 200, body: collection('role_inferences', views, context) };
    },
  }),
  route({
    method: 'GET',
    path: '/roles/:role_id/implies',
    rule: 'identity:list_implied_roles',
    async handler(context) {
      const prior = await roleOf(context);
      return { status: 200, body: { role_inference: inference(prior, rolesById(context, prior.implies), context) } };
    },
  }),
  route({
    method: 'GET',
    path: '/roles/:role_id/implies/:implied_id',
    rule: 'identity:get_implied_role',
    async handler(context) {
      const prior = await roleOf(context);
      const implied = await roleOf(context, 'implied_id');
      if (!prior.implies.includes(implied.id)) throw missing('implied role', implied.id);
      const view = { prior_role: roleView(prior, context), implies: roleView(implied, context) };
      return { status: 200, body: { role_inference: view } };
    },
  }),
  route({
    method: 'PUT',
    path: '/roles/:role_id/implies/:implied_id',
    rule: 'identity:create_implied_role',
    async handler(context) {
      const implied = await roleOf(context, 'implied_id');
      const prior = await change(context, context.param('role_id'), (old) => ({
        ...old,
        implies: [...new Set([...old.implies, implied.id])],
      }));
      const view = { prior_role: roleView(prior, context), implies: roleView(implied, context) };
      return { status: 201, body: { role_inference: view } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/roles/:role_id/implies/:implied_id',
    rule: 'identity:delete_implied_role',
    async handler(context) {
      const id = context.param('implied_id');
      await change(context, context.param('role_id'), (old) => {
        if (!old.implies.includes(id)) throw missing('implied role', id);
        return { ...old, implies: old.implies.filter((each) => each !== id) };
      });
      return { status: 204 };
    },
  }),
];

/** Where roles are granted: the path of the target, and how the target is read from the path. */
const TARGETS: readonly { readonly path: string; readonly type: TargetType }[] = [
  { path: '/projects/:project_id', type: 'project' },
  { path: '/domains/:domain_id', type: 'domain' },
  { path: '/system', type: 'system' },
];

const ACTORS: readonly { readonly path: string; readonly type: ActorType }[] = [
  { path: '/users/:user_id', type: 'user' },
  { path: '/groups/:group_id', type: 'group' },
];

/** admin, wherever it is held, is admin of the cloud: who administers a domain cannot hand it out. */
function checkHandedOut(context: RequestContext, roleId: string): void {
  if (context.auth.domainId === undefined) return;
  const roles = withImplied([roleId], (id) => context.records.peek(ROLE, id)?.value);
  if (!roles.some((role) => role.name === 'admin')) return;
  throw new CumuletError(
    'forbidden',
    'You are not authorized to perform the requested action: a token scoped to a domain cannot grant the role admin.',
  );
}

function grantRoutes(targetPath: string, targetType: TargetType, actorPath: string, actorType: ActorType): Route[] {
  const path = `${targetPath}${actorPath}/roles`;
  const rule = (verb: string): string => `identity:${verb}${targetType === 'system' ? '_system' : ''}_grant`;
  /** Both ends of the grant, which must exist. */
  const ends = async (context: RequestContext): Promise<Omit<Assignment, 'roleId'>> => {
    const actorId = context.param(`${actorType}_id`);
    if (actorType === 'user') await find(context, USER, 'user', actorId);
    else await find(context, USER_GROUP, 'group', actorId);
    const targetId = targetType === 'system' ? 'all' : context.param(`${targetType}_id`);
    if (targetType === 'project') await find(context, PROJECT, 'project', targetId);
    if (targetType === 'domain') await find(context, DOMAIN, 'domain', targetId);
    return { actorType, actorId, targetType, targetId };
  };
  const grant = async (context: RequestContext): Promise<Assignment> => {
    const role = await roleOf(context);
    return { ...(await ends(context)), roleId: role.id };
  };
  const check = async (context: RequestContext) => {
    const wanted = await grant(context);
    if ((await context.records.get(ASSIGNMENT, ASSIGNMENT.id(wanted))) === undefined) {
      throw missing('role assignment with role', wanted.roleId);
    }
    return { status: 204 };
  };
  return [
    route({
      method: 'GET',
      path,
      rule: `${rule('list')}s`,
      async handler(context) {
        const { actorId, targetId } = await ends(context);
        const held = await context.records.list(
          ASSIGNMENT,
          (each) =>
            each.actorType === actorType &&
            each.actorId === actorId &&
            each.targetType === targetType &&
            each.targetId === targetId,
        );
        const roles = rolesById(
          context,
          held.map(({ value }) => value.roleId),
        );
        const views = roles.map((role) => roleView(role, context));
        return { status: 200, body: collection('roles', views, context) };
      },
    }),
    route({
      method: 'PUT',
      path: `${path}/:role_id`,
      rule: rule('create'),
      async handler(context) {
        const assignment = await grant(context);
        checkHandedOut(context, assignment.roleId);
        await context.records.transact((tx) => {
          if (tx.get(ASSIGNMENT, ASSIGNMENT.id(assignment)) === undefined) tx.create(ASSIGNMENT, assignment);
        });
        return { status: 204 };
      },
    }),
    route({ method: 'HEAD', path: `${path}/:role_id`, rule: rule('check'), handler: check }),
    route({ method: 'GET', path: `${path}/:role_id`, rule: rule('check'), handler: check }),
    route({
      method: 'DELETE',
      path: `${path}/:role_id`,
      rule: rule('revoke'),
      async handler(context) {
        const id = ASSIGNMENT.id(await grant(context));
        await check(context);
        await context.records.transact((tx) => tx.delete(ASSIGNMENT, id));
        return { status: 204 };
      },
    }),
  ];
}

/** How an assignment reads in the list, with names when they are asked for. */
function assignmentView(each: Assignment, context: RequestContext, names: boolean) {
  const { records } = context;
  const domainOf = (id: string) => ({ id, name: records.peek(DOMAIN, id)?.value.name ?? '' });
  const named = (id: string, found: { name: string; domainId: string } | undefined) =>
    names ? { id, name: found?.name ?? '', domain: domainOf(found?.domainId ?? '') } : { id };
  const role = records.peek(ROLE, each.roleId)?.value;
  const actor =
    each.actorType === 'user'
      ? { user: named(each.actorId, records.peek(USER, each.actorId)?.value) }
      : { group: named(each.actorId, records.peek(USER_GROUP, each.actorId)?.value) };
  const scope = {
    project: () => ({ project: named(each.targetId, records.peek(PROJECT, each.targetId)?.value) }),
    domain: () => ({ domain: names ? domainOf(each.targetId) : { id: each.targetId } }),
    system: () => ({ system: { all: true } }),
  }[each.targetType]();
  const path =
    each.targetType === 'system'
      ? `/identity/v3/system/${each.actorType}s/${each.actorId}/roles/${each.roleId}`
      : `/identity/v3/${each.targetType}s/${each.targetId}/${each.actorType}s/${each.actorId}/roles/${each.roleId}`;
  return {
    role: names ? { id: each.roleId, name: role?.name ?? '' } : { id: each.roleId },
    ...actor,
    scope,
    links: { assignment: context.url(path) },
  };
}

/** Every user of a group in its place, every role with those that it implies. */
function effective(assignments: readonly Assignment[], context: RequestContext): Assignment[] {
  const found = new Map<string, Assignment>();
  for (const each of assignments) {
    const users =
      each.actorType === 'user'
        ? [each.actorId]
        : (context.records.peek(USER_GROUP, each.actorId)?.value.userIds ?? []);
    const roles = withImplied([each.roleId], (id) => context.records.peek(ROLE, id)?.value);
    for (const actorId of users) {
      for (const role of roles) {
        const assignment: Assignment = { ...each, actorType: 'user', actorId, roleId: role.id };
        found.set(ASSIGNMENT.id(assignment), assignment);
      }
    }
  }
  return [...found.values()];
}

/** Whether the token's scope lets it see what is held there. */
function inReach(context: RequestContext, { targetType, targetId }: Assignment): boolean {
  const own = context.auth.domainId;
  if (own === undefined) return true;
  if (targetType === 'project') return context.records.peek(PROJECT, targetId)?.value.domainId === own;
  return targetType === 'domain' && targetId === own;
}

const assignmentRoute: Route = route({
  method: 'GET',
  path: '/role_assignments',
  rule: 'identity:list_role_assignments',
  async handler(context) {
    const { search } = context;
    const wants = (key: string): boolean =>
      search.has(key) && !['0', 'false'].includes((search.get(key) ?? '').toLowerCase());
    const all = (await context.records.list(ASSIGNMENT)).map(({ value }) => value);
    const seen = wants('effective') ? effective(all, context) : all;
    const is = (key: string, value: string | undefined): boolean => !search.has(key) || search.get(key) === value;
    const shown = seen.filter(
      (each) =>
        inReach(context, each) &&
        is('role.id', each.roleId) &&
        is('user.id', each.actorType === 'user' ? each.actorId : undefined) &&
        is('group.id', each.actorType === 'group' ? each.actorId : undefined) &&
        is('scope.project.id', each.targetType === 'project' ? each.targetId : undefined) &&
        is('scope.domain.id', each.targetType === 'domain' ? each.targetId : undefined) &&
        is('scope.system', each.targetType === 'system' ? (search.get('scope.system') ?? undefined) : undefined),
    );
    const names = wants('include_names');
    const views = shown.map((each) => assignmentView(each, context, names));
    return { status: 200, body: collection('role_assignments', views, context) };
  },
});

export const ROLE_ROUTES: readonly Route[] = [
  ...roleRoutes,
  ...impliedRoutes,
  ...TARGETS.flatMap((target) =>
    ACTORS.flatMap((actor) => grantRoutes(target.path, target.type, actor.path, actor.type)),
  ),
  assignmentRoute,
];
