// Original file: proto/network/v1/network_agent.proto

import type { Address as _network_v1_Address, Address__Output as _network_v1_Address__Output } from '../../network/v1/Address.ts';
import type { AddressPair as _network_v1_AddressPair, AddressPair__Output as _network_v1_AddressPair__Output } from '../../network/v1/AddressPair.ts';

export interface Port {
  'id'?: (string);
  'mac'?: (string);
  'addresses'?: (_network_v1_Address)[];
  'hostname'?: (string);
  'adminStateUp'?: (boolean);
  'portSecurity'?: (boolean);
  'allowedAddressPairs'?: (_network_v1_AddressPair)[];
  'securityGroupIds'?: (string)[];
}

export interface Port__Output {
  'id': (string);
  'mac': (string);
  'addresses': (_network_v1_Address__Output)[];
  'hostname': (string);
  'adminStateUp': (boolean);
  'portSecurity': (boolean);
  'allowedAddressPairs': (_network_v1_AddressPair__Output)[];
  'securityGroupIds': (string)[];
}
