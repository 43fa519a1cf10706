// domain: where users and projects have their names.

import type { Command } from './command.ts';
import { sorted } from './fields.ts';

export const commands: readonly Command[] = [
  {
    words: 'domain list',
    summary: 'List domains (admin)',
    output: 'list',
    async run(context) {
      const { identity } = await context.cloud();
      const domains = await identity.domains.list();
      return {
        columns: ['ID', 'Name', 'Enabled', 'Description'],
        rows: domains.map((one) => [one.id, one.name, one.enabled, one.description]),
      };
    },
  },
  {
    words: 'domain show',
    summary: 'Show a domain (admin)',
    positionals: [{ name: 'domain', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { identity } = await context.cloud();
      return sorted(await identity.domains.find(args.must('domain')));
    },
  },
];
