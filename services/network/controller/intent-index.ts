// The records that host states are made from, by network, fed by watches; and which networks have changed since they were
// last planned; security groups and routers likewise (group-index.ts, router-index.ts). `revision` is that of the last change seen, deletions included.

import {
  HOST,
  type Kind,
  NETWORK,
  type Network,
  PORT,
  type Port,
  ROUTER,
  SECURITY_GROUP,
  SECURITY_GROUP_RULE,
  SUBNET,
  type Subnet,
} from '#model';
import type { RecordChange, Records } from '#store';
import { GroupIndex } from './group-index.ts';
import type { NetworkIntent } from './plan.ts';
import { RouterIndex } from './router-index.ts';

interface Entry {
  network: Network | undefined;
  readonly subnets: Map<string, Subnet>;
  readonly ports: Map<string, Port>;
}

export class IntentIndex {
  readonly #networks = new Map<string, Entry>();
  readonly #vteps = new Map<string, string>();
  readonly #changed = new Set<string>();
  readonly groups = new GroupIndex();
  readonly routers = new RouterIndex();
  readonly #onChange: () => void;
  #cancels: (() => void)[] = [];
  #revision = 0;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get revision(): number {
    return this.#revision;
  }

  start(records: Records): void {
    const follow = <T>(kind: Kind<T>, take: (value: T, present: boolean) => string | undefined): void => {
      this.#cancels.push(records.watch(kind, (change) => this.#take(change, take)));
    };
    follow(HOST, (host, present) => {
      const vtep = present ? host.vtepAddress : '';
      if ((this.#vteps.get(host.name) ?? '') === vtep) return undefined;
      this.#vteps.set(host.name, vtep);
      for (const [id, entry] of this.#networks) {
        if (![...entry.ports.values()].some((port) => port.binding.hostId === host.name)) continue;
        for (const joined of this.routers.component(id)) this.#changed.add(joined);
      }
      return '';
    });
    follow(NETWORK, (network, present) => {
      this.#entry(network.id).network = present ? network : undefined;
      return network.id;
    });
    follow(ROUTER, (router, present) => {
      this.routers.takeRouter(router, present);
      return '';
    });
    follow(SECURITY_GROUP, (group, present) => {
      this.groups.takeGroup(group, present);
      return '';
    });
    follow(SECURITY_GROUP_RULE, (rule, present) => {
      this.groups.takeRule(rule, present);
      return '';
    });
    follow(SUBNET, (subnet, present) => {
      keep(this.#entry(subnet.networkId).subnets, subnet, present);
      return subnet.networkId;
    });
    follow(PORT, (port, present) => {
      const { ports } = this.#entry(port.networkId);
      const before = ports.get(port.id);
      keep(ports, port, present);
      const moved = this.groups.takePort(port, present);
      const joined = this.routers.takePort(before, present ? port : undefined);
      for (const id of joined) this.#changed.add(id);
      // The status comes from here: it tells hosts nothing.
      if (present && before !== undefined && isSameToHosts(before, port)) return moved ? '' : undefined;
      return port.networkId;
    });
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels = [];
  }

  vtepOf(host: string): string {
    return this.#vteps.get(host) ?? '';
  }

  hosts(): string[] {
    return [...this.#vteps.keys()];
  }

  /** The ids of the networks that have changed; they count as planned from now on. */
  takeChanged(): string[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  subnetOf(networkId: string, subnetId: string): Subnet | undefined {
    return this.#networks.get(networkId)?.subnets.get(subnetId);
  }

  /** Undefined for a network that is gone. */
  intentOf(id: string): NetworkIntent | undefined {
    const entry = this.#networks.get(id);
    if (entry?.network === undefined) return undefined;
    return {
      network: entry.network,
      subnets: [...entry.subnets.values()],
      ports: [...entry.ports.values()],
      joinedHosts: this.routers.joinedHosts(id),
      vtepOf: (host) => this.vtepOf(host),
    };
  }

  #take<T>(change: RecordChange<T>, take: (value: T, present: boolean) => string | undefined): void {
    this.#revision = Math.max(this.#revision, change.revision);
    const present = change.type === 'put';
    const changed = take(present ? change.value : change.previous, present);
    if (changed === undefined) return;
    if (changed !== '') this.#changed.add(changed);
    this.#onChange();
  }

  #entry(id: string): Entry {
    let entry = this.#networks.get(id);
    if (entry === undefined) {
      entry = { network: undefined, subnets: new Map(), ports: new Map() };
      this.#networks.set(id, entry);
    }
    return entry;
  }
}

function keep<T extends { id: string }>(map: Map<string, T>, value: T, present: boolean): void {
  if (present) map.set(value.id, value);
  else map.delete(value.id);
}

function isSameToHosts(a: Port, b: Port): boolean {
  const shown = (port: Port): string =>
    JSON.stringify([
      port.networkId,
      port.macAddress,
      port.fixedIps,
      port.adminStateUp,
      port.deviceOwner,
      port.deviceId,
      port.portSecurityEnabled,
      port.securityGroupIds,
      port.allowedAddressPairs,
      port.dnsName,
      port.binding.hostId,
    ]);
  return shown(a) === shown(b);
}
