// flavor: the sizes of servers.

import type { Command } from './command.ts';
import { defined, either, PAGING, paging, sorted } from './fields.ts';
import type { Fields } from './format.ts';
import { eachOf } from './many.ts';

function present(flavor: Readonly<Record<string, unknown>>): Fields {
  const { extra_specs, ...rest } = flavor;
  return sorted({ ...rest, properties: extra_specs ?? {} });
}

export const commands: readonly Command[] = [
  {
    words: 'flavor list',
    summary: 'List flavors',
    options: [
      { name: 'all', help: 'public and private (admin)' },
      { name: 'public', help: 'public ones (the default)' },
      { name: 'private', help: 'private ones (admin)' },
      { name: 'long', help: 'more columns' },
      { name: 'min-disk', value: '<GB>', help: 'at least so much disk', integer: true },
      { name: 'min-ram', value: '<MB>', help: 'at least so much memory', integer: true },
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { compute } = await context.cloud();
      const visible = args.has('all') ? 'None' : args.has('private') ? 'False' : undefined;
      const flavors = await compute.flavors.list({
        ...paging(args),
        is_public: visible,
        minDisk: args.text('min-disk'),
        minRam: args.text('min-ram'),
      });
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Name', 'RAM', 'Disk', 'Ephemeral', 'VCPUs', 'Is Public'],
          ...(long ? ['Swap', 'RXTX Factor', 'Properties'] : []),
        ],
        rows: flavors.map((one) => [
          ...[one.id, one.name, one.ram, one.disk, one['OS-FLV-EXT-DATA:ephemeral'], one.vcpus],
          one['os-flavor-access:is_public'],
          ...(long ? [one.swap === '' ? 0 : one.swap, one.rxtx_factor, one.extra_specs ?? {}] : []),
        ]),
      };
    },
  },
  {
    words: 'flavor show',
    summary: 'Show a flavor',
    positionals: [{ name: 'flavor', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { compute } = await context.cloud();
      return present(await compute.flavors.find(args.must('flavor')));
    },
  },
  {
    words: 'flavor create',
    summary: 'Create a flavor (admin)',
    positionals: [{ name: 'flavor-name', help: 'name of the new flavor' }],
    options: [
      { name: 'id', value: '<id>', help: 'its id, or auto (the default)' },
      { name: 'ram', value: '<MB>', help: 'memory: 256 by default', integer: true },
      { name: 'disk', value: '<GB>', help: 'root disk: 0 by default', integer: true },
      { name: 'ephemeral', value: '<GB>', help: 'second disk: 0 by default', integer: true },
      { name: 'swap', value: '<MB>', help: 'swap: 0 by default', integer: true },
      { name: 'vcpus', value: '<count>', help: 'processors: 1 by default', integer: true },
      { name: 'rxtx-factor', value: '<factor>', help: 'of no effect today' },
      { name: 'public', help: 'for all projects (the default)' },
      { name: 'private', help: 'for chosen projects' },
      { name: 'description', value: '<text>', help: 'description' },
      { name: 'property', value: '<key=value>', help: 'extra spec', repeat: true },
    ],
    output: 'show',
    async run(context, args) {
      const { compute, session } = await context.cloud();
      const id = args.text('id');
      const flavor = await compute.flavors.create(
        defined({
          name: args.must('flavor-name'),
          id: id === undefined || id === 'auto' ? null : id,
          ram: args.integer('ram') ?? 256,
          disk: args.integer('disk') ?? 0,
          vcpus: args.integer('vcpus') ?? 1,
          swap: args.integer('swap') ?? 0,
          'OS-FLV-EXT-DATA:ephemeral': args.integer('ephemeral') ?? 0,
          rxtx_factor: args.has('rxtx-factor') ? Number(args.text('rxtx-factor')) : undefined,
          'os-flavor-access:is_public': either(args, 'public', 'private') ?? true,
          description: args.text('description'),
        }),
      );
      if (!args.has('property')) return present(flavor);
      const json = { extra_specs: args.pairs('property') };
      await session.call('compute', 'POST', `/flavors/${encodeURIComponent(flavor.id)}/os-extra_specs`, { json });
      return present({ ...flavor, ...json });
    },
  },
  {
    words: 'flavor set',
    summary: 'Change a flavor (admin)',
    positionals: [{ name: 'flavor', help: 'name or id' }],
    options: [
      { name: 'property', value: '<key=value>', help: 'extra spec', repeat: true },
      { name: 'description', value: '<text>', help: 'description' },
    ],
    output: 'none',
    async run(context, args) {
      const { compute, session } = await context.cloud();
      const { id } = await compute.flavors.find(args.must('flavor'));
      const path = `/flavors/${encodeURIComponent(id)}`;
      if (args.has('property')) {
        await session.call('compute', 'POST', `${path}/os-extra_specs`, {
          json: { extra_specs: args.pairs('property') },
        });
      }
      if (args.has('description')) await compute.flavors.update(id, { description: args.text('description') });
      return 0;
    },
  },
  {
    words: 'flavor delete',
    summary: 'Delete flavors (admin)',
    positionals: [{ name: 'flavor', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { compute } = await context.cloud();
      return eachOf(context, args.all('flavor'), 'flavor', 'delete', async (name) => {
        await compute.flavors.delete((await compute.flavors.find(name)).id);
      });
    },
  },
];
