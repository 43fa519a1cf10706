// Original file: proto/network/v1/network_agent.proto

import type { SecurityRule as _network_v1_SecurityRule, SecurityRule__Output as _network_v1_SecurityRule__Output } from '../../network/v1/SecurityRule.ts';

export interface SecurityGroup {
  'id'?: (string);
  'stateful'?: (boolean);
  'rules'?: (_network_v1_SecurityRule)[];
  'members'?: (string)[];
}

export interface SecurityGroup__Output {
  'id': (string);
  'stateful': (boolean);
  'rules': (_network_v1_SecurityRule__Output)[];
  'members': (string)[];
}
