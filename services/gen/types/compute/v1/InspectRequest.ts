// Original file: proto/compute/v1/compute_agent.proto


export interface InspectRequest {
  'instanceId'?: (string);
}

export interface InspectRequest__Output {
  'instanceId': (string);
}
