// Original file: proto/network/v1/network_agent.proto

import type { Subnet as _network_v1_Subnet, Subnet__Output as _network_v1_Subnet__Output } from '../../network/v1/Subnet.ts';
import type { Port as _network_v1_Port, Port__Output as _network_v1_Port__Output } from '../../network/v1/Port.ts';
import type { RemotePort as _network_v1_RemotePort, RemotePort__Output as _network_v1_RemotePort__Output } from '../../network/v1/RemotePort.ts';
import type { Gateway as _network_v1_Gateway, Gateway__Output as _network_v1_Gateway__Output } from '../../network/v1/Gateway.ts';

export interface Network {
  'id'?: (string);
  'vni'?: (number);
  'mtu'?: (number);
  'subnets'?: (_network_v1_Subnet)[];
  'ports'?: (_network_v1_Port)[];
  'remotes'?: (_network_v1_RemotePort)[];
  'vteps'?: (string)[];
  'gateways'?: (_network_v1_Gateway)[];
  'routingVteps'?: (string)[];
}

export interface Network__Output {
  'id': (string);
  'vni': (number);
  'mtu': (number);
  'subnets': (_network_v1_Subnet__Output)[];
  'ports': (_network_v1_Port__Output)[];
  'remotes': (_network_v1_RemotePort__Output)[];
  'vteps': (string)[];
  'gateways': (_network_v1_Gateway__Output)[];
  'routingVteps': (string)[];
}
