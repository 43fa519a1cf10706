// The state of each host, as it was last planned. Planned by network, by the routers of these, and by the security groups
// of the host's ports: a change of one does not touch the hosts that have nothing of it.

import type { networkV1 } from '#gen';
import type { IntentIndex } from './intent-index.ts';
import { planHosts } from './plan.ts';
import { planGroups } from './plan-groups.ts';
import { planRouters } from './plan-routers.ts';

interface HostPlan {
  readonly networks: Map<string, networkV1.Network>;
  routers: readonly networkV1.Router[];
  groups: readonly networkV1.SecurityGroup[];
  /** The groups of its ports. */
  used: ReadonlySet<string>;
}

export class HostStates {
  readonly #hosts = new Map<string, HostPlan>();
  readonly #index: IntentIndex;

  constructor(index: IntentIndex) {
    this.#index = index;
  }

  /** Plans what has changed; returns the hosts whose state is another now. */
  refresh(): Set<string> {
    const changed = new Set<string>();
    for (const id of this.#index.takeChanged()) {
      const intent = this.#index.intentOf(id);
      const planned = intent === undefined ? new Map<string, networkV1.Network>() : planHosts(intent);
      for (const [host, { networks }] of this.#hosts) {
        if (!planned.has(host) && networks.delete(id)) changed.add(host);
      }
      for (const [host, network] of planned) {
        const { networks } = this.#planOf(host);
        if (JSON.stringify(networks.get(id)) === JSON.stringify(network)) continue;
        networks.set(id, network);
        changed.add(host);
      }
    }
    this.#refreshRouters(changed);
    this.#refreshGroups(changed);
    return changed;
  }

  /** Hosts whose networks have changed, and hosts of a router that has. */
  #refreshRouters(changed: Set<string>): void {
    const { routers } = this.#index;
    const renewed = routers.takeChanged();
    for (const [host, plan] of this.#hosts) {
      const used = [...plan.networks.keys()].flatMap((id) => routers.routersOf(id));
      const isTouched = plan.routers.some(({ id = '' }) => renewed.has(id)) || used.some((id) => renewed.has(id));
      if (!changed.has(host) && !isTouched) continue;
      const planned = planRouters(used, routers, (network, subnet) => this.#index.subnetOf(network, subnet));
      if (JSON.stringify(planned) === JSON.stringify(plan.routers)) continue;
      plan.routers = planned;
      changed.add(host);
    }
  }

  /** Hosts whose ports have changed, and hosts that use a group that has. */
  #refreshGroups(changed: Set<string>): void {
    const groups = this.#index.groups.takeChanged();
    for (const [host, plan] of this.#hosts) {
      if (changed.has(host)) plan.used = groupsUsed(plan.networks.values());
      else if (plan.used.isDisjointFrom(groups)) continue;
      const planned = planGroups(plan.used, this.#index.groups);
      if (JSON.stringify(planned) === JSON.stringify(plan.groups)) continue;
      plan.groups = planned;
      changed.add(host);
    }
  }

  stateOf(host: string): networkV1.HostState {
    const plan = this.#hosts.get(host);
    const networks = [...(plan?.networks.values() ?? [])];
    const routers = [...(plan?.routers ?? [])];
    const securityGroups = [...(plan?.groups ?? [])];
    return { host, revision: this.#index.revision, networks, routers, securityGroups };
  }

  #planOf(host: string): HostPlan {
    let plan = this.#hosts.get(host);
    if (plan === undefined) {
      plan = { networks: new Map(), routers: [], groups: [], used: new Set() };
      this.#hosts.set(host, plan);
    }
    return plan;
  }
}

const groupsUsed = (networks: Iterable<networkV1.Network>): Set<string> =>
  new Set([...networks].flatMap(({ ports = [] }) => ports.flatMap((port) => port.securityGroupIds ?? [])));
