// quota: what a project may have.

import type { CloudClient } from '#client';
import type { Command } from './command.ts';
import { sorted } from './fields.ts';
import type { Arguments } from './grammar.ts';

/** Option, key on the wire, service. */
const QUOTAS: readonly (readonly [string, string, 'compute' | 'network'])[] = [
  ['cores', 'cores', 'compute'],
  ['instances', 'instances', 'compute'],
  ['ram', 'ram', 'compute'],
  ['key-pairs', 'key_pairs', 'compute'],
  ['properties', 'metadata_items', 'compute'],
  ['server-groups', 'server_groups', 'compute'],
  ['server-group-members', 'server_group_members', 'compute'],
  ['networks', 'network', 'network'],
  ['subnets', 'subnet', 'network'],
  ['ports', 'port', 'network'],
  ['routers', 'router', 'network'],
  ['floating-ips', 'floatingip', 'network'],
  ['secgroups', 'security_group', 'network'],
  ['secgroup-rules', 'security_group_rule', 'network'],
];

async function projectOf(cloud: CloudClient, args: Arguments): Promise<string> {
  const name = args.text('project');
  if (name === undefined) return cloud.session.projectId();
  // Nobody but an administrator may look projects up: one's own id needs no look-up.
  const { project } = await cloud.session.token();
  if (project && (project.id === name || project.name === name)) return project.id;
  return (await cloud.identity.projects.find(name)).id;
}

export const commands: readonly Command[] = [
  {
    words: 'quota show',
    summary: 'Show the quotas of a project',
    positionals: [{ name: 'project', help: 'name or id; the own project by default', optional: true }],
    options: [{ name: 'default', help: 'what a new project gets' }],
    output: 'show',
    async run(context, args) {
      const cloud = await context.cloud();
      const project = await projectOf(cloud, args);
      const standard = args.has('default');
      const [compute, network] = await Promise.all([
        cloud.compute.quotas(project, standard ? '/defaults' : ''),
        // Some clouds have no network service, or one without quotas.
        cloud.network.quotas(project, standard ? '/default' : '').catch(() => ({})),
      ]);
      const all: Record<string, unknown> = { ...compute, ...network };
      const named = Object.fromEntries(QUOTAS.filter(([, key]) => key in all).map(([name, key]) => [name, all[key]]));
      return sorted({ ...named, project });
    },
  },
  {
    words: 'quota set',
    summary: 'Change the quotas of a project (admin)',
    positionals: [{ name: 'project', help: 'name or id' }],
    options: QUOTAS.map(([name]) => ({ name, value: '<count>', help: 'new limit; -1 for none', integer: true })),
    output: 'none',
    async run(context, args) {
      const cloud = await context.cloud();
      const project = await projectOf(cloud, args);
      for (const service of ['compute', 'network'] as const) {
        const chosen = QUOTAS.filter(([name, , of]) => of === service && args.has(name));
        const changes = Object.fromEntries(chosen.map(([name, key]) => [key, args.integer(name)]));
        if (chosen.length > 0) await cloud[service].setQuotas(project, changes);
      }
      return 0;
    },
  },
];
