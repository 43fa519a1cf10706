// Original file: proto/network/v1/network_agent.proto


export interface Address {
  'subnetId'?: (string);
  'ip'?: (string);
}

export interface Address__Output {
  'subnetId': (string);
  'ip': (string);
}
