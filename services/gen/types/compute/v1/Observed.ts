// Original file: proto/compute/v1/compute_agent.proto

import type { PowerState as _compute_v1_PowerState, PowerState__Output as _compute_v1_PowerState__Output } from '../../compute/v1/PowerState.ts';
import type { Long } from '@grpc/proto-loader';

export interface Observed {
  'instanceId'?: (string);
  'generation'?: (number | string | Long);
  'powerState'?: (_compute_v1_PowerState);
  'reason'?: (string);
  'observedAt'?: (number | string | Long);
}

export interface Observed__Output {
  'instanceId': (string);
  'generation': (number);
  'powerState': (_compute_v1_PowerState__Output);
  'reason': (string);
  'observedAt': (number);
}
