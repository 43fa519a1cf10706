// The state of each host, as it was last planned. Planned by network: a change of one does not touch the others.

import type { networkV1 } from '#gen';
import type { IntentIndex } from './intent-index.ts';
import { planHosts } from './plan.ts';

export class HostStates {
  /** By host, then by network. */
  readonly #hosts = new Map<string, Map<string, networkV1.Network>>();
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
      for (const [host, networks] of this.#hosts) {
        if (!planned.has(host) && networks.delete(id)) changed.add(host);
      }
      for (const [host, network] of planned) {
        const networks = this.#networksOf(host);
        if (JSON.stringify(networks.get(id)) === JSON.stringify(network)) continue;
        networks.set(id, network);
        changed.add(host);
      }
    }
    return changed;
  }

  stateOf(host: string): networkV1.HostState {
    const networks = [...(this.#hosts.get(host)?.values() ?? [])];
    return { host, revision: this.#index.revision, networks };
  }

  #networksOf(host: string): Map<string, networkV1.Network> {
    let networks = this.#hosts.get(host);
    if (networks === undefined) {
      networks = new Map();
      this.#hosts.set(host, networks);
    }
    return networks;
  }
}
