// user: who may log in.

import type { Command } from './command.ts';
import { defined, either, sorted } from './fields.ts';
import { eachOf } from './many.ts';
import { askPassword } from './password.ts';

const CHANGES = [
  { name: 'password', value: '<password>', help: 'password' },
  { name: 'password-prompt', help: 'ask for the password' },
  { name: 'email', value: '<address>', help: 'mail address' },
  { name: 'description', value: '<text>', help: 'description' },
  { name: 'project', value: '<project>', help: 'default project' },
  { name: 'enable', help: 'may log in' },
  { name: 'disable', help: 'may not log in' },
];

export const commands: readonly Command[] = [
  {
    words: 'user list',
    summary: 'List users (admin)',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'domain', value: '<domain>', help: 'of this domain' },
      { name: 'project', value: '<project>', help: 'with a role on this project' },
    ],
    output: 'list',
    async run(context, args) {
      const { identity } = await context.cloud();
      const domain = args.has('domain') ? (await identity.domains.find(args.must('domain'))).id : undefined;
      let users = await identity.users.list({ domain_id: domain });
      if (args.has('project')) {
        const { id } = await identity.projects.find(args.must('project'));
        const assigned = new Set(
          (await identity.roleAssignments({ 'scope.project.id': id })).map((one) => one.user?.id),
        );
        users = users.filter((one) => assigned.has(one.id));
      }
      const long = args.has('long');
      return {
        columns: ['ID', 'Name', ...(long ? ['Project', 'Domain', 'Description', 'Email', 'Enabled'] : [])],
        rows: users.map((one) => [
          ...[one.id, one.name],
          ...(long
            ? [one.default_project_id ?? '', one.domain_id, one.description ?? '', one.email ?? '', one.enabled]
            : []),
        ]),
      };
    },
  },
  {
    words: 'user show',
    summary: 'Show a user',
    positionals: [{ name: 'user', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      return sorted(await identity.users.find(args.must('user')));
    },
  },
  {
    words: 'user create',
    summary: 'Create a user (admin)',
    positionals: [{ name: 'user-name', help: 'name of the new user' }],
    options: [...CHANGES, { name: 'domain', value: '<domain>', help: 'in this domain' }],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      const made = await identity.users.create(
        defined({
          name: args.must('user-name'),
          password: args.has('password-prompt') ? await askPassword(context) : args.text('password'),
          email: args.text('email'),
          description: args.text('description'),
          enabled: either(args, 'enable', 'disable') ?? true,
          default_project_id: args.has('project') ? (await identity.projects.find(args.must('project'))).id : undefined,
          domain_id: args.has('domain') ? (await identity.domains.find(args.must('domain'))).id : undefined,
        }),
      );
      return sorted(made);
    },
  },
  {
    words: 'user set',
    summary: 'Change a user (admin)',
    positionals: [{ name: 'user', help: 'name or id' }],
    options: [{ name: 'name', value: '<name>', help: 'new name' }, ...CHANGES],
    output: 'none',
    async run(context, args) {
      const { identity } = await context.cloud();
      const { id } = await identity.users.find(args.must('user'));
      await identity.users.update(
        id,
        defined({
          name: args.text('name'),
          password: args.has('password-prompt') ? await askPassword(context) : args.text('password'),
          email: args.text('email'),
          description: args.text('description'),
          enabled: either(args, 'enable', 'disable'),
          default_project_id: args.has('project') ? (await identity.projects.find(args.must('project'))).id : undefined,
        }),
      );
      return 0;
    },
  },
  {
    words: 'user delete',
    summary: 'Delete users (admin)',
    positionals: [{ name: 'user', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { identity } = await context.cloud();
      return eachOf(context, args.all('user'), 'user', 'delete', async (name) => {
        await identity.users.delete((await identity.users.find(name)).id);
      });
    },
  },
];
