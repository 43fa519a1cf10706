// hypervisor: the hosts that run servers, as compute sees them.

import { ClientError, isNotFound, type Resource } from '#client';
import type { Command, Context } from './command.ts';
import { sorted } from './fields.ts';

/** Hypervisors have a host name instead of a name. */
export async function findHypervisor(context: Context, nameOrId: string): Promise<Resource> {
  const { compute } = await context.cloud();
  const all = await compute.hypervisors.list();
  const found = all.find((one) => String(one.id) === nameOrId || one.hypervisor_hostname === nameOrId);
  if (!found) throw new ClientError(`No hypervisor found for ${nameOrId}`, { code: 404 });
  try {
    return await compute.hypervisors.get(String(found.id));
  } catch (error) {
    if (isNotFound(error)) return found;
    throw error;
  }
}

export const commands: readonly Command[] = [
  {
    words: 'hypervisor list',
    summary: 'List hypervisors (admin)',
    options: [{ name: 'long', help: 'more columns' }],
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const all = await compute.hypervisors.list();
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Hypervisor Hostname', 'Hypervisor Type', 'Host IP', 'State'],
          ...(long ? ['Status', 'vCPUs Used', 'vCPUs', 'Memory MB Used', 'Memory MB'] : []),
        ],
        rows: all.map((one) => [
          ...[one.id, one.hypervisor_hostname, one.hypervisor_type, one.host_ip, one.state],
          ...(long
            ? [one.status, one.vcpus_used ?? null, one.vcpus ?? null, one.memory_mb_used ?? null, one.memory_mb ?? null]
            : []),
        ]),
      };
    },
  },
  {
    words: 'hypervisor show',
    summary: 'Show a hypervisor (admin)',
    positionals: [{ name: 'hypervisor', help: 'host name or id' }],
    output: 'show',
    async run(context, args) {
      return sorted(await findHypervisor(context, args.must('hypervisor')));
    },
  },
];
