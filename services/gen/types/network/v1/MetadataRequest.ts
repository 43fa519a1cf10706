// Original file: proto/network/v1/network_agent.proto


export interface MetadataRequest {
  'portId'?: (string);
}

export interface MetadataRequest__Output {
  'portId': (string);
}
