// /groups and who is in them.

import { z } from 'zod';
import { newHexId } from '#base';
import { ASSIGNMENT, DOMAIN, USER, USER_GROUP, type UserGroup } from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { find, list, missing, patched, present, targetDomain } from './resource.ts';
import { collection, groupView, userView } from './views.ts';

const fields = { name: z.string().min(1).max(64), description: z.string().nullish(), domain_id: z.string().nullish() };

async function change(context: RequestContext, edit: (old: UserGroup) => UserGroup): Promise<UserGroup> {
  const id = context.param('group_id');
  return context.records.transact((tx) => {
    const old = present(context, USER_GROUP, 'group', id, tx.get(USER_GROUP, id));
    const next = edit(old);
    tx.update(USER_GROUP, next);
    return next;
  });
}

const groupOf = (context: RequestContext) => find(context, USER_GROUP, 'group', context.param('group_id'));

export const GROUP_ROUTES: readonly Route[] = [
  route({
    method: 'GET',
    path: '/groups',
    rule: 'identity:list_groups',
    handler: (context) =>
      list(context, {
        key: 'groups',
        kind: USER_GROUP,
        filter: { name: (group) => group.name, domain_id: (group) => group.domainId },
        view: groupView,
      }),
  }),
  route({
    method: 'POST',
    path: '/groups',
    rule: 'identity:create_group',
    body: z.object({ group: z.object(fields) }),
    async handler(context) {
      const given = context.body.group;
      const domainId = targetDomain(context, given.domain_id);
      const group: UserGroup = {
        id: newHexId(),
        name: given.name,
        domainId,
        description: given.description ?? '',
        userIds: [],
      };
      await context.records.transact((tx) => {
        if (tx.get(DOMAIN, domainId) === undefined) throw missing('domain', domainId);
        tx.create(USER_GROUP, group);
      });
      return { status: 201, body: { group: groupView(group, context) } };
    },
  }),
  route({
    method: 'GET',
    path: '/groups/:group_id',
    rule: 'identity:get_group',
    async handler(context) {
      return { status: 200, body: { group: groupView(await groupOf(context), context) } };
    },
  }),
  route({
    method: 'PATCH',
    path: '/groups/:group_id',
    rule: 'identity:update_group',
    body: z.object({ group: z.object(fields).partial() }),
    async handler(context) {
      const { name, description } = context.body.group;
      const group = await change(context, (old) => patched(old, { name, description: description ?? undefined }));
      return { status: 200, body: { group: groupView(group, context) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/groups/:group_id',
    rule: 'identity:delete_group',
    async handler(context) {
      const { id } = await groupOf(context);
      await context.records.transact((tx) => {
        tx.delete(USER_GROUP, id);
        for (const each of tx.list(ASSIGNMENT, (held) => held.actorType === 'group' && held.actorId === id)) {
          tx.delete(ASSIGNMENT, ASSIGNMENT.id(each));
        }
      });
      return { status: 204 };
    },
  }),
  route({
    method: 'GET',
    path: '/groups/:group_id/users',
    rule: 'identity:list_users_in_group',
    async handler(context) {
      const group = await groupOf(context);
      const users = group.userIds.flatMap((id) => context.records.peek(USER, id)?.value ?? []);
      const views = users.map((user) => userView(user, context));
      return { status: 200, body: collection('users', views, context) };
    },
  }),
  route({
    method: 'PUT',
    path: '/groups/:group_id/users/:user_id',
    rule: 'identity:add_user_to_group',
    async handler(context) {
      const user = await find(context, USER, 'user', context.param('user_id'));
      await change(context, (old) => ({ ...old, userIds: [...new Set([...old.userIds, user.id])] }));
      return { status: 204 };
    },
  }),
  route({
    method: 'HEAD',
    path: '/groups/:group_id/users/:user_id',
    rule: 'identity:check_user_in_group',
    async handler(context) {
      const group = await groupOf(context);
      const id = context.param('user_id');
      if (!group.userIds.includes(id)) throw missing(`user in group ${group.id}`, id);
      return { status: 204 };
    },
  }),
  route({
    method: 'DELETE',
    path: '/groups/:group_id/users/:user_id',
    rule: 'identity:remove_user_from_group',
    async handler(context) {
      const id = context.param('user_id');
      await change(context, (old) => {
        if (!old.userIds.includes(id)) throw missing(`user in group ${old.id}`, id);
        return { ...old, userIds: old.userIds.filter((user) => user !== id) };
      });
      return { status: 204 };
    },
  }),
];
