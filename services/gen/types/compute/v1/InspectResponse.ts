// Original file: proto/compute/v1/compute_agent.proto


export interface InspectResponse {
  'json'?: (string);
}

export interface InspectResponse__Output {
  'json': (string);
}
