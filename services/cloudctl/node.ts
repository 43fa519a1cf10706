// node: the hosts of the cloud in one view: is it up, what runs there, what is left.

import { ClientError, type CloudClient } from '#client';
import type { Command, Context } from './command.ts';
import type { Fields } from './format.ts';

interface NodeView {
  readonly name: string;
  readonly zone: unknown;
  readonly status: unknown;
  readonly state: unknown;
  readonly driver: unknown;
  readonly address: unknown;
  readonly servers: number | null;
  readonly used: Readonly<Record<string, number>>;
  readonly total: Readonly<Record<string, number>>;
  readonly updated: unknown;
}

/** Totals and use come from placement: compute has not told them since 2.88. */
async function usage({ placement }: CloudClient, name: string): Promise<Pick<NodeView, 'used' | 'total'>> {
  // A cloud may have no placement, or none for this user: then the node is shown without its sizes.
  const [provider] = await placement.providers({ name }).catch(() => []);
  if (!provider) return { used: {}, total: {} };
  const [inventories, used] = await Promise.all([
    placement.inventories(provider.uuid),
    placement.usages(provider.uuid),
  ]);
  const total = Object.fromEntries(
    Object.entries(inventories).map(([name, one]) => [
      name,
      Math.floor((one.total - one.reserved) * one.allocation_ratio),
    ]),
  );
  return { used, total };
}

async function nodes(context: Context): Promise<NodeView[]> {
  const cloud = await context.cloud();
  const [services, hypervisors] = await Promise.all([
    cloud.compute.services({ binary: 'nova-compute' }),
    cloud.compute.hypervisors.list({ with_servers: 'True' }),
  ]);
  return Promise.all(
    services.map(async (service) => {
      const name = String(service.host);
      const hypervisor = hypervisors.find(
        (one) => (one.service as { host?: string } | undefined)?.host === name || one.hypervisor_hostname === name,
      );
      const provider = await usage(cloud, String(hypervisor?.hypervisor_hostname ?? name));
      const running = hypervisor?.running_vms ?? (hypervisor?.servers as unknown[] | undefined)?.length;
      return {
        name,
        zone: service.zone,
        status: service.status,
        state: service.forced_down ? 'forced down' : service.state,
        driver: hypervisor?.hypervisor_type ?? null,
        address: hypervisor?.host_ip ?? null,
        servers: typeof running === 'number' ? running : hypervisor ? 0 : null,
        ...provider,
        updated: service.updated_at,
      };
    }),
  );
}

const ratio = (node: NodeView, what: string): string | null => {
  const total = node.total[what];
  return total === undefined ? null : `${node.used[what] ?? 0}/${total}`;
};

export const commands: readonly Command[] = [
  {
    words: 'node list',
    summary: 'List the nodes of the cloud (admin)',
    output: 'list',
    async run(context) {
      const all = await nodes(context);
      return {
        columns: ['Name', 'Zone', 'Status', 'State', 'Driver', 'Servers', 'VCPUs', 'Memory MB', 'Disk GB'],
        rows: all.map((one) => [
          ...[one.name, one.zone, one.status, one.state, one.driver, one.servers],
          ...[ratio(one, 'VCPU'), ratio(one, 'MEMORY_MB'), ratio(one, 'DISK_GB')],
        ]),
      };
    },
  },
  {
    words: 'node show',
    summary: 'Show a node (admin)',
    positionals: [{ name: 'node', help: 'name' }],
    output: 'show',
    async run(context, args): Promise<Fields> {
      const name = args.must('node');
      const node = (await nodes(context)).find((one) => one.name === name);
      if (!node) throw new ClientError(`No node found for ${name}`, { code: 404 });
      const { used, total, ...rest } = node;
      const resources = Object.keys(total).sort();
      return {
        ...rest,
        ...Object.fromEntries(resources.map((what) => [`${what.toLowerCase()}_total`, total[what]])),
        ...Object.fromEntries(resources.map((what) => [`${what.toLowerCase()}_used`, used[what] ?? 0])),
      };
    },
  },
];
