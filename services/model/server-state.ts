// The states of a server: one table that says, for every vm_state and every event, what happens. Nobody else changes
// vm_state, task_state or power_state.
//
//   vm_state   what the server is, at rest           (stable; owned by this table)
//   task_state what is being done to it              (null at rest; set with the saga that does it, cleared by its end)
//   power_state what its host says the guest does    (observed)
//
//            create                 built
//     ──────────────► building ──────────────► active ◄────────────────────────────┐
//                        │                     │ │ │ ▲                             │
//                        │ build_failed   stop │ │ │ │ start, reboot --hard         │ unpaused, resumed
//                        ▼                     │ │ │ │                             │
//                      error ◄── crashed ──────┼─┤ └─┼─────► paused, suspended ────┘
//                        │ ▲                   ▼ │   │            │  guest died
//                        │ └─ broken         stopped ┴────────────┘
//                        │  stop, reboot --hard, rebuild lead out of error
//     any ── delete ──► (task deleting) ── deleted ──► deleted        (for good; no event leads out)
//
// A request (what a user asks) is refused or sets a task_state; an end (what a saga reports) clears it and sets the
// vm_state; an observation (what a host reports) counts only while no task is under way, as in Nova's
// _sync_instance_power_state: a saga knows better what its guest is going through.

export const VM_STATES = ['building', 'active', 'paused', 'suspended', 'stopped', 'error', 'deleted'] as const;
export type VmState = (typeof VM_STATES)[number];

export const TASK_STATES = [
  'scheduling',
  'spawning',
  'powering-on',
  'powering-off',
  'rebooting',
  'rebooting_hard',
  'pausing',
  'unpausing',
  'suspending',
  'resuming',
  'rebuilding',
  'deleting',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** Nova's numbers (nova/objects/fields.py, InstancePowerState). */
export const POWER = { NOSTATE: 0, RUNNING: 1, PAUSED: 3, SHUTDOWN: 4, CRASHED: 6, SUSPENDED: 7 } as const;
export type PowerState = (typeof POWER)[keyof typeof POWER];
export const POWER_STATES = Object.values(POWER);

export interface ServerState {
  readonly vmState: VmState;
  readonly taskState: TaskState | null;
  readonly powerState: PowerState;
}

/** What a user may ask; the word stands in the answer of a refusal: "Cannot 'stop' instance ...". */
export const REQUESTS = [
  'start',
  'stop',
  'reboot',
  'reboot_hard',
  'pause',
  'unpause',
  'suspend',
  'resume',
  'rebuild',
  'delete',
  'reset_active',
  'reset_error',
] as const;
export type ServerRequest = (typeof REQUESTS)[number];

/** What the saga of a task reports. */
export const ENDS = [
  'scheduled', // a host is claimed; the guest is made next
  'built',
  'build_failed',
  'started',
  'stopped',
  'rebooted',
  'paused',
  'unpaused',
  'suspended',
  'resumed',
  'rebuilt',
  'undone', // the task failed and the guest is as it was before
  'broken', // the task failed and the guest is not what it was
  'delete_failed', // its host could not take the guest away
  'deleted',
] as const;
export type ServerEnd = (typeof ENDS)[number];

/** What the host of the current generation reports about the guest. */
export const OBSERVATIONS = [
  'seen_nostate',
  'seen_running',
  'seen_paused',
  'seen_shutdown',
  'seen_crashed',
  'seen_suspended',
  'seen_lost', // the host is up and does not know it any more
] as const;
export type Observation = (typeof OBSERVATIONS)[number];

export type ServerEvent = ServerRequest | ServerEnd | Observation;
export const SERVER_EVENTS: readonly ServerEvent[] = [...REQUESTS, ...ENDS, ...OBSERVATIONS];

export type Verdict =
  | { readonly kind: 'to'; readonly state: ServerState }
  /** Nothing changes: the event says what is known, or a task under way outranks it. */
  | { readonly kind: 'stay' }
  /** The state is right and the guest is wrong: its host must be told to power it off (Nova does the same). */
  | { readonly kind: 'power_off'; readonly state: ServerState }
  /** 409: `attr` says which field is in the way. */
  | { readonly kind: 'refused'; readonly attr: 'vm_state' | 'task_state'; readonly value: string };

interface RequestRule {
  /** vm_states in which it may be asked; Nova's @check_instance_state lists. */
  readonly from: readonly VmState[];
  /** Task states that it may interrupt besides none. */
  readonly during: readonly TaskState[] | 'any';
  readonly task: TaskState | null;
}

const LIVING: readonly VmState[] = ['building', 'active', 'paused', 'suspended', 'stopped', 'error'];
/** nova/compute/task_states.py ALLOW_REBOOT. */
const REBOOT_INTERRUPTS: readonly TaskState[] = [
  'rebooting',
  'rebooting_hard',
  'pausing',
  'unpausing',
  'suspending',
  'resuming',
];

const REQUEST_RULES: { readonly [request in ServerRequest]: RequestRule } = {
  start: { from: ['stopped'], during: [], task: 'powering-on' },
  stop: { from: ['active', 'error'], during: [], task: 'powering-off' },
  reboot: { from: ['active'], during: [], task: 'rebooting' },
  reboot_hard: {
    from: ['active', 'stopped', 'paused', 'suspended', 'error'],
    during: REBOOT_INTERRUPTS,
    task: 'rebooting_hard',
  },
  pause: { from: ['active'], during: [], task: 'pausing' },
  unpause: { from: ['paused'], during: [], task: 'unpausing' },
  suspend: { from: ['active'], during: [], task: 'suspending' },
  resume: { from: ['suspended'], during: [], task: 'resuming' },
  rebuild: { from: ['active', 'stopped', 'error'], during: [], task: 'rebuilding' },
  delete: { from: LIVING, during: 'any', task: 'deleting' },
  reset_active: { from: LIVING, during: 'any', task: null },
  reset_error: { from: LIVING, during: 'any', task: null },
};

/** The task that an end belongs to, and what follows. An end of another task than the one under way is late: it stays. */
const END_RULES: {
  readonly [end in Exclude<
    ServerEnd,
    'scheduled' | 'build_failed' | 'undone' | 'broken' | 'delete_failed' | 'deleted'
  >]: {
    readonly of: readonly TaskState[];
    readonly vmState: VmState;
    readonly powerState: PowerState;
  };
} = {
  built: { of: ['spawning'], vmState: 'active', powerState: POWER.RUNNING },
  started: { of: ['powering-on'], vmState: 'active', powerState: POWER.RUNNING },
  stopped: { of: ['powering-off'], vmState: 'stopped', powerState: POWER.SHUTDOWN },
  rebooted: { of: ['rebooting', 'rebooting_hard'], vmState: 'active', powerState: POWER.RUNNING },
  paused: { of: ['pausing'], vmState: 'paused', powerState: POWER.PAUSED },
  unpaused: { of: ['unpausing'], vmState: 'active', powerState: POWER.RUNNING },
  suspended: { of: ['suspending'], vmState: 'suspended', powerState: POWER.SUSPENDED },
  resumed: { of: ['resuming'], vmState: 'active', powerState: POWER.RUNNING },
  rebuilt: { of: ['rebuilding'], vmState: 'active', powerState: POWER.RUNNING },
};

const stay: Verdict = { kind: 'stay' };
const to = (state: ServerState): Verdict => ({ kind: 'to', state });

function onRequest(state: ServerState, request: ServerRequest): Verdict {
  const rule = REQUEST_RULES[request];
  if (!rule.from.includes(state.vmState)) return { kind: 'refused', attr: 'vm_state', value: state.vmState };
  if (state.taskState !== null && rule.during !== 'any' && !rule.during.includes(state.taskState)) {
    return { kind: 'refused', attr: 'task_state', value: state.taskState };
  }
  switch (request) {
    case 'delete':
      // Asked twice: the first saga goes on.
      return state.taskState === 'deleting' ? stay : to({ ...state, taskState: 'deleting' });
    case 'reset_active':
      return to({ ...state, vmState: 'active', taskState: null });
    case 'reset_error':
      return to({ ...state, vmState: 'error', taskState: null });
    default:
      return to({ ...state, taskState: rule.task });
  }
}

function onEnd(state: ServerState, end: ServerEnd): Verdict {
  if (state.vmState === 'deleted') return stay;
  switch (end) {
    case 'deleted':
      return to({ vmState: 'deleted', taskState: null, powerState: POWER.NOSTATE });
    case 'scheduled':
      return state.taskState === 'scheduling' ? to({ ...state, taskState: 'spawning' }) : stay;
    case 'build_failed':
      if (state.vmState !== 'building') return stay;
      // A delete that came meanwhile keeps its task: it takes away what is left.
      return to({
        vmState: 'error',
        taskState: state.taskState === 'deleting' ? 'deleting' : null,
        powerState: POWER.NOSTATE,
      });
    case 'undone':
      return state.taskState === null || state.taskState === 'deleting' ? stay : to({ ...state, taskState: null });
    case 'broken':
      return state.taskState === 'deleting' ? stay : to({ ...state, vmState: 'error', taskState: null });
    case 'delete_failed':
      return state.taskState === 'deleting' ? to({ ...state, vmState: 'error', taskState: null }) : stay;
    default: {
      const rule = END_RULES[end];
      if (state.taskState === null || !rule.of.includes(state.taskState)) return stay;
      // A stopped server stays stopped over a rebuild.
      if (end === 'rebuilt' && state.vmState === 'stopped') {
        return to({ vmState: 'stopped', taskState: null, powerState: POWER.SHUTDOWN });
      }
      return to({ vmState: rule.vmState, taskState: null, powerState: rule.powerState });
    }
  }
}

/** What a guest at rest turns into when its host reports it otherwise. */
function onObservation(state: ServerState, seen: Observation): Verdict {
  if (state.taskState !== null || state.vmState === 'deleted' || state.vmState === 'building') return stay;
  const powerState = POWER_OF[seen];
  const changed = powerState !== state.powerState;
  if (seen === 'seen_lost' && state.vmState !== 'error') return to({ vmState: 'error', taskState: null, powerState });
  const noted = changed ? to({ ...state, powerState }) : stay;
  switch (state.vmState) {
    case 'active':
    case 'paused':
    case 'suspended':
      if (seen === 'seen_crashed') return to({ vmState: 'error', taskState: null, powerState });
      if (seen === 'seen_shutdown') return to({ vmState: 'stopped', taskState: null, powerState });
      return noted;
    case 'stopped':
      if (seen === 'seen_running' || seen === 'seen_paused') {
        return { kind: 'power_off', state: { ...state, powerState } };
      }
      return noted;
    case 'error':
      return noted;
    default: {
      const never: never = state.vmState;
      throw new Error(`no such vm_state: ${String(never)}`);
    }
  }
}

const POWER_OF: { readonly [seen in Observation]: PowerState } = {
  seen_nostate: POWER.NOSTATE,
  seen_running: POWER.RUNNING,
  seen_paused: POWER.PAUSED,
  seen_shutdown: POWER.SHUTDOWN,
  seen_crashed: POWER.CRASHED,
  seen_suspended: POWER.SUSPENDED,
  seen_lost: POWER.NOSTATE,
};

const requests = new Set<ServerEvent>(REQUESTS);
const ends = new Set<ServerEvent>(ENDS);

/** The one answer to "what happens now": pure, total over every state and event. */
export function transition(state: ServerState, event: ServerEvent): Verdict {
  if (requests.has(event)) return onRequest(state, event as ServerRequest);
  if (ends.has(event)) return onEnd(state, event as ServerEnd);
  return onObservation(state, event as Observation);
}

export type ServerStatus =
  | 'ACTIVE'
  | 'BUILD'
  | 'DELETED'
  | 'ERROR'
  | 'HARD_REBOOT'
  | 'PAUSED'
  | 'REBOOT'
  | 'REBUILD'
  | 'SHUTOFF'
  | 'SUSPENDED';

/** nova/api/openstack/common.py _STATE_MAP: what a vm_state is called, and what a task makes of it. */
const STATUS: { readonly [vm in VmState]: { readonly rest: ServerStatus } & { [task in TaskState]?: ServerStatus } } = {
  building: { rest: 'BUILD' },
  active: { rest: 'ACTIVE', rebooting: 'REBOOT', rebooting_hard: 'HARD_REBOOT', rebuilding: 'REBUILD' },
  stopped: { rest: 'SHUTOFF', rebuilding: 'REBUILD' },
  paused: { rest: 'PAUSED' },
  suspended: { rest: 'SUSPENDED' },
  error: { rest: 'ERROR', rebuilding: 'REBUILD' },
  deleted: { rest: 'DELETED' },
};

export function serverStatus(state: Pick<ServerState, 'vmState' | 'taskState'>): ServerStatus {
  const row = STATUS[state.vmState];
  return (state.taskState === null ? undefined : row[state.taskState]) ?? row.rest;
}

/** The vm_states (and tasks) that a `status=` filter means; none: no server can have it. */
export function matchesStatus(state: Pick<ServerState, 'vmState' | 'taskState'>, wanted: string): boolean {
  return serverStatus(state) === wanted.toUpperCase();
}

/** Nova's words for a refusal (nova/api/openstack/common.py). */
export function refusal(
  serverId: string,
  request: string,
  verdict: { readonly attr: string; readonly value: string },
): string {
  return `Cannot '${request}' instance ${serverId} while it is in ${verdict.attr} ${verdict.value}`;
}
