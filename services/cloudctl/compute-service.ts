// compute service: the programs of compute, where they run and whether they are up.

import type { Command } from './command.ts';
import { defined } from './fields.ts';
import type { Arguments } from './grammar.ts';

function changes(args: Arguments): Record<string, unknown> {
  const status = args.has('enable') ? 'enabled' : args.has('disable') ? 'disabled' : undefined;
  const down = args.has('down') ? true : args.has('up') ? false : undefined;
  return defined({ status, disabled_reason: args.text('disable-reason'), forced_down: down });
}

export const commands: readonly Command[] = [
  {
    words: 'compute service list',
    summary: 'List compute services (admin)',
    options: [
      { name: 'host', value: '<host>', help: 'on this host' },
      { name: 'service', value: '<binary>', help: 'of this kind' },
      { name: 'long', help: 'more columns' },
    ],
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const services = await compute.services({ host: args.text('host'), binary: args.text('service') });
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Binary', 'Host', 'Zone', 'Status', 'State', 'Updated At'],
          ...(long ? ['Disabled Reason', 'Forced Down'] : []),
        ],
        rows: services.map((one) => [
          ...[one.id, one.binary, one.host, one.zone, one.status, one.state, one.updated_at],
          ...(long ? [one.disabled_reason ?? null, one.forced_down ?? false] : []),
        ]),
      };
    },
  },
  {
    words: 'compute service set',
    summary: 'Enable, disable or force down a compute service (admin)',
    positionals: [
      { name: 'host', help: 'host' },
      { name: 'service', help: 'binary, such as nova-compute' },
    ],
    options: [
      { name: 'enable', help: 'new servers may go there' },
      { name: 'disable', help: 'no new servers' },
      { name: 'disable-reason', value: '<text>', help: 'why' },
      { name: 'up', help: 'no longer forced down' },
      { name: 'down', help: 'treat the host as down' },
    ],
    output: 'none',
    async run(context, args) {
      const { compute, session } = await context.cloud();
      const [service] = await compute.services({ host: args.must('host'), binary: args.must('service') });
      if (!service)
        throw new Error(`Compute service for host ${args.must('host')} and binary ${args.must('service')} not found`);
      await session.call('compute', 'PUT', `/os-services/${service.id}`, { json: changes(args) });
      return 0;
    },
  },
];
