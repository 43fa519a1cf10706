// Original file: proto/network/v1/network_agent.proto


export interface SecurityRule {
  'id'?: (string);
  'egress'?: (boolean);
  'ipVersion'?: (number);
  'protocol'?: (number);
  'min'?: (number);
  'max'?: (number);
  'remoteCidr'?: (string);
  'remoteGroupId'?: (string);
}

export interface SecurityRule__Output {
  'id': (string);
  'egress': (boolean);
  'ipVersion': (number);
  'protocol': (number);
  'min': (number);
  'max': (number);
  'remoteCidr': (string);
  'remoteGroupId': (string);
}
