// Original file: proto/compute/v1/compute_agent.proto

import type { Resources as _compute_v1_Resources, Resources__Output as _compute_v1_Resources__Output } from '../../compute/v1/Resources.ts';
import type { Observed as _compute_v1_Observed, Observed__Output as _compute_v1_Observed__Output } from '../../compute/v1/Observed.ts';
import type { Long } from '@grpc/proto-loader';

export interface Heartbeat {
  'host'?: (string);
  'grpcAddress'?: (string);
  'hypervisorType'?: (string);
  'resources'?: (_compute_v1_Resources | null);
  'traits'?: (string)[];
  'startedAt'?: (number | string | Long);
  'sentAt'?: (number | string | Long);
  'instances'?: (_compute_v1_Observed)[];
  'vtepAddress'?: (string);
  'hostIp'?: (string);
  'runningVms'?: (number);
  'cpuInfo'?: (string);
}

export interface Heartbeat__Output {
  'host': (string);
  'grpcAddress': (string);
  'hypervisorType': (string);
  'resources': (_compute_v1_Resources__Output | null);
  'traits': (string)[];
  'startedAt': (number);
  'sentAt': (number);
  'instances': (_compute_v1_Observed__Output)[];
  'vtepAddress': (string);
  'hostIp': (string);
  'runningVms': (number);
  'cpuInfo': (string);
}
