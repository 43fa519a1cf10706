// server group: servers that shall share a host, or shall not.

import type { Command } from './command.ts';
import { sorted } from './fields.ts';
import { eachOf } from './many.ts';

/** Since 2.64 a group has one policy; before, a list. */
const policy = (group: Readonly<Record<string, unknown>>): unknown =>
  group.policy ?? (Array.isArray(group.policies) ? group.policies[0] : null);

export const commands: readonly Command[] = [
  {
    words: 'server group list',
    summary: 'List server groups',
    options: [
      { name: 'all-projects', help: 'of all projects (admin)' },
      { name: 'long', help: 'more columns' },
    ],
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const groups = await compute.serverGroups.list({ all_projects: args.has('all-projects') ? 'True' : undefined });
      const long = args.has('long');
      return {
        columns: ['ID', 'Name', 'Policy', ...(long ? ['Members', 'Project Id', 'User Id'] : [])],
        rows: groups.map((one) => [
          ...[one.id, one.name, policy(one)],
          ...(long ? [one.members ?? [], one.project_id, one.user_id] : []),
        ]),
      };
    },
  },
  {
    words: 'server group show',
    summary: 'Show a server group',
    positionals: [{ name: 'server-group', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { compute } = await context.cloud();
      return sorted(await compute.serverGroups.find(args.must('server-group')));
    },
  },
  {
    words: 'server group create',
    summary: 'Create a server group',
    positionals: [{ name: 'name', help: 'name of the new group' }],
    options: [
      {
        name: 'policy',
        value: '<policy>',
        help: 'what its servers do (affinity by default)',
        choices: ['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'],
      },
    ],
    output: 'show',
    async run(context, args) {
      const { compute } = await context.cloud();
      const fields = { name: args.must('name'), policy: args.text('policy') ?? 'affinity' };
      return sorted(await compute.serverGroups.create(fields));
    },
  },
  {
    words: 'server group delete',
    summary: 'Delete server groups',
    positionals: [{ name: 'server-group', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { compute } = await context.cloud();
      return eachOf(context, args.all('server-group'), 'server group', 'delete', async (name) => {
        await compute.serverGroups.delete((await compute.serverGroups.find(name)).id);
      });
    },
  },
];
