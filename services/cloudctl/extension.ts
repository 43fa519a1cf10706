// extension: what the APIs can do beyond their core.

import type { Command } from './command.ts';

export const commands: readonly Command[] = [
  {
    words: 'extension list',
    summary: 'List API extensions',
    options: [
      { name: 'compute', help: 'of compute' },
      { name: 'network', help: 'of network' },
      { name: 'long', help: 'more columns' },
    ],
    output: 'list',
    async run(context, args) {
      const { compute, network } = await context.cloud();
      const both = !args.has('compute') && !args.has('network');
      const all: Record<string, unknown>[] = [];
      if (both || args.has('compute')) all.push(...(await compute.extensions()));
      if (both || args.has('network')) all.push(...(await network.extensions.list()));
      const long = args.has('long');
      return {
        columns: ['Name', 'Alias', 'Description', ...(long ? ['Updated At'] : [])],
        rows: all.map((one) => [one.name, one.alias, one.description, ...(long ? [one.updated] : [])]),
      };
    },
  },
];
