// Original file: proto/compute/v1/compute_agent.proto


export interface StatsResponse {
  'json'?: (string);
}

export interface StatsResponse__Output {
  'json': (string);
}
