// security group and its rules.

import type { Command } from './command.ts';
import { defined, PAGING, paging, sorted } from './fields.ts';
import { Shown } from './format.ts';
import type { Arguments } from './grammar.ts';
import { eachOf } from './many.ts';

const GROUP = [{ name: 'group', help: 'name or id' }];

type Rule = Readonly<Record<string, unknown>>;

function rules(value: unknown): Shown {
  const list = (Array.isArray(value) ? value : []) as Rule[];
  const text = list.map((rule) =>
    Object.entries(rule)
      .filter(
        ([name, one]) => one !== null && one !== '' && !['tenant_id', 'project_id', 'security_group_id'].includes(name),
      )
      .sort()
      .map(([name, one]) => `${name}='${one}'`)
      .join(', '),
  );
  return new Shown(value, text.join('\n'));
}

const present = (group: Readonly<Record<string, unknown>>) => {
  const { security_group_rules, ...rest } = group;
  return sorted({ ...rest, rules: rules(security_group_rules) }, ['tenant_id']);
};

function portRange(rule: Rule): string {
  const { port_range_min: low, port_range_max: high } = rule;
  if (low === null || low === undefined) return '';
  return rule.protocol === 'icmp' ? `type=${low}${high === null ? '' : `:code=${high}`}` : `${low}:${high}`;
}

/** `22` or `8000:8080`. */
function ports(args: Arguments): { port_range_min?: number; port_range_max?: number } {
  const given = args.text('dst-port');
  if (given === undefined) return {};
  const [low = '', high = low] = given.split(':');
  return { port_range_min: Number(low), port_range_max: Number(high) };
}

export const commands: readonly Command[] = [
  {
    words: 'security group list',
    summary: 'List security groups',
    options: [{ name: 'project', value: '<project>', help: 'of this project (admin)' }, ...PAGING],
    output: 'list',
    async run(context, args) {
      const { network, identity } = await context.cloud();
      const project = args.has('project') ? (await identity.projects.find(args.must('project'))).id : undefined;
      const groups = await network.securityGroups.list({ ...paging(args), project_id: project });
      return {
        columns: ['ID', 'Name', 'Description', 'Project', 'Tags'],
        rows: groups.map((one) => [one.id, one.name, one.description, one.project_id, one.tags ?? []]),
      };
    },
  },
  {
    words: 'security group show',
    summary: 'Show a security group',
    positionals: GROUP,
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      return present(await network.securityGroups.find(args.must('group')));
    },
  },
  {
    words: 'security group create',
    summary: 'Create a security group',
    positionals: [{ name: 'group-name', help: 'name of the new group' }],
    options: [{ name: 'description', value: '<text>', help: 'description' }],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      const name = args.must('group-name');
      return present(await network.securityGroups.create({ name, description: args.text('description') ?? name }));
    },
  },
  {
    words: 'security group set',
    summary: 'Change a security group',
    positionals: GROUP,
    options: [
      { name: 'name', value: '<name>', help: 'new name' },
      { name: 'description', value: '<text>', help: 'description' },
    ],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      const { id } = await network.securityGroups.find(args.must('group'));
      await network.securityGroups.update(
        id,
        defined({ name: args.text('name'), description: args.text('description') }),
      );
      return 0;
    },
  },
  {
    words: 'security group delete',
    summary: 'Delete security groups',
    positionals: [{ name: 'group', help: 'name or id', many: true }],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      return eachOf(context, args.all('group'), 'security group', 'delete', async (name) => {
        await network.securityGroups.delete((await network.securityGroups.find(name)).id);
      });
    },
  },
  {
    words: 'security group rule list',
    summary: 'List rules of security groups',
    positionals: [{ name: 'group', help: 'name or id', optional: true }],
    output: 'list',
    async run(context, args) {
      const { network } = await context.cloud();
      const group = args.text('group');
      const id = group === undefined ? undefined : (await network.securityGroups.find(group)).id;
      const list = await network.securityGroupRules.list({ security_group_id: id });
      return {
        columns: [
          ...['ID', 'IP Protocol', 'Ethertype', 'IP Range', 'Port Range', 'Direction', 'Remote Security Group'],
          'Remote Address Group',
          ...(id === undefined ? ['Security Group'] : []),
        ],
        rows: list.map((one) => [
          ...[
            one.id,
            one.protocol,
            one.ethertype,
            one.remote_ip_prefix ?? (one.ethertype === 'IPv6' ? '::/0' : '0.0.0.0/0'),
          ],
          ...[portRange(one), one.direction, one.remote_group_id, one.remote_address_group_id ?? null],
          ...(id === undefined ? [one.security_group_id] : []),
        ]),
      };
    },
  },
  {
    words: 'security group rule create',
    summary: 'Create a rule of a security group',
    positionals: GROUP,
    options: [
      { name: 'protocol', value: '<protocol>', help: 'tcp, udp, icmp ... or any' },
      { name: 'dst-port', value: '<port[:port]>', help: 'port or range' },
      { name: 'icmp-type', value: '<type>', help: 'ICMP type', integer: true },
      { name: 'icmp-code', value: '<code>', help: 'ICMP code', integer: true },
      { name: 'remote-ip', value: '<cidr>', help: 'from or to these addresses' },
      { name: 'remote-group', value: '<group>', help: 'from or to members of this group' },
      { name: 'ingress', help: 'towards the port (the default)' },
      { name: 'egress', help: 'from the port' },
      { name: 'ethertype', value: '<type>', help: 'IPv4 (the default) or IPv6', choices: ['IPv4', 'IPv6'] },
      { name: 'description', value: '<text>', help: 'description' },
    ],
    output: 'show',
    async run(context, args) {
      const { network } = await context.cloud();
      const { id } = await network.securityGroups.find(args.must('group'));
      const remote = args.text('remote-ip');
      const protocol = args.text('protocol');
      const rule = await network.securityGroupRules.create(
        defined({
          security_group_id: id,
          direction: args.has('egress') ? 'egress' : 'ingress',
          ethertype: args.text('ethertype') ?? (remote?.includes(':') ? 'IPv6' : 'IPv4'),
          protocol: protocol === 'any' ? null : protocol,
          ...ports(args),
          ...(args.has('icmp-type') && {
            port_range_min: args.integer('icmp-type'),
            port_range_max: args.integer('icmp-code') ?? null,
          }),
          remote_ip_prefix: remote,
          remote_group_id: args.has('remote-group')
            ? (await network.securityGroups.find(args.must('remote-group'))).id
            : undefined,
          description: args.text('description'),
        }),
      );
      return sorted(rule, ['tenant_id']);
    },
  },
  {
    words: 'security group rule delete',
    summary: 'Delete rules of security groups',
    positionals: [{ name: 'rule', help: 'id', many: true }],
    output: 'none',
    async run(context, args) {
      const { network } = await context.cloud();
      return eachOf(context, args.all('rule'), 'rule', 'delete', (id) => network.securityGroupRules.delete(id));
    },
  },
];
