// Original file: proto/network/v1/network_agent.proto

import type { Long } from '@grpc/proto-loader';

export interface PortsReport {
  'host'?: (string);
  'pluggedPortIds'?: (string)[];
  'sentAt'?: (number | string | Long);
  'complete'?: (boolean);
}

export interface PortsReport__Output {
  'host': (string);
  'pluggedPortIds': (string)[];
  'sentAt': (number);
  'complete': (boolean);
}
