// network agent: the programs that carry out the network on each host.

import type { Command } from './command.ts';
import { adminState } from './fields.ts';

export const commands: readonly Command[] = [
  {
    words: 'network agent list',
    summary: 'List network agents (admin)',
    options: [{ name: 'host', value: '<host>', help: 'on this host' }],
    output: 'list',
    async run(context, args) {
      const { network } = await context.cloud();
      const agents = await network.agents.list({ host: args.text('host') });
      return {
        columns: ['ID', 'Agent Type', 'Host', 'Availability Zone', 'Alive', 'State', 'Binary'],
        rows: agents.map((one) => [
          ...[one.id, one.agent_type, one.host, one.availability_zone ?? null, one.alive],
          ...[adminState(one.admin_state_up), one.binary],
        ]),
      };
    },
  },
];
