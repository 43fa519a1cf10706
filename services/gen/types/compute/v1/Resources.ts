// Original file: proto/compute/v1/compute_agent.proto

import type { Long } from '@grpc/proto-loader';

export interface Resources {
  'vcpus'?: (number);
  'memoryMib'?: (number | string | Long);
  'diskGib'?: (number | string | Long);
}

export interface Resources__Output {
  'vcpus': (number);
  'memoryMib': (number);
  'diskGib': (number);
}
