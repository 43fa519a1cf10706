// subnet: the addresses of a network.

import type { Command } from './command.ts';
import { defined, either, PAGING, paging, sorted } from './fields.ts';
import { Shown } from './format.ts';
import type { Arguments } from './grammar.ts';
import { eachOf } from './many.ts';

const CHANGES = [
  { name: 'gateway', value: '<address|none>', help: 'router of the subnet' },
  { name: 'dhcp', help: 'addresses by DHCP' },
  { name: 'no-dhcp', help: 'no DHCP' },
  { name: 'dns-nameserver', value: '<address>', help: 'DNS server', repeat: true },
  { name: 'allocation-pool', value: '<start=..,end=..>', help: 'addresses to give out', repeat: true },
  { name: 'host-route', value: '<destination=..,gateway=..>', help: 'route told by DHCP', repeat: true },
  { name: 'description', value: '<text>', help: 'description' },
];

function changes(args: Arguments): Record<string, unknown> {
  const gateway = args.text('gateway');
  return defined({
    gateway_ip: gateway === undefined || gateway === 'auto' ? undefined : gateway === 'none' ? null : gateway,
    enable_dhcp: either(args, 'dhcp', 'no-dhcp'),
    dns_nameservers: args.has('dns-nameserver') ? args.all('dns-nameserver') : undefined,
    allocation_pools: args.has('allocation-pool') ? args.records('allocation-pool') : undefined,
    host_routes: args.has('host-route')
      ? args.records('host-route').map((one) => ({ destination: one.destination, nexthop: one.gateway }))
      : undefined,
    description: args.text('description'),
  });
}

function pools(value: unknown): Shown {
  const list = (Array.isArray(value) ? value : []) as { start: string; end: string }[];
  return new Shown(value, list.map((one) => `${one.start}-${one.end}`).join('\n'));
}

const present = (subnet: Readonly<Record<string, unknown>>) =>
  sorted({ ...subnet, allocation_pools: pools(subnet.allocation_pools) }, ['tenant_id']);

export const commands: readonly Command[] = [
  {
    words: 'subnet list',
    summary: 'List subnets',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'network', value: '<network>', help: 'of this network' },
      { name: 'name', value: '<name>', help: 'with this name' },
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { network } = await context.cloud();
      const of = args.has('network') ? (await network.networks.find(args.must('network'))).id : undefined;
      const subnets = await network.subnets.list({ ...paging(args), name: args.text('name'), network_id: of });
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Name', 'Network', 'Subnet'],
          ...(long ? ['Project', 'DHCP', 'Name Servers', 'Allocation Pools', 'IP Version', 'Gateway'] : []),
        ],
        rows: subnets.map((one) => [
          ...[one.id, one.name, one.network_id, one.cidr],
          ...(long
            ? [
                ...[one.project_id, one.enable_dhcp, one.dns_nameservers, pools(one.allocation_pools)],
                ...[one.ip_version, one.gateway_ip],
              ]
            : []),
        ]),
      };
    },
  },
  {
    words: 'subnet show',
    summary: 'Show a subnet',
    positionals: [{ name: 'subnet', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      return present(await network.subnets.find(args.must('subnet')));
    },
  },
  {
    words: 'subnet create',
    summary: 'Create a subnet',
    positionals: [{ name: 'subnet-name', help: 'name of the new subnet' }],
    options: [
      { name: 'network', value: '<network>', help: 'network that it belongs to', required: true },
      { name: 'subnet-range', value: '<cidr>', help: 'addresses, such as 10.0.0.0/24', required: true },
      { name: 'ip-version', value: '<4|6>', help: 'guessed from the range by default', choices: ['4', '6'] },
      { name: 'ipv6-ra-mode', value: '<mode>', help: 'dhcpv6-stateful, dhcpv6-stateless, slaac' },
      { name: 'ipv6-address-mode', value: '<mode>', help: 'dhcpv6-stateful, dhcpv6-stateless, slaac' },
      ...CHANGES,
    ],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      const cidr = args.must('subnet-range');
      const { id } = await network.networks.find(args.must('network'));
      return present(
        await network.subnets.create(
          defined({
            name: args.must('subnet-name'),
            network_id: id,
            cidr,
            ip_version: args.integer('ip-version') ?? (cidr.includes(':') ? 6 : 4),
            ipv6_ra_mode: args.text('ipv6-ra-mode'),
            ipv6_address_mode: args.text('ipv6-address-mode'),
            ...changes(args),
          }),
        ),
      );
    },
  },
  {
    words: 'subnet set',
    summary: 'Change a subnet',
    positionals: [{ name: 'subnet', help: 'name or id' }],
    options: [{ name: 'name', value: '<name>', help: 'new name' }, ...CHANGES],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      const { id } = await network.subnets.find(args.must('subnet'));
      await network.subnets.update(id, { ...defined({ name: args.text('name') }), ...changes(args) });
      return 0;
    },
  },
  {
    words: 'subnet delete',
    summary: 'Delete subnets',
    positionals: [{ name: 'subnet', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      return eachOf(context, args.all('subnet'), 'subnet', 'delete', async (name) => {
        await network.subnets.delete((await network.subnets.find(name)).id);
      });
    },
  },
];
