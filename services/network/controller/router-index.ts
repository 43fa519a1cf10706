// Routers and their interfaces, fed by the intent index: which networks are joined, which hosts have guests in them, and
// which routers have changed. An external network joins nobody: what goes there goes through the gateway.

import { isInfrastructurePort, type Port, ROUTER_INTERFACE, type Router } from '#model';

interface Entry {
  router: Router | undefined;
  readonly interfaces: Map<string, Port>;
}

export interface RouterIntent {
  readonly router: Router;
  readonly interfaces: readonly Port[];
}

export class RouterIndex {
  readonly #entries = new Map<string, Entry>();
  /** By network: its routers, each by the interfaces that it has there. */
  readonly #routersOf = new Map<string, Map<string, number>>();
  /** By network: how many guests each host has in it. */
  readonly #hostsOf = new Map<string, Map<string, number>>();
  readonly #changed = new Set<string>();

  takeRouter(router: Router, present: boolean): void {
    this.#entry(router.id).router = present ? router : undefined;
    this.#changed.add(router.id);
  }

  /**
   * The networks whose plan this changes beyond the port's own: those that are joined with it, where a host came or went,
   * and those that an interface has joined or parted.
   */
  takePort(before: Port | undefined, now: Port | undefined): ReadonlySet<string> {
    const port = now ?? before;
    if (port === undefined) return new Set();
    const isInterface = (each: Port | undefined): each is Port => each?.deviceOwner === ROUTER_INTERFACE;
    if (isInterface(before) || isInterface(now)) {
      const parted = this.component(port.networkId);
      if (isInterface(before)) this.#detach(before);
      if (isInterface(now)) this.#attach(now);
      return new Set([...parted, ...this.component(port.networkId)]);
    }
    const from = guestHost(before);
    const to = guestHost(now);
    if (from === to) return new Set();
    const left = from !== '' && this.#count(port.networkId, from, -1) === 0;
    const came = to !== '' && this.#count(port.networkId, to, 1) === 1;
    return left || came ? this.component(port.networkId) : new Set();
  }

  /** The networks that routers join to this one, and itself. */
  component(networkId: string): Set<string> {
    const found = new Set([networkId]);
    for (const network of found) {
      for (const router of this.#routersOf.get(network)?.keys() ?? []) {
        for (const { networkId: next } of this.#entry(router).interfaces.values()) found.add(next);
      }
    }
    return found;
  }

  /** The hosts that have guests in a network of the component. */
  joinedHosts(networkId: string): Set<string> {
    const networks = [...this.component(networkId)];
    return new Set(networks.flatMap((network) => [...(this.#hostsOf.get(network)?.keys() ?? [])]));
  }

  routersOf(networkId: string): string[] {
    return [...(this.#routersOf.get(networkId)?.keys() ?? [])];
  }

  /** Undefined for a router that is gone. */
  intentOf(id: string): RouterIntent | undefined {
    const entry = this.#entries.get(id);
    return entry?.router && { router: entry.router, interfaces: [...entry.interfaces.values()] };
  }

  /** The routers that have changed; they count as told from now on. */
  takeChanged(): ReadonlySet<string> {
    const changed = new Set(this.#changed);
    this.#changed.clear();
    return changed;
  }

  #attach(port: Port): void {
    this.#entry(port.deviceId).interfaces.set(port.id, port);
    this.#tally(this.#routersOf, port.networkId, port.deviceId, 1);
    this.#changed.add(port.deviceId);
  }

  #detach(port: Port): void {
    this.#entry(port.deviceId).interfaces.delete(port.id);
    this.#tally(this.#routersOf, port.networkId, port.deviceId, -1);
    this.#changed.add(port.deviceId);
  }

  #count(networkId: string, host: string, by: number): number {
    return this.#tally(this.#hostsOf, networkId, host, by);
  }

  #tally(tallies: Map<string, Map<string, number>>, networkId: string, key: string, by: number): number {
    const tally = tallies.get(networkId) ?? new Map<string, number>();
    tallies.set(networkId, tally);
    const count = (tally.get(key) ?? 0) + by;
    if (count > 0) tally.set(key, count);
    else tally.delete(key);
    return count;
  }

  #entry(id: string): Entry {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { router: undefined, interfaces: new Map() };
      this.#entries.set(id, entry);
    }
    return entry;
  }
}

/** The host of a guest's port; '' for a port that is not bound, or none. */
const guestHost = (port: Port | undefined): string =>
  port === undefined || isInfrastructurePort(port) ? '' : port.binding.hostId;
