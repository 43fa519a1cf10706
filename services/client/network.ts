// Network v2.0.

import { Collection, type Resource } from './collection.ts';
import type { Session } from './session.ts';

const shape = (plural: string, singular: string, noun = singular, path = `/${plural}`) => ({
  service: 'network',
  path,
  plural,
  singular,
  noun,
  nameQuery: 'name',
});

export class NetworkClient {
  readonly session: Session;
  readonly networks: Collection;
  readonly subnets: Collection;
  readonly ports: Collection;
  readonly routers: Collection;
  readonly securityGroups: Collection;
  readonly securityGroupRules: Collection;
  readonly floatingIps: Collection;
  readonly agents: Collection;
  readonly extensions: Collection;

  constructor(session: Session) {
    this.session = session;
    const of = (...args: Parameters<typeof shape>): Collection => new Collection<Resource>(session, shape(...args));
    this.networks = of('networks', 'network');
    this.subnets = of('subnets', 'subnet');
    this.ports = of('ports', 'port');
    this.routers = of('routers', 'router');
    this.securityGroups = of('security_groups', 'security_group', 'security group', '/security-groups');
    this.securityGroupRules = of(
      'security_group_rules',
      'security_group_rule',
      'security group rule',
      '/security-group-rules',
    );
    this.floatingIps = of('floatingips', 'floatingip', 'floating ip');
    this.agents = of('agents', 'agent', 'network agent');
    this.extensions = of('extensions', 'extension');
  }

  /** Router actions: add_router_interface, remove_router_interface. */
  async routerInterface(
    routerId: string,
    verb: 'add' | 'remove',
    what: Readonly<Record<string, string>>,
  ): Promise<void> {
    await this.session.call('network', 'PUT', `/routers/${routerId}/${verb}_router_interface`, { json: what });
  }

  async quotas(projectId: string, kind: '' | '/default' = ''): Promise<Record<string, unknown>> {
    const { json } = await this.session.call('network', 'GET', `/quotas/${projectId}${kind}`);
    return (json as { quota: Record<string, unknown> }).quota;
  }

  async setQuotas(projectId: string, quotas: Readonly<Record<string, unknown>>): Promise<void> {
    await this.session.call('network', 'PUT', `/quotas/${projectId}`, { json: { quota: quotas } });
  }
}
