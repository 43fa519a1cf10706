// Original file: proto/compute/v1/compute_agent.proto

import type { InstanceSpec as _compute_v1_InstanceSpec, InstanceSpec__Output as _compute_v1_InstanceSpec__Output } from '../../compute/v1/InstanceSpec.ts';
import type { Long } from '@grpc/proto-loader';

export interface SpawnRequest {
  'spec'?: (_compute_v1_InstanceSpec | null);
  'generation'?: (number | string | Long);
  'powerOn'?: (boolean);
  'requestId'?: (string);
}

export interface SpawnRequest__Output {
  'spec': (_compute_v1_InstanceSpec__Output | null);
  'generation': (number);
  'powerOn': (boolean);
  'requestId': (string);
}
