// What a host is told of routers: those that have an interface in a network that it knows. Pure, given the index.

import type { networkV1 } from '#gen';
import type { Subnet } from '#model';
import type { RouterIndex, RouterIntent } from './router-index.ts';

export function planRouters(
  ids: Iterable<string>,
  index: RouterIndex,
  subnetOf: (networkId: string, subnetId: string) => Subnet | undefined,
): networkV1.Router[] {
  return [...new Set(ids)].sort().flatMap((id) => {
    const intent = index.intentOf(id);
    // The addresses of a router that is down are still answered for; nothing is routed.
    if (intent === undefined || !intent.router.adminStateUp) return [];
    return [planRouter(intent, subnetOf)];
  });
}

const isIpv4 = (text: string): boolean => !text.includes(':');

function planRouter(
  { router, interfaces }: RouterIntent,
  subnetOf: (networkId: string, subnetId: string) => Subnet | undefined,
): networkV1.Router {
  return {
    id: router.id,
    interfaces: [...interfaces]
      .filter((port) => port.adminStateUp)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .flatMap((port) =>
        port.fixedIps
          .filter(({ ipAddress }) => isIpv4(ipAddress))
          .flatMap(({ subnetId, ipAddress }) => {
            const length = subnetOf(port.networkId, subnetId)?.cidr.split('/')[1];
            if (length === undefined) return [];
            return [{ networkId: port.networkId, mac: port.macAddress, address: `${ipAddress}/${length}` }];
          }),
      ),
    routes: router.routes
      .filter(({ destination }) => isIpv4(destination))
      .map(({ destination, nexthop }) => ({ destination, nexthop })),
  };
}
