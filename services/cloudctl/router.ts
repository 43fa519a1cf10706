// router: between networks, and to the outside.

import type { Command } from './command.ts';
import { adminState, defined, PAGING, paging, sorted } from './fields.ts';
import { Shown } from './format.ts';
import { eachOf } from './many.ts';

const ROUTER = [{ name: 'router', help: 'name or id' }];

export const commands: readonly Command[] = [
  {
    words: 'router list',
    summary: 'List routers',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'name', value: '<name>', help: 'with this name' },
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { network } = await context.cloud();
      const routers = await network.routers.list({ ...paging(args), name: args.text('name') });
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Name', 'Status', 'State', 'Project', 'Distributed', 'HA'],
          ...(long ? ['Routes', 'External gateway info'] : []),
        ],
        rows: routers.map((one) => [
          ...[one.id, one.name, one.status, adminState(one.admin_state_up), one.project_id],
          ...[one.distributed ?? null, one.ha ?? null],
          ...(long ? [one.routes ?? [], one.external_gateway_info ?? null] : []),
        ]),
      };
    },
  },
  {
    words: 'router show',
    summary: 'Show a router',
    positionals: ROUTER,
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      const router = await network.routers.find(args.must('router'));
      const ports = await network.ports.list({ device_id: router.id });
      const interfaces = ports
        .filter((port) => String(port.device_owner).startsWith('network:router_interface'))
        .flatMap((port) =>
          ((port.fixed_ips ?? []) as { ip_address: string; subnet_id: string }[]).map((ip) => ({
            port_id: port.id,
            ip_address: ip.ip_address,
            subnet_id: ip.subnet_id,
          })),
        );
      const shown = new Shown(interfaces, JSON.stringify(interfaces));
      return sorted({ ...router, interfaces_info: shown }, ['tenant_id']);
    },
  },
  {
    words: 'router create',
    summary: 'Create a router',
    positionals: [{ name: 'router-name', help: 'name of the new router' }],
    options: [
      { name: 'description', value: '<text>', help: 'description' },
      { name: 'external-gateway', value: '<network>', help: 'outside network' },
    ],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      const outside = args.has('external-gateway')
        ? { network_id: (await network.networks.find(args.must('external-gateway'))).id }
        : undefined;
      const fields = {
        name: args.must('router-name'),
        description: args.text('description'),
        external_gateway_info: outside,
      };
      return sorted(await network.routers.create(defined(fields)), ['tenant_id']);
    },
  },
  {
    words: 'router set',
    summary: 'Change a router',
    positionals: ROUTER,
    options: [
      { name: 'name', value: '<name>', help: 'new name' },
      { name: 'description', value: '<text>', help: 'description' },
      { name: 'external-gateway', value: '<network>', help: 'outside network' },
      { name: 'route', value: '<destination=..,gateway=..>', help: 'static route', repeat: true },
    ],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      const { id } = await network.routers.find(args.must('router'));
      await network.routers.update(
        id,
        defined({
          name: args.text('name'),
          description: args.text('description'),
          external_gateway_info: args.has('external-gateway')
            ? { network_id: (await network.networks.find(args.must('external-gateway'))).id }
            : undefined,
          routes: args.has('route')
            ? args.records('route').map((one) => ({ destination: one.destination, nexthop: one.gateway }))
            : undefined,
        }),
      );
      return 0;
    },
  },
  {
    words: 'router delete',
    summary: 'Delete routers',
    positionals: [{ name: 'router', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      return eachOf(context, args.all('router'), 'router', 'delete', async (name) => {
        await network.routers.delete((await network.routers.find(name)).id);
      });
    },
  },
  ...(['add', 'remove'] as const).map(
    (verb): Command => ({
      words: `router ${verb} subnet`,
      summary: verb === 'add' ? 'Connect a subnet to a router' : 'Disconnect a subnet from a router',
      positionals: [...ROUTER, { name: 'subnet', help: 'name or id' }],
      output: 'none',
      async run(context, args) {
        const { network } = await context.cloud();
        const { id } = await network.routers.find(args.must('router'));
        const subnet = await network.subnets.find(args.must('subnet'));
        await network.routerInterface(id, verb, { subnet_id: subnet.id });
        return 0;
      },
    }),
  ),
];
