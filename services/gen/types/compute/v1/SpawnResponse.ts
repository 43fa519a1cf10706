// Original file: proto/compute/v1/compute_agent.proto

import type { Observed as _compute_v1_Observed, Observed__Output as _compute_v1_Observed__Output } from '../../compute/v1/Observed.ts';

export interface SpawnResponse {
  'observed'?: (_compute_v1_Observed | null);
}

export interface SpawnResponse__Output {
  'observed': (_compute_v1_Observed__Output | null);
}
