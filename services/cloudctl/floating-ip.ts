// floating ip: addresses of an outside network that lead to ports.

import type { CloudClient } from '#client';
import type { Command } from './command.ts';
import { defined, PAGING, paging, sorted } from './fields.ts';
import { eachOf } from './many.ts';

const FLOATING_IP = [{ name: 'floating-ip', help: 'address or id' }];

/** Floating IPs have no name: the address stands for one. */
async function find({ network }: CloudClient, addressOrId: string) {
  const [found] = await network.floatingIps.list({ floating_ip_address: addressOrId });
  return found ?? network.floatingIps.find(addressOrId);
}

const port = async ({ network }: CloudClient, name: string | undefined) =>
  name === undefined ? undefined : (await network.ports.find(name)).id;

export const commands: readonly Command[] = [
  {
    words: 'floating ip list',
    summary: 'List floating IPs',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'status', value: '<status>', help: 'in this status' },
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { network } = await context.cloud();
      const all = await network.floatingIps.list({ ...paging(args), status: args.text('status') });
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Floating IP Address', 'Fixed IP Address', 'Port', 'Floating Network', 'Project'],
          ...(long ? ['Router', 'Status', 'Description'] : []),
        ],
        rows: all.map((one) => [
          ...[one.id, one.floating_ip_address, one.fixed_ip_address, one.port_id, one.floating_network_id],
          one.project_id,
          ...(long ? [one.router_id, one.status, one.description] : []),
        ]),
      };
    },
  },
  {
    words: 'floating ip show',
    summary: 'Show a floating IP',
    positionals: FLOATING_IP,
    output: 'show',
    async run(context, args) {
      return sorted(await find(await context.cloud(), args.must('floating-ip')), ['tenant_id']);
    },
  },
  {
    words: 'floating ip create',
    summary: 'Create a floating IP',
    positionals: [{ name: 'network', help: 'outside network: name or id' }],
    options: [
      { name: 'port', value: '<port>', help: 'lead to this port' },
      { name: 'fixed-ip-address', value: '<address>', help: 'address of the port, if it has several' },
      { name: 'floating-ip-address', value: '<address>', help: 'this address' },
      { name: 'subnet', value: '<subnet>', help: 'an address of this subnet' },
      { name: 'description', value: '<text>', help: 'description' },
    ],
    output: 'show',
    async run(context, args) {
      const cloud = await context.cloud();
      const made = await cloud.network.floatingIps.create(
        defined({
          floating_network_id: (await cloud.network.networks.find(args.must('network'))).id,
          port_id: await port(cloud, args.text('port')),
          fixed_ip_address: args.text('fixed-ip-address'),
          floating_ip_address: args.text('floating-ip-address'),
          subnet_id: args.has('subnet') ? (await cloud.network.subnets.find(args.must('subnet'))).id : undefined,
          description: args.text('description'),
        }),
      );
      return sorted(made, ['tenant_id']);
    },
  },
  {
    words: 'floating ip set',
    summary: 'Let a floating IP lead to a port',
    positionals: FLOATING_IP,
    options: [
      { name: 'port', value: '<port>', help: 'port: name or id', required: true },
      { name: 'fixed-ip-address', value: '<address>', help: 'address of the port, if it has several' },
    ],
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      const { id } = await find(cloud, args.must('floating-ip'));
      const fields = { port_id: await port(cloud, args.must('port')), fixed_ip_address: args.text('fixed-ip-address') };
      await cloud.network.floatingIps.update(id, defined(fields));
      return 0;
    },
  },
  {
    words: 'floating ip unset',
    summary: 'Let a floating IP lead nowhere',
    positionals: FLOATING_IP,
    options: [{ name: 'port', help: 'take it from its port', required: true }],
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      await cloud.network.floatingIps.update((await find(cloud, args.must('floating-ip'))).id, { port_id: null });
      return 0;
    },
  },
  {
    words: 'floating ip delete',
    summary: 'Delete floating IPs',
    positionals: [{ name: 'floating-ip', help: 'address or id', many: true }],
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      return eachOf(context, args.all('floating-ip'), 'floating ip', 'delete', async (name) => {
        await cloud.network.floatingIps.delete((await find(cloud, name)).id);
      });
    },
  },
];
