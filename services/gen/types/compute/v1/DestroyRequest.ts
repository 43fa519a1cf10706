// Original file: proto/compute/v1/compute_agent.proto

import type { Long } from '@grpc/proto-loader';

export interface DestroyRequest {
  'instanceId'?: (string);
  'generation'?: (number | string | Long);
  'requestId'?: (string);
}

export interface DestroyRequest__Output {
  'instanceId': (string);
  'generation': (number);
  'requestId': (string);
}
