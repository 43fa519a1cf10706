// role, and who has which on what.

import type { CloudClient, Grant } from '#client';
import type { Command } from './command.ts';
import { sorted } from './fields.ts';
import { type Arguments, UsageError } from './grammar.ts';
import { eachOf } from './many.ts';

const TARGET = [
  { name: 'user', value: '<user>', help: 'user' },
  { name: 'group', value: '<group>', help: 'group' },
  { name: 'project', value: '<project>', help: 'on this project' },
  { name: 'domain', value: '<domain>', help: 'on this domain' },
  { name: 'system', value: '<all>', help: 'on the whole cloud' },
];

async function grantOf({ identity }: CloudClient, args: Arguments): Promise<Grant> {
  const role = (await identity.roles.find(args.must('role'))).id;
  if (args.has('user') === args.has('group')) throw new UsageError('one of --user and --group is required');
  const actor = args.has('user')
    ? { user: (await identity.users.find(args.must('user'))).id }
    : { group: (await identity.groups.find(args.must('group'))).id };
  if (args.has('project')) return { role, ...actor, project: (await identity.projects.find(args.must('project'))).id };
  if (args.has('domain')) return { role, ...actor, domain: (await identity.domains.find(args.must('domain'))).id };
  if (args.has('system')) return { role, ...actor, system: true };
  throw new UsageError('one of --project, --domain and --system is required');
}

interface Named {
  readonly id: string;
  readonly name?: string;
  readonly domain?: { readonly id: string; readonly name?: string };
}

/** `demo@Default` with names, the bare id without. */
const label = (one: Named | undefined, names: boolean): string => {
  if (!one) return '';
  return names && one.name ? `${one.name}${one.domain ? `@${one.domain.name ?? one.domain.id}` : ''}` : one.id;
};

export const commands: readonly Command[] = [
  {
    words: 'role list',
    summary: 'List roles',
    output: 'list',
    async run(context) {
      const { identity } = await context.cloud();
      return { columns: ['ID', 'Name'], rows: (await identity.roles.list()).map((one) => [one.id, one.name]) };
    },
  },
  {
    words: 'role show',
    summary: 'Show a role',
    positionals: [{ name: 'role', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      return sorted(await identity.roles.find(args.must('role')));
    },
  },
  {
    words: 'role create',
    summary: 'Create a role (admin)',
    positionals: [{ name: 'role-name', help: 'name of the new role' }],
    options: [{ name: 'description', value: '<text>', help: 'description' }],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      const description = args.text('description');
      return sorted(await identity.roles.create({ name: args.must('role-name'), ...(description && { description }) }));
    },
  },
  {
    words: 'role delete',
    summary: 'Delete roles (admin)',
    positionals: [{ name: 'role', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { identity } = await context.cloud();
      return eachOf(context, args.all('role'), 'role', 'delete', async (name) => {
        await identity.roles.delete((await identity.roles.find(name)).id);
      });
    },
  },
  ...(['add', 'remove'] as const).map(
    (verb): Command => ({
      words: `role ${verb}`,
      summary: verb === 'add' ? 'Give a role to a user or group (admin)' : 'Take a role from a user or group (admin)',
      positionals: [{ name: 'role', help: 'name or id' }],
      options: TARGET,
      output: 'none',
      async run(context, args) {
        const cloud = await context.cloud();
        const grant = await grantOf(cloud, args);
        await (verb === 'add' ? cloud.identity.grant(grant) : cloud.identity.revoke(grant));
        return 0;
      },
    }),
  ),
  {
    words: 'role assignment list',
    summary: 'List who has which role on what',
    options: [
      { name: 'names', help: 'names instead of ids' },
      { name: 'effective', help: 'with what groups and implied roles give' },
      { name: 'role', value: '<role>', help: 'of this role' },
      ...TARGET,
    ],
    output: 'list',
    async run(context, args) {
      const { identity } = await context.cloud();
      const names = args.has('names');
      const assignments = await identity.roleAssignments({
        include_names: names ? 'True' : undefined,
        effective: args.has('effective') ? 'True' : undefined,
        'role.id': args.has('role') ? (await identity.roles.find(args.must('role'))).id : undefined,
        'user.id': args.has('user') ? (await identity.users.find(args.must('user'))).id : undefined,
        'group.id': args.has('group') ? (await identity.groups.find(args.must('group'))).id : undefined,
        'scope.project.id': args.has('project') ? (await identity.projects.find(args.must('project'))).id : undefined,
        'scope.domain.id': args.has('domain') ? (await identity.domains.find(args.must('domain'))).id : undefined,
        'scope.system': args.has('system') ? 'all' : undefined,
      });
      return {
        columns: ['Role', 'User', 'Group', 'Project', 'Domain', 'System', 'Inherited'],
        rows: assignments.map((one) => [
          names ? (one.role.name ?? one.role.id) : one.role.id,
          label(one.user, names),
          label(one.group, names),
          label(one.scope.project, names),
          label(one.scope.domain, names),
          one.scope.system ? 'all' : '',
          one.scope['OS-INHERIT:inherited_to'] !== undefined,
        ]),
      };
    },
  },
];
