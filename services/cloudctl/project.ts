// project: who owns resources.

import type { Command } from './command.ts';
import { defined, either, sorted } from './fields.ts';
import { eachOf } from './many.ts';

const CHANGES = [
  { name: 'description', value: '<text>', help: 'description' },
  { name: 'enable', help: 'may be used' },
  { name: 'disable', help: 'may not be used' },
];

export const commands: readonly Command[] = [
  {
    words: 'project list',
    summary: 'List projects',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'domain', value: '<domain>', help: 'of this domain' },
      { name: 'my-projects', help: 'those that one may enter' },
    ],
    output: 'list',
    async run(context, args) {
      const { identity, session } = await context.cloud();
      const domain = args.has('domain') ? (await identity.domains.find(args.must('domain'))).id : undefined;
      const own = args.has('my-projects') && (await session.call('identity', 'GET', '/auth/projects')).json;
      const projects = own
        ? (own as { projects: Record<string, unknown>[] }).projects
        : await identity.projects.list({ domain_id: domain });
      const long = args.has('long');
      return {
        columns: ['ID', 'Name', ...(long ? ['Domain ID', 'Description', 'Enabled'] : [])],
        rows: projects.map((one) => [one.id, one.name, ...(long ? [one.domain_id, one.description, one.enabled] : [])]),
      };
    },
  },
  {
    words: 'project show',
    summary: 'Show a project',
    positionals: [{ name: 'project', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      return sorted(await identity.projects.find(args.must('project')));
    },
  },
  {
    words: 'project create',
    summary: 'Create a project (admin)',
    positionals: [{ name: 'project-name', help: 'name of the new project' }],
    options: [
      ...CHANGES,
      { name: 'domain', value: '<domain>', help: 'in this domain' },
      { name: 'parent', value: '<project>', help: 'below this project' },
      { name: 'or-show', help: 'show it if it exists' },
    ],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      const name = args.must('project-name');
      const fields = defined({
        name,
        description: args.text('description'),
        enabled: either(args, 'enable', 'disable') ?? true,
        domain_id: args.has('domain') ? (await identity.domains.find(args.must('domain'))).id : undefined,
        parent_id: args.has('parent') ? (await identity.projects.find(args.must('parent'))).id : undefined,
      });
      try {
        return sorted(await identity.projects.create(fields));
      } catch (error) {
        if (!args.has('or-show') || (error as { code?: unknown }).code !== 409) throw error;
        return sorted(await identity.projects.find(name));
      }
    },
  },
  {
    words: 'project set',
    summary: 'Change a project (admin)',
    positionals: [{ name: 'project', help: 'name or id' }],
    options: [{ name: 'name', value: '<name>', help: 'new name' }, ...CHANGES],
    output: 'none',
    async run(context, args) {
      const { identity } = await context.cloud();
      const { id } = await identity.projects.find(args.must('project'));
      await identity.projects.update(
        id,
        defined({
          name: args.text('name'),
          description: args.text('description'),
          enabled: either(args, 'enable', 'disable'),
        }),
      );
      return 0;
    },
  },
  {
    words: 'project delete',
    summary: 'Delete projects (admin)',
    positionals: [{ name: 'project', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { identity } = await context.cloud();
      return eachOf(context, args.all('project'), 'project', 'delete', async (name) => {
        await identity.projects.delete((await identity.projects.find(name)).id);
      });
    },
  },
];
