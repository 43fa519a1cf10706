// Original file: proto/compute/v1/compute_agent.proto


export interface StatsRequest {
  'instanceId'?: (string);
}

export interface StatsRequest__Output {
  'instanceId': (string);
}
