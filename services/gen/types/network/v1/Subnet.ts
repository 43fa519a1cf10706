// Original file: proto/network/v1/network_agent.proto

import type { Route as _network_v1_Route, Route__Output as _network_v1_Route__Output } from '../../network/v1/Route.ts';

export interface Subnet {
  'id'?: (string);
  'cidr'?: (string);
  'gatewayIp'?: (string);
  'dhcp'?: (boolean);
  'dnsServers'?: (string)[];
  'hostRoutes'?: (_network_v1_Route)[];
  'domain'?: (string);
}

export interface Subnet__Output {
  'id': (string);
  'cidr': (string);
  'gatewayIp': (string);
  'dhcp': (boolean);
  'dnsServers': (string)[];
  'hostRoutes': (_network_v1_Route__Output)[];
  'domain': (string);
}
