// The tasks of servers: which saga serves which request. The API writes the saga's record in the transaction that sets
// the task_state, the conductor runs it: both know it from here.

import type { ServerEnd, ServerRequest } from './server-state.ts';

/** Input of every saga that works on one server. */
export interface ServerTaskInput {
  readonly serverId: string;
  /** The id of the instance action that tells how it went. */
  readonly actionId: string;
}

export const SERVER_CREATE = 'server_create';
export const SERVER_DELETE = 'server_delete';
export const SERVER_REBUILD = 'server_rebuild';

/** Requests that one word to the host serves. */
export type PowerRequestName = Extract<
  ServerRequest,
  'start' | 'stop' | 'reboot' | 'reboot_hard' | 'pause' | 'unpause' | 'suspend' | 'resume'
>;

export interface PowerTask {
  readonly saga: string;
  /** What os-instance-actions calls it. */
  readonly action: string;
  /** The event of the action: `compute_stop_instance`. */
  readonly event: string;
  readonly end: ServerEnd;
}

const power = (name: string, action: string, event: string, end: ServerEnd): PowerTask => ({
  saga: `server_${name}`,
  action,
  event: `compute_${event}_instance`,
  end,
});

export const POWER_TASKS: { readonly [request in PowerRequestName]: PowerTask } = {
  start: power('start', 'start', 'start', 'started'),
  stop: power('stop', 'stop', 'stop', 'stopped'),
  reboot: power('reboot', 'reboot', 'reboot', 'rebooted'),
  reboot_hard: power('reboot_hard', 'reboot', 'reboot', 'rebooted'),
  pause: power('pause', 'pause', 'pause', 'paused'),
  unpause: power('unpause', 'unpause', 'unpause', 'unpaused'),
  suspend: power('suspend', 'suspend', 'suspend', 'suspended'),
  resume: power('resume', 'resume', 'resume', 'resumed'),
};
