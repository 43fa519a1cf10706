// Original file: proto/network/v1/network_agent.proto

import type { Network as _network_v1_Network, Network__Output as _network_v1_Network__Output } from '../../network/v1/Network.ts';
import type { SecurityGroup as _network_v1_SecurityGroup, SecurityGroup__Output as _network_v1_SecurityGroup__Output } from '../../network/v1/SecurityGroup.ts';
import type { Router as _network_v1_Router, Router__Output as _network_v1_Router__Output } from '../../network/v1/Router.ts';
import type { Long } from '@grpc/proto-loader';

export interface HostState {
  'host'?: (string);
  'revision'?: (number | string | Long);
  'networks'?: (_network_v1_Network)[];
  'securityGroups'?: (_network_v1_SecurityGroup)[];
  'routers'?: (_network_v1_Router)[];
}

export interface HostState__Output {
  'host': (string);
  'revision': (number);
  'networks': (_network_v1_Network__Output)[];
  'securityGroups': (_network_v1_SecurityGroup__Output)[];
  'routers': (_network_v1_Router__Output)[];
}
