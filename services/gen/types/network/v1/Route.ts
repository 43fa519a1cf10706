// Original file: proto/network/v1/network_agent.proto


export interface Route {
  'destination'?: (string);
  'nexthop'?: (string);
}

export interface Route__Output {
  'destination': (string);
  'nexthop': (string);
}
