// Original file: proto/network/v1/network_agent.proto


export interface RouterInterface {
  'networkId'?: (string);
  'mac'?: (string);
  'address'?: (string);
}

export interface RouterInterface__Output {
  'networkId': (string);
  'mac': (string);
  'address': (string);
}
