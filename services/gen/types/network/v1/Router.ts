// Original file: proto/network/v1/network_agent.proto

import type { RouterInterface as _network_v1_RouterInterface, RouterInterface__Output as _network_v1_RouterInterface__Output } from '../../network/v1/RouterInterface.ts';
import type { Route as _network_v1_Route, Route__Output as _network_v1_Route__Output } from '../../network/v1/Route.ts';

export interface Router {
  'id'?: (string);
  'interfaces'?: (_network_v1_RouterInterface)[];
  'routes'?: (_network_v1_Route)[];
}

export interface Router__Output {
  'id': (string);
  'interfaces': (_network_v1_RouterInterface__Output)[];
  'routes': (_network_v1_Route__Output)[];
}
