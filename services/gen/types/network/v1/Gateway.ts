// Original file: proto/network/v1/network_agent.proto


export interface Gateway {
  'mac'?: (string);
  'ip'?: (string);
}

export interface Gateway__Output {
  'mac': (string);
  'ip': (string);
}
