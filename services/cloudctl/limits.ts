// limits: how much the project may have, and has.

import type { Command } from './command.ts';

export const commands: readonly Command[] = [
  {
    words: 'limits show',
    summary: 'Show limits and use of the project',
    options: [
      { name: 'absolute', help: 'absolute limits (the default)' },
      { name: 'rate', help: 'rate limits' },
      { name: 'reserved', help: 'with what is reserved' },
      { name: 'project', value: '<project>', help: 'of another project (admin)' },
    ],
    output: 'list',
    async run(context, args) {
      const { compute, identity } = await context.cloud();
      if (args.has('rate')) return { columns: ['Verb', 'URI', 'Value', 'Remain', 'Unit', 'Next Available'], rows: [] };
      const project = args.has('project') ? (await identity.projects.find(args.must('project'))).id : undefined;
      const limits = await compute.limits({ tenant_id: project, reserved: args.has('reserved') ? 1 : undefined });
      return { columns: ['Name', 'Value'], rows: Object.entries(limits) };
    },
  },
];
