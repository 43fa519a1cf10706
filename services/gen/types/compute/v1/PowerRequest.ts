// Original file: proto/compute/v1/compute_agent.proto

import type { PowerAction as _compute_v1_PowerAction, PowerAction__Output as _compute_v1_PowerAction__Output } from '../../compute/v1/PowerAction.ts';
import type { Long } from '@grpc/proto-loader';

export interface PowerRequest {
  'instanceId'?: (string);
  'generation'?: (number | string | Long);
  'action'?: (_compute_v1_PowerAction);
  'timeoutSeconds'?: (number);
  'requestId'?: (string);
}

export interface PowerRequest__Output {
  'instanceId': (string);
  'generation': (number);
  'action': (_compute_v1_PowerAction__Output);
  'timeoutSeconds': (number);
  'requestId': (string);
}
