// Original file: proto/network/v1/network_agent.proto


export interface AddressPair {
  'mac'?: (string);
  'ip'?: (string);
}

export interface AddressPair__Output {
  'mac': (string);
  'ip': (string);
}
