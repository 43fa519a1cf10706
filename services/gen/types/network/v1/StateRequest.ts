// Original file: proto/network/v1/network_agent.proto


export interface StateRequest {
  'host'?: (string);
}

export interface StateRequest__Output {
  'host': (string);
}
