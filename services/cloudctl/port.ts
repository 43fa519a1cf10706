// port: where something plugs into a network.

import type { CloudClient } from '#client';
import type { Command } from './command.ts';
import { defined, either, PAGING, paging, sorted } from './fields.ts';
import { Shown } from './format.ts';
import type { Arguments } from './grammar.ts';
import { eachOf } from './many.ts';

const CHANGES = [
  { name: 'description', value: '<text>', help: 'description' },
  { name: 'enable', help: 'administratively up' },
  { name: 'disable', help: 'administratively down' },
  { name: 'fixed-ip', value: '<subnet=..,ip-address=..>', help: 'address', repeat: true },
  { name: 'security-group', value: '<group>', help: 'security group', repeat: true },
  { name: 'no-security-group', help: 'no security group' },
  { name: 'allowed-address', value: '<ip-address=..,mac-address=..>', help: 'may also send from', repeat: true },
  { name: 'enable-port-security', help: 'anti-spoofing and security groups' },
  { name: 'disable-port-security', help: 'neither' },
  { name: 'device', value: '<id>', help: 'device that uses it' },
  { name: 'device-owner', value: '<owner>', help: 'kind of that device' },
];

async function changes({ network }: CloudClient, args: Arguments): Promise<Record<string, unknown>> {
  const fixed: Record<string, string>[] = [];
  for (const one of args.records('fixed-ip')) {
    fixed.push({
      ...(one.subnet && { subnet_id: (await network.subnets.find(one.subnet)).id }),
      ...(one['ip-address'] && { ip_address: one['ip-address'] }),
    });
  }
  const groups: string[] = [];
  for (const name of args.all('security-group')) groups.push((await network.securityGroups.find(name)).id);
  return defined({
    description: args.text('description'),
    admin_state_up: either(args, 'enable', 'disable'),
    fixed_ips: args.has('fixed-ip') ? fixed : undefined,
    security_groups: groups.length > 0 || args.has('no-security-group') ? groups : undefined,
    allowed_address_pairs: args.has('allowed-address')
      ? args
          .records('allowed-address')
          .map((one) => defined({ ip_address: one['ip-address'], mac_address: one['mac-address'] }))
      : undefined,
    port_security_enabled: either(args, 'enable-port-security', 'disable-port-security'),
    device_id: args.text('device'),
    device_owner: args.text('device-owner'),
  });
}

function addresses(value: unknown): Shown {
  const list = (Array.isArray(value) ? value : []) as { ip_address: string; subnet_id: string }[];
  return new Shown(value, list.map((one) => `ip_address='${one.ip_address}', subnet_id='${one.subnet_id}'`).join('\n'));
}

const present = (port: Readonly<Record<string, unknown>>) =>
  sorted({ ...port, fixed_ips: addresses(port.fixed_ips) }, ['tenant_id']);

export const commands: readonly Command[] = [
  {
    words: 'port list',
    summary: 'List ports',
    options: [
      { name: 'long', help: 'more columns' },
      { name: 'network', value: '<network>', help: 'of this network' },
      { name: 'server', value: '<server>', help: 'of this server' },
      { name: 'router', value: '<router>', help: 'of this router' },
      { name: 'device-owner', value: '<owner>', help: 'of this kind of device' },
      { name: 'mac-address', value: '<address>', help: 'with this MAC address' },
      { name: 'name', value: '<name>', help: 'with this name' },
      ...PAGING,
    ],
    output: 'list',
    async run(context, args) {
      const { network, compute } = await context.cloud();
      const device = args.has('server')
        ? (await compute.servers.find(args.must('server'))).id
        : args.has('router')
          ? (await network.routers.find(args.must('router'))).id
          : undefined;
      const ports = await network.ports.list({
        ...paging(args),
        name: args.text('name'),
        network_id: args.has('network') ? (await network.networks.find(args.must('network'))).id : undefined,
        device_id: device,
        device_owner: args.text('device-owner'),
        mac_address: args.text('mac-address'),
      });
      const long = args.has('long');
      return {
        columns: [
          ...['ID', 'Name', 'MAC Address', 'Fixed IP Addresses', 'Status'],
          ...(long ? ['Security Groups', 'Device Owner', 'Tags'] : []),
        ],
        rows: ports.map((one) => [
          ...[one.id, one.name, one.mac_address, addresses(one.fixed_ips), one.status],
          ...(long ? [one.security_groups, one.device_owner, one.tags ?? []] : []),
        ]),
      };
    },
  },
  {
    words: 'port show',
    summary: 'Show a port',
    positionals: [{ name: 'port', help: 'name or id' }],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      return present(await network.ports.find(args.must('port')));
    },
  },
  {
    words: 'port create',
    summary: 'Create a port',
    positionals: [{ name: 'port-name', help: 'name of the new port' }],
    options: [
      { name: 'network', value: '<network>', help: 'network that it is on', required: true },
      { name: 'mac-address', value: '<address>', help: 'MAC address (admin)' },
      ...CHANGES,
    ],
    output: 'show',
    async run(context, args) {
      const cloud = await context.cloud();
      const made = await cloud.network.ports.create(
        defined({
          name: args.must('port-name'),
          network_id: (await cloud.network.networks.find(args.must('network'))).id,
          mac_address: args.text('mac-address'),
          ...(await changes(cloud, args)),
        }),
      );
      return present(made);
    },
  },
  {
    words: 'port set',
    summary: 'Change a port',
    positionals: [{ name: 'port', help: 'name or id' }],
    options: [{ name: 'name', value: '<name>', help: 'new name' }, ...CHANGES],
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      const { id } = await cloud.network.ports.find(args.must('port'));
      await cloud.network.ports.update(id, {
        ...defined({ name: args.text('name') }),
        ...(await changes(cloud, args)),
      });
      return 0;
    },
  },
  {
    words: 'port delete',
    summary: 'Delete ports',
    positionals: [{ name: 'port', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      return eachOf(context, args.all('port'), 'port', 'delete', async (name) => {
        await network.ports.delete((await network.ports.find(name)).id);
      });
    },
  },
];
