// What the sagas and reconcilers are built from.

import type { Clock, Log } from '#base';
import type { Records } from '#store';
import type { AgentClient } from './agent-client.ts';

export interface ConductorComponents {
  readonly records: Records;
  readonly agents: AgentClient;
  readonly clock: Clock;
  readonly log: Log;
}
