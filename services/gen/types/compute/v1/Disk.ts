// Original file: proto/compute/v1/compute_agent.proto

import type { Long } from '@grpc/proto-loader';

export interface Disk {
  'baseImage'?: (string);
  'baseFormat'?: (string);
  'sizeBytes'?: (number | string | Long);
  'name'?: (string);
}

export interface Disk__Output {
  'baseImage': (string);
  'baseFormat': (string);
  'sizeBytes': (number);
  'name': (string);
}
