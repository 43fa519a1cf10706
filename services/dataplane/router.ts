// Routers, compiled: what a router decides about a packet. Distributed: the node of the sender routes, and hands the
// packet to the network of its destination as if it had come from the router's interface there.

import type { RouterConfig } from './config.ts';
import type { Network } from './tables.ts';
import { type Ipv4, type Ipv4Prefix, inPrefix, ipv4Of, ipv4PrefixOf, type Mac, macOf } from './wire/bytes.ts';

export interface RouterInterface {
  readonly network: Network;
  readonly mac: Mac;
  readonly ip: Ipv4;
  readonly prefix: Ipv4Prefix;
}

interface Route {
  readonly prefix: Ipv4Prefix;
  readonly out: RouterInterface;
  /** Undefined: the destination is on the link. */
  readonly nexthop: Ipv4 | undefined;
}

/** Where a packet goes on: out of an interface, to the holder of an address on its link. */
export interface NextHop {
  readonly out: RouterInterface;
  readonly ip: Ipv4;
}

export class Router {
  readonly id: string;
  readonly interfaces: readonly RouterInterface[];
  /** The longest prefix first; on the link before static routes of the same length. */
  readonly #routes: readonly Route[];
  readonly #addresses: ReadonlySet<Ipv4>;

  constructor(config: RouterConfig, networks: ReadonlyMap<string, Network>) {
    this.id = config.id;
    this.interfaces = config.interfaces.flatMap(({ networkId, mac, address }) => {
      const network = networks.get(networkId);
      if (network === undefined) return [];
      return [{ network, mac: macOf(mac), ip: ipv4Of(address.split('/')[0] ?? ''), prefix: ipv4PrefixOf(address) }];
    });
    this.#addresses = new Set(this.interfaces.map((each) => each.ip));
    const connected: Route[] = this.interfaces.map((out) => ({ prefix: out.prefix, out, nexthop: undefined }));
    const fixed = config.routes.flatMap(({ destination, nexthop }): Route[] => {
      const ip = ipv4Of(nexthop);
      const out = this.interfaces.find(({ prefix }) => inPrefix(prefix, ip));
      return out === undefined ? [] : [{ prefix: ipv4PrefixOf(destination), out, nexthop: ip }];
    });
    this.#routes = [...connected, ...fixed].sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** An address of one of its interfaces. */
  isOwn(ip: Ipv4): boolean {
    return this.#addresses.has(ip);
  }

  /** Longest prefix match. */
  lookUp(destination: Ipv4): NextHop | undefined {
    const route = this.#routes.find(({ prefix }) => inPrefix(prefix, destination));
    return route && { out: route.out, ip: route.nexthop ?? destination };
  }
}

const keyOf = (networkId: string, mac: Mac): string => `${networkId}/${mac}`;

/** The routers of a node, by the interface that a frame is sent to. */
export class Routers {
  readonly #byInterface = new Map<string, Router>();
  readonly all: readonly Router[];

  constructor(configs: readonly RouterConfig[], networks: ReadonlyMap<string, Network>) {
    this.all = configs.map((config) => new Router(config, networks));
    for (const router of this.all) {
      for (const { network, mac } of router.interfaces) this.#byInterface.set(keyOf(network.id, mac), router);
    }
  }

  at(network: Network, mac: Mac): Router | undefined {
    return this.#byInterface.get(keyOf(network.id, mac));
  }
}
