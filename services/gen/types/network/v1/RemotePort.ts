// Original file: proto/network/v1/network_agent.proto


export interface RemotePort {
  'mac'?: (string);
  'ips'?: (string)[];
  'vtep'?: (string);
}

export interface RemotePort__Output {
  'mac': (string);
  'ips': (string)[];
  'vtep': (string);
}
