// network: list, show, create, set, delete.

import type { Command } from './command.ts';
import { adminState, defined, either, PAGING, paging, sorted } from './fields.ts';
import { Shown } from './format.ts';
import type { Arguments } from './grammar.ts';
import { eachOf } from './many.ts';

const CHANGES = [
  { name: 'description', value: '<text>', help: 'description' },
  { name: 'enable', help: 'administratively up' },
  { name: 'disable', help: 'administratively down' },
  { name: 'share', help: 'for all projects' },
  { name: 'no-share', help: 'for its project alone' },
  { name: 'external', help: 'an outside network' },
  { name: 'internal', help: 'not an outside network' },
  { name: 'mtu', value: '<bytes>', help: 'largest packet', integer: true },
  { name: 'enable-port-security', help: 'anti-spoofing and security groups on new ports' },
  { name: 'disable-port-security', help: 'neither on new ports' },
];

const changes = (args: Arguments): Record<string, unknown> =>
  defined({
    description: args.text('description'),
    admin_state_up: either(args, 'enable', 'disable'),
    shared: either(args, 'share', 'no-share'),
    'router:external': either(args, 'external', 'internal'),
    mtu: args.integer('mtu'),
    port_security_enabled: either(args, 'enable-port-security', 'disable-port-security'),
  });

const routerType = (external: unknown): Shown => new Shown(external ?? null, external ? 'External' : 'Internal');

export const commands: readonly Command[] = [
  {
    words: 'network list',
    summary: 'List networks',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'name', value: '<name>', help: 'with this name' },
      { name: 'external', help: 'outside networks' },
      { name: 'internal', help: 'the others' },
      { name: 'share', help: 'shared ones' },
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { network } = await context.cloud();
      const networks = await network.networks.list({
        ...paging(args),
        name: args.text('name'),
        'router:external': either(args, 'external', 'internal'),
        shared: args.has('share') ? true : undefined,
      });
      const long = args.has('long');
      return {
        columns: long
          ? [
              'ID',
              'Name',
              'Status',
              'Project',
              'State',
              'Shared',
              'Subnets',
              'Network Type',
              'Router Type',
              'Availability Zones',
              'Tags',
            ]
          : ['ID', 'Name', 'Subnets'],
        rows: networks.map((one) =>
          long
            ? [
                ...[one.id, one.name, one.status, one.project_id, adminState(one.admin_state_up), one.shared],
                ...[one.subnets, one['provider:network_type'], routerType(one['router:external'])],
                ...[one.availability_zones ?? [], one.tags ?? []],
              ]
            : [one.id, one.name, one.subnets],
        ),
      };
    },
  },
  {
    words: 'network show',
    summary: 'Show a network',
    positionals: [{ name: 'network', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      return sorted(await network.networks.find(args.must('network')), ['tenant_id']);
    },
  },
  {
    words: 'network create',
    summary: 'Create a network',
    positionals: [{ name: 'network-name', help: 'name of the new network' }],
    options: [
      ...CHANGES,
      { name: 'project', value: '<project>', help: 'owner (admin)' },
      { name: 'provider-network-type', value: '<type>', help: 'flat, vlan, vxlan, local (admin)' },
      { name: 'provider-physical-network', value: '<name>', help: 'physical network (admin)' },
      { name: 'provider-segment', value: '<id>', help: 'VLAN id or VNI (admin)', integer: true },
    ],
    output: 'show',
    async run(context, args) {
      const { network, identity } = await context.cloud();
      const made = await network.networks.create(
        defined({
          name: args.must('network-name'),
          admin_state_up: true,
          ...changes(args),
          project_id: args.has('project') ? (await identity.projects.find(args.must('project'))).id : undefined,
          'provider:network_type': args.text('provider-network-type'),
          'provider:physical_network': args.text('provider-physical-network'),
          'provider:segmentation_id': args.integer('provider-segment'),
        }),
      );
      return sorted(made, ['tenant_id']);
    },
  },
  {
    words: 'network set',
    summary: 'Change a network',
    positionals: [{ name: 'network', help: 'name or id' }],
    options: [{ name: 'name', value: '<name>', help: 'new name' }, ...CHANGES],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      const { id } = await network.networks.find(args.must('network'));
      await network.networks.update(id, { ...defined({ name: args.text('name') }), ...changes(args) });
      return 0;
    },
  },
  {
    words: 'network delete',
    summary: 'Delete networks',
    positionals: [{ name: 'network', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      return eachOf(context, args.all('network'), 'network', 'delete', async (name) => {
        await network.networks.delete((await network.networks.find(name)).id);
      });
    },
  },
];
