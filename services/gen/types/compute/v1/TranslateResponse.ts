// Original file: proto/compute/v1/compute_agent.proto


export interface TranslateResponse {
  'json'?: (string);
}

export interface TranslateResponse__Output {
  'json': (string);
}
