// Placement: what each host has and who uses it.

import type { Query, Session } from './session.ts';

export interface ResourceProvider {
  readonly uuid: string;
  readonly name: string;
  readonly generation: number;
  readonly [field: string]: unknown;
}

export interface Inventory {
  readonly total: number;
  readonly reserved: number;
  readonly allocation_ratio: number;
  readonly min_unit: number;
  readonly max_unit: number;
  readonly step_size: number;
}

export class PlacementClient {
  readonly session: Session;

  constructor(session: Session) {
    this.session = session;
  }

  async providers(query: Query = {}): Promise<ResourceProvider[]> {
    const { json } = await this.session.call('placement', 'GET', '/resource_providers', { query });
    return (json as { resource_providers: ResourceProvider[] }).resource_providers;
  }

  async inventories(provider: string): Promise<Record<string, Inventory>> {
    const { json } = await this.session.call('placement', 'GET', `/resource_providers/${provider}/inventories`);
    return (json as { inventories: Record<string, Inventory> }).inventories;
  }

  async usages(provider: string): Promise<Record<string, number>> {
    const { json } = await this.session.call('placement', 'GET', `/resource_providers/${provider}/usages`);
    return (json as { usages: Record<string, number> }).usages;
  }
}
