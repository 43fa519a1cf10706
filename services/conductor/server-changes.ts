// Changes of a server's record that sagas and reconcilers share. Pure functions over a transaction; every change of state
// goes through the transition table.

import {
  endEvent,
  INSTANCE_ACTION,
  type Observation,
  POWER,
  type PowerState,
  type Server,
  type ServerEvent,
  type ServerFault,
  type ServerState,
  transition,
} from '#model';
import type { Tx } from '#store';
import type { Report } from './agent-client.ts';

/** The server after an event of the transition table; itself when the event changes nothing. */
export function after(server: Server, event: ServerEvent, now: number): Server {
  const verdict = transition(server, event);
  if (verdict.kind !== 'to') return server;
  const task = verdict.state.taskState === null ? null : server.task;
  return { ...server, ...verdict.state, task, updatedAt: now };
}

const POWER_STATES: { readonly [name in Report['powerState']]: PowerState } = {
  POWER_STATE_UNSPECIFIED: POWER.NOSTATE,
  POWER_STATE_RUNNING: POWER.RUNNING,
  POWER_STATE_PAUSED: POWER.PAUSED,
  POWER_STATE_SHUTDOWN: POWER.SHUTDOWN,
  POWER_STATE_CRASHED: POWER.CRASHED,
  POWER_STATE_SUSPENDED: POWER.SUSPENDED,
};

export const powerStateOf = (report: Pick<Report, 'powerState'>): PowerState => POWER_STATES[report.powerState];

const OBSERVATIONS: { readonly [state in Report['powerState']]: Observation } = {
  POWER_STATE_UNSPECIFIED: 'seen_nostate',
  POWER_STATE_RUNNING: 'seen_running',
  POWER_STATE_PAUSED: 'seen_paused',
  POWER_STATE_SHUTDOWN: 'seen_shutdown',
  POWER_STATE_CRASHED: 'seen_crashed',
  POWER_STATE_SUSPENDED: 'seen_suspended',
};

export const observationOf = (report: Pick<Report, 'powerState'>): Observation => OBSERVATIONS[report.powerState];

/** Notes a report, and what the transition table made of it; older observations count no more. */
export function observed(server: Server, report: Report, state: ServerState, now: number): Server {
  const crashed = state.vmState === 'error' && server.vmState !== 'error';
  return {
    ...server,
    ...state,
    powerState: powerStateOf(report),
    observedAt: Math.max(server.observedAt, report.observedAt),
    fault: crashed ? faultOf(crashMessage(report), 'observed', now) : server.fault,
  };
}

/**
 * Notes what the host said when it answered a command. A guest that ended at once (its kernel powers off, or crashes) has
 * been started all the same, and is now what it is: nothing else would tell, for no newer report comes.
 */
export function answered(server: Server, report: Report, now: number): Server {
  const verdict = transition(server, observationOf(report));
  return observed(server, report, verdict.kind === 'to' ? verdict.state : server, now);
}

const crashMessage = (report: Report): string =>
  report.reason === '' ? 'The guest stopped unexpectedly.' : `The guest stopped unexpectedly: ${report.reason}`;

/** A fault's message has at most 255 characters, as Nova's; what does not fit is in the details. */
export const faultOf = (message: string, details: string, now: number): ServerFault => ({
  code: 500,
  message: message.length > 255 ? `${message.slice(0, 251)} ...` : message,
  details: message.length > 255 ? `${message}\n${details}` : details,
  createdAt: now,
});

/** Ends an event of the action, and the action with it. */
export function finishAction(
  tx: Tx,
  actionId: string,
  event: string,
  end: { readonly now: number; readonly host: string | null; readonly startTime?: number; readonly error?: string },
): void {
  const action = tx.get(INSTANCE_ACTION, actionId);
  if (action !== undefined) tx.update(INSTANCE_ACTION, endEvent(action, event, { ...end, last: true }));
}

/** The zone that the server shows: its host's, or the one it asked for. */
export function zoneOf(server: Server, peekHost: (name: string) => { availabilityZone: string } | undefined): string {
  const host = server.owner === null ? undefined : peekHost(server.owner.host);
  return host?.availabilityZone ?? server.availabilityZone ?? '';
}
