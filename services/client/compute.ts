// Compute 2.1 and later: servers and what surrounds them.

import { Collection, type Resource } from './collection.ts';
import type { Inspection, Translation } from './inspection.ts';
import type { Query, Session } from './session.ts';

export interface Server extends Resource {
  readonly name: string;
  readonly status: string;
}

export interface Explanation {
  readonly message: string;
  readonly hosts: readonly { host: string; verdict: string; filter?: string | null; reason?: string | null }[];
}

const shape = (path: string, plural: string, singular: string, noun = singular) => ({
  service: 'compute',
  path,
  plural,
  singular,
  noun,
});

export class ComputeClient {
  readonly session: Session;
  readonly servers: Collection<Server>;
  readonly flavors: Collection;
  readonly hypervisors: Collection;
  readonly serverGroups: Collection;
  readonly aggregates: Collection;

  constructor(session: Session) {
    this.session = session;
    this.servers = new Collection<Server>(session, {
      ...shape('/servers', 'servers', 'server'),
      listPath: '/servers/detail',
      nameQuery: 'name',
    });
    this.flavors = new Collection<Resource>(session, {
      ...shape('/flavors', 'flavors', 'flavor'),
      listPath: '/flavors/detail',
      findQuery: { is_public: 'None' },
    });
    this.hypervisors = new Collection<Resource>(session, {
      ...shape('/os-hypervisors', 'hypervisors', 'hypervisor'),
      listPath: '/os-hypervisors/detail',
    });
    this.serverGroups = new Collection<Resource>(
      session,
      shape('/os-server-groups', 'server_groups', 'server_group', 'server group'),
    );
    this.aggregates = new Collection<Resource>(session, shape('/os-aggregates', 'aggregates', 'aggregate'));
  }

  /** POST /servers/{id}/action; answers the body, if there is one. */
  async action(id: string, name: string, argument: unknown = null): Promise<unknown> {
    const { json } = await this.session.call('compute', 'POST', `/servers/${id}/action`, {
      json: { [name]: argument },
    });
    return json;
  }

  async consoleOutput(id: string, lines?: number): Promise<string> {
    const json = await this.action(id, 'os-getConsoleOutput', lines === undefined ? {} : { length: lines });
    return (json as { output: string }).output;
  }

  /** A console's address: a websocket for `serial`, a page for the others. */
  async remoteConsole(id: string, protocol: string, type: string): Promise<{ url: string; type: string }> {
    const { json } = await this.session.call('compute', 'POST', `/servers/${id}/remote-consoles`, {
      json: { remote_console: { protocol, type } },
    });
    return (json as { remote_console: { url: string; type: string } }).remote_console;
  }

  /** Why the scheduler took the host that it took, or none: extension of Cumulet. */
  async explanation(id: string): Promise<Explanation> {
    const { json } = await this.session.call(
      'compute',
      'GET',
      `/servers/${encodeURIComponent(id)}/cumulet-explanation`,
    );
    return (json as { explanation: Explanation }).explanation;
  }

  /** What is inside a running server: harts, counters, devices. Extension of Cumulet. */
  async inspection(id: string): Promise<Inspection> {
    const { json } = await this.session.call('compute', 'GET', `/servers/${encodeURIComponent(id)}/cumulet-inspection`);
    return (json as { inspection: Inspection }).inspection;
  }

  /** The page walk of an address in a running server. Extension of Cumulet. */
  async translation(id: string, query: Query): Promise<Translation> {
    const { json } = await this.session.call(
      'compute',
      'GET',
      `/servers/${encodeURIComponent(id)}/cumulet-inspection/translate`,
      { query },
    );
    return (json as { translation: Translation }).translation;
  }

  async ports(id: string): Promise<Record<string, unknown>[]> {
    return this.#list(`/servers/${id}/os-interface`, 'interfaceAttachments');
  }

  async events(id: string): Promise<Record<string, unknown>[]> {
    return this.#list(`/servers/${id}/os-instance-actions`, 'instanceActions');
  }

  async services(query: Query = {}): Promise<Record<string, unknown>[]> {
    return this.#list('/os-services', 'services', query);
  }

  async availabilityZones(detail: boolean): Promise<Record<string, unknown>[]> {
    return this.#list(`/os-availability-zone${detail ? '/detail' : ''}`, 'availabilityZoneInfo');
  }

  async extensions(): Promise<Record<string, unknown>[]> {
    return this.#list('/extensions', 'extensions');
  }

  async limits(query: Query = {}): Promise<Record<string, unknown>> {
    const { json } = await this.session.call('compute', 'GET', '/limits', { query });
    return (json as { limits: { absolute: Record<string, unknown> } }).limits.absolute;
  }

  async quotas(projectId: string, kind: '' | '/defaults' | '/detail' = ''): Promise<Record<string, unknown>> {
    const { json } = await this.session.call('compute', 'GET', `/os-quota-sets/${projectId}${kind}`);
    return (json as { quota_set: Record<string, unknown> }).quota_set;
  }

  async setQuotas(projectId: string, quotas: Readonly<Record<string, unknown>>): Promise<void> {
    await this.session.call('compute', 'PUT', `/os-quota-sets/${projectId}`, { json: { quota_set: quotas } });
  }

  // Keypairs are addressed by name and wrapped one by one, unlike everything else here.

  async keypairs(): Promise<Record<string, unknown>[]> {
    const wrapped = await this.#list('/os-keypairs', 'keypairs');
    return wrapped.map((one) => one.keypair as Record<string, unknown>);
  }

  async keypair(name: string): Promise<Record<string, unknown>> {
    const { json } = await this.session.call('compute', 'GET', `/os-keypairs/${encodeURIComponent(name)}`);
    return (json as { keypair: Record<string, unknown> }).keypair;
  }

  async createKeypair(fields: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>> {
    const { json } = await this.session.call('compute', 'POST', '/os-keypairs', { json: { keypair: fields } });
    return (json as { keypair: Record<string, unknown> }).keypair;
  }

  async deleteKeypair(name: string): Promise<void> {
    await this.session.call('compute', 'DELETE', `/os-keypairs/${encodeURIComponent(name)}`);
  }

  async #list(path: string, key: string, query: Query = {}): Promise<Record<string, unknown>[]> {
    const { json } = await this.session.call('compute', 'GET', path, { query });
    return (json as Record<string, Record<string, unknown>[]>)[key] ?? [];
  }
}
