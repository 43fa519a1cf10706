// Original file: proto/compute/v1/compute_agent.proto


export interface TranslateRequest {
  'instanceId'?: (string);
  'address'?: (string);
  'hart'?: (number);
  'privilege'?: (string);
}

export interface TranslateRequest__Output {
  'instanceId': (string);
  'address': (string);
  'hart': (number);
  'privilege': (string);
}
