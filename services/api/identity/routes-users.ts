// /users, their passwords, groups and application credentials.

import { z } from 'zod';
import { CumuletError, newHexId, newSecret } from '#base';
import {
  APPLICATION_CREDENTIAL,
  type ApplicationCredential,
  ASSIGNMENT,
  DOMAIN,
  PROJECT,
  USER,
  USER_GROUP,
  type User,
} from '#model';
import type { RequestContext } from '../http/context.ts';
import { type Route, route } from '../http/route.ts';
import { parseTime } from '../http/time.ts';
import { checkPassword, hashPassword } from './passwords.ts';
import { type Filter, find, list, missing, patched, present, targetDomain } from './resource.ts';
import type { TokenService } from './tokens.ts';
import { collection, credentialView, groupView, projectView, userView } from './views.ts';

const userFields = {
  name: z.string().min(1).max(255),
  domain_id: z.string().nullish(),
  default_project_id: z.string().nullish(),
  description: z.string().nullish(),
  email: z.string().nullish(),
  enabled: z.boolean().optional(),
  password: z.string().max(4096).nullish(),
  options: z.object({}).optional(),
};
const createUser = z.object({ user: z.object(userFields) });
const updateUser = z.object({ user: z.object(userFields).partial() });
const changePassword = z.object({
  user: z.object({ original_password: z.string(), password: z.string().min(1).max(4096) }),
});
const createCredential = z.object({
  application_credential: z.object({
    name: z.string().min(1).max(255),
    description: z.string().nullish(),
    secret: z.string().min(1).nullish(),
    expires_at: z.string().nullish(),
    roles: z.array(z.object({ id: z.string().optional(), name: z.string().optional() })).optional(),
    unrestricted: z.boolean().nullish(),
    access_rules: z.array(z.unknown()).max(0, 'Access rules are not served by this cloud.').optional(),
  }),
});

const filter: Filter<User> = {
  name: (user) => user.name,
  enabled: (user) => user.enabled,
  domain_id: (user) => user.domainId,
};

async function change(context: RequestContext, edit: (old: User) => User): Promise<User> {
  const id = context.param('user_id');
  return context.records.transact((tx) => {
    const old = present(context, USER, 'user', id, tx.get(USER, id));
    const next = edit(old);
    tx.update(USER, next);
    return next;
  });
}

const userRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/users',
    rule: 'identity:list_users',
    handler: (context) => list(context, { key: 'users', kind: USER, filter, view: userView }),
  }),
  route({
    method: 'POST',
    path: '/users',
    rule: 'identity:create_user',
    body: createUser,
    async handler(context) {
      const given = context.body.user;
      const domainId = targetDomain(context, given.domain_id);
      const user: User = {
        id: newHexId(),
        name: given.name,
        domainId,
        description: given.description ?? null,
        email: given.email ?? null,
        enabled: given.enabled ?? true,
        defaultProjectId: given.default_project_id ?? null,
        passwordHash: given.password == null ? null : await hashPassword(given.password),
        tokensValidFrom: 0,
      };
      await context.records.transact((tx) => {
        if (tx.get(DOMAIN, domainId) === undefined) throw missing('domain', domainId);
        tx.create(USER, user);
      });
      return { status: 201, body: { user: userView(user, context) } };
    },
  }),
  route({
    method: 'GET',
    path: '/users/:user_id',
    rule: 'identity:get_user',
    async handler(context) {
      const user = await find(context, USER, 'user', context.param('user_id'));
      return { status: 200, body: { user: userView(user, context) } };
    },
  }),
  route({
    method: 'PATCH',
    path: '/users/:user_id',
    rule: 'identity:update_user',
    body: updateUser,
    async handler(context) {
      const given = context.body.user;
      const hash = given.password == null ? undefined : await hashPassword(given.password);
      const now = context.clock.now();
      const user = await change(context, (old) =>
        patched(old, {
          name: given.name,
          enabled: given.enabled,
          description: given.description,
          email: given.email,
          defaultProjectId: given.default_project_id,
          passwordHash: hash,
          // A changed password or a disabled user voids the tokens that are out.
          tokensValidFrom: hash !== undefined || given.enabled === false ? now : undefined,
        }),
      );
      return { status: 200, body: { user: userView(user, context) } };
    },
  }),
  route({
    method: 'DELETE',
    path: '/users/:user_id',
    rule: 'identity:delete_user',
    async handler(context) {
      const id = context.param('user_id');
      await find(context, USER, 'user', id);
      await context.records.transact((tx) => {
        tx.delete(USER, id);
        for (const each of tx.list(ASSIGNMENT, (held) => held.actorType === 'user' && held.actorId === id)) {
          tx.delete(ASSIGNMENT, ASSIGNMENT.id(each));
        }
        for (const each of tx.list(APPLICATION_CREDENTIAL, (credential) => credential.userId === id)) {
          tx.delete(APPLICATION_CREDENTIAL, each.id);
        }
        for (const each of tx.list(USER_GROUP, (group) => group.userIds.includes(id))) {
          const group = tx.get(USER_GROUP, each.id) ?? each;
          tx.update(USER_GROUP, { ...group, userIds: group.userIds.filter((user) => user !== id) });
        }
      });
      return { status: 204 };
    },
  }),
  route({
    method: 'POST',
    path: '/users/:user_id/password',
    rule: 'identity:change_password',
    body: changePassword,
    async handler(context) {
      const { original_password: original, password } = context.body.user;
      const user = await find(context, USER, 'user', context.param('user_id'));
      if (!(await checkPassword(original, user.passwordHash))) {
        throw new CumuletError('unauthenticated', 'The request you have made requires authentication.');
      }
      const passwordHash = await hashPassword(password);
      const now = context.clock.now();
      await change(context, (old) => ({ ...old, passwordHash, tokensValidFrom: now }));
      return { status: 204 };
    },
  }),
  route({
    method: 'GET',
    path: '/users/:user_id/groups',
    rule: 'identity:list_groups_for_user',
    async handler(context) {
      const id = context.param('user_id');
      await find(context, USER, 'user', id);
      const groups = context.records.peekList(USER_GROUP, (group) => group.userIds.includes(id));
      const views = groups.map(({ value }) => groupView(value, context));
      return { status: 200, body: collection('groups', views, context) };
    },
  }),
];

function credentialRoutes(tokens: TokenService): Route[] {
  const path = '/users/:user_id/application_credentials';
  const findOwn = async (context: RequestContext): Promise<ApplicationCredential> => {
    const id = context.param('credential_id');
    const user = await find(context, USER, 'user', context.param('user_id'));
    const found = await find(context, APPLICATION_CREDENTIAL, 'application credential', id);
    if (found.userId !== user.id) throw missing('application credential', id);
    return found;
  };
  return [
    route({
      method: 'GET',
      path: '/users/:user_id/projects',
      rule: 'identity:list_user_projects',
      async handler(context) {
        const id = context.param('user_id');
        await find(context, USER, 'user', id);
        const ids = tokens.grants.targets(id, 'project');
        const projects = context.records.peekList(PROJECT, (project) => ids.has(project.id));
        const views = projects.map(({ value }) => projectView(value, context));
        return { status: 200, body: collection('projects', views, context) };
      },
    }),
    route({
      method: 'GET',
      path,
      rule: 'identity:list_application_credentials',
      async handler(context) {
        const { id } = await find(context, USER, 'user', context.param('user_id'));
        const name = context.search.get('name');
        const found = await context.records.list(
          APPLICATION_CREDENTIAL,
          (each) => each.userId === id && (name === null || each.name === name),
        );
        const views = found.map(({ value }) => credentialView(value, context));
        return { status: 200, body: collection('application_credentials', views, context) };
      },
    }),
    route({
      method: 'POST',
      path,
      rule: 'identity:create_application_credential',
      body: createCredential,
      async handler(context) {
        const given = context.body.application_credential;
        const { projectId } = context;
        if (context.auth.applicationCredentialId !== undefined) {
          throw new CumuletError('forbidden', 'An application credential cannot make another one.');
        }
        const held = tokens.grants.roles(context.auth.userId, { type: 'project', id: projectId });
        const chosen = given.roles?.map((ref) => {
          const role = held.find((each) => each.id === ref.id || each.name === ref.name);
          if (role === undefined)
            throw new CumuletError('invalid', `Could not find role assignment: ${ref.id ?? ref.name}`);
          return role;
        });
        const expiresAt = given.expires_at == null ? null : parseTime(given.expires_at);
        if (expiresAt === undefined || (expiresAt !== null && expiresAt <= context.clock.now())) {
          throw new CumuletError(
            'invalid',
            `Invalid input for field 'expires_at': ${given.expires_at} is no time to come`,
          );
        }
        const secret = given.secret ?? newSecret(48);
        const credential: ApplicationCredential = {
          id: newHexId(),
          name: given.name,
          description: given.description ?? null,
          userId: context.auth.userId,
          projectId,
          roleIds: (chosen ?? held).map((role) => role.id),
          secretHash: await hashPassword(secret),
          unrestricted: given.unrestricted ?? false,
          expiresAt,
        };
        await context.records.transact((tx) => tx.create(APPLICATION_CREDENTIAL, credential));
        // The one time that the secret is told.
        return { status: 201, body: { application_credential: { ...credentialView(credential, context), secret } } };
      },
    }),
    route({
      method: 'GET',
      path: `${path}/:credential_id`,
      rule: 'identity:get_application_credential',
      async handler(context) {
        return { status: 200, body: { application_credential: credentialView(await findOwn(context), context) } };
      },
    }),
    route({
      method: 'DELETE',
      path: `${path}/:credential_id`,
      rule: 'identity:delete_application_credential',
      async handler(context) {
        if (context.auth.applicationCredentialId !== undefined) {
          throw new CumuletError('forbidden', 'An application credential cannot remove another one.');
        }
        const { id } = await findOwn(context);
        await context.records.transact((tx) => tx.delete(APPLICATION_CREDENTIAL, id));
        return { status: 204 };
      },
    }),
  ];
}

export const userAndCredentialRoutes = (tokens: TokenService): Route[] => [...userRoutes, ...credentialRoutes(tokens)];
