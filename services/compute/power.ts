// The power state of an instance on its host, and what each power action does in each state.
//
//                    boot                    pause
//     shutdown ───────────────► running ◄────────────► paused
//      ▲  ▲ ▲                   │  │  ▲                  │
//      │  │ └── shutdown/off ───┘  │  └─ restore ─┐      │
//      │  │                        │ save         │      │ save
//      │  └── off ── crashed ◄─────┘(dies)    suspended ◄┘
//      └──────────── discard ────────────────────┘
//
// `unknown` is told while a guest is made, and while an agent that has just started brings one back; nothing may be asked
// of it then.
// An action that has happened already does nothing: requests are repeated when their answer was lost.

export type PowerState = 'unknown' | 'running' | 'paused' | 'shutdown' | 'crashed' | 'suspended';

export type PowerAction =
  | 'start'
  | 'stop'
  | 'force_stop'
  | 'soft_reboot'
  | 'hard_reboot'
  | 'pause'
  | 'unpause'
  | 'suspend'
  | 'resume';

export type PowerStep =
  | 'boot'
  | 'shutdown' // power button; by force after the timeout
  | 'off' // by force
  | 'reset'
  | 'pause'
  | 'unpause'
  | 'save'
  | 'restore'
  | 'discard'; // what was saved is dropped

/** Steps in order; none: nothing is left to do; `refused`: not in this state. */
type Answer = readonly PowerStep[] | 'refused';

const TABLE: Readonly<Record<Exclude<PowerState, 'unknown'>, Readonly<Record<PowerAction, Answer>>>> = {
  running: {
    start: [],
    stop: ['shutdown'],
    force_stop: ['off'],
    soft_reboot: ['shutdown', 'boot'],
    hard_reboot: ['reset'],
    pause: ['pause'],
    unpause: [],
    suspend: ['save'],
    resume: [],
  },
  paused: {
    start: 'refused',
    stop: ['off'],
    force_stop: ['off'],
    soft_reboot: 'refused',
    hard_reboot: ['reset'],
    pause: [],
    unpause: ['unpause'],
    suspend: ['save'],
    resume: 'refused',
  },
  shutdown: {
    start: ['boot'],
    stop: [],
    force_stop: [],
    soft_reboot: 'refused',
    hard_reboot: ['boot'],
    pause: 'refused',
    unpause: 'refused',
    suspend: 'refused',
    resume: 'refused',
  },
  crashed: {
    start: ['off', 'boot'],
    stop: ['off'],
    force_stop: ['off'],
    soft_reboot: 'refused',
    hard_reboot: ['off', 'boot'],
    pause: 'refused',
    unpause: 'refused',
    suspend: 'refused',
    resume: 'refused',
  },
  suspended: {
    start: 'refused',
    stop: ['discard'],
    force_stop: ['discard'],
    soft_reboot: 'refused',
    hard_reboot: ['discard', 'boot'],
    pause: 'refused',
    unpause: 'refused',
    suspend: [],
    resume: ['restore'],
  },
};

export function planPower(state: PowerState, action: PowerAction): Answer {
  return state === 'unknown' ? 'refused' : TABLE[state][action];
}
