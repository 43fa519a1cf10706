// A router: joins subnets, and them to an external network. Its interfaces are ports (device_owner
// `network:router_interface`, device_id the router's id); its gateway is one more port on the external network.

import type { Kind } from '../kind.ts';
import type { NetworkResource } from './network.ts';
import type { FixedIp } from './port.ts';
import type { HostRoute } from './subnet.ts';

export interface ExternalGateway {
  readonly networkId: string;
  readonly enableSnat: boolean;
  readonly externalFixedIps: readonly FixedIp[];
  /** The gateway's port. */
  readonly portId: string;
}

export interface Router extends NetworkResource {
  readonly adminStateUp: boolean;
  readonly externalGateway: ExternalGateway | null;
  readonly routes: readonly HostRoute[];
  readonly availabilityZoneHints: readonly string[];
}

export const ROUTER: Kind<Router> = { name: 'router', id: (router) => router.id };
