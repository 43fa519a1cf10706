// What was done to a server, by whom and how it ended: os-instance-actions. Begun by the API with the request, its events
// written by the saga that serves it. Kept after the server is gone.

import type { Kind } from './kind.ts';

export interface ActionEvent {
  readonly event: string;
  readonly startTime: number;
  readonly finishTime: number | null;
  readonly result: 'Success' | 'Error' | null;
  readonly host: string | null;
  /** Why it failed, in words (admins see it as `traceback`). */
  readonly details: string | null;
}

export interface InstanceAction {
  /** `<server>.<request id>`: one action a request and server. */
  readonly id: string;
  readonly serverId: string;
  readonly requestId: string;
  /** create, delete, stop, start, reboot, pause, unpause, suspend, resume, ... */
  readonly action: string;
  readonly userId: string;
  readonly projectId: string;
  readonly startTime: number;
  readonly updatedAt: number;
  readonly finishTime: number | null;
  /** `Error` when it failed. */
  readonly message: string | null;
  readonly events: readonly ActionEvent[];
}

export const INSTANCE_ACTION: Kind<InstanceAction> = { name: 'instance-action', id: (action) => action.id };

export const instanceActionId = (serverId: string, requestId: string): string => `${serverId}.${requestId}`;

export function newInstanceAction(
  server: { readonly id: string },
  action: string,
  by: { readonly requestId: string; readonly userId: string; readonly projectId: string; readonly now: number },
): InstanceAction {
  return {
    id: instanceActionId(server.id, by.requestId),
    serverId: server.id,
    requestId: by.requestId,
    action,
    userId: by.userId,
    projectId: by.projectId,
    startTime: by.now,
    updatedAt: by.now,
    finishTime: null,
    message: null,
    events: [],
  };
}

/** Adds an event that has begun, or begins it anew when a step runs again. */
export function beginEvent(action: InstanceAction, event: string, host: string | null, now: number): InstanceAction {
  const others = action.events.filter((known) => known.event !== event);
  const begun: ActionEvent = { event, startTime: now, finishTime: null, result: null, host, details: null };
  return { ...action, updatedAt: now, events: [...others, begun] };
}

/** Ends an event, and the action with it when `last`. */
export function endEvent(
  action: InstanceAction,
  event: string,
  end: {
    readonly now: number;
    readonly host: string | null;
    readonly error?: string;
    readonly startTime?: number;
    readonly last?: boolean;
  },
): InstanceAction {
  const known = action.events.find((other) => other.event === event);
  const ended: ActionEvent = {
    event,
    startTime: known?.startTime ?? end.startTime ?? end.now,
    finishTime: end.now,
    result: end.error === undefined ? 'Success' : 'Error',
    host: end.host ?? known?.host ?? null,
    details: end.error ?? null,
  };
  return {
    ...action,
    updatedAt: end.now,
    finishTime: end.last === true ? end.now : action.finishTime,
    message: end.error === undefined ? action.message : 'Error',
    events: [...action.events.filter((other) => other.event !== event), ended],
  };
}
