// The states of a guest, as a table. The picture is in contract.ts.

import { CumuletError } from '#base';
import type { GuestState } from './contract.ts';

export type GuestEvent = 'run' | 'hold' | 'pause' | 'resume' | 'reset' | 'power-off' | 'failure';

const TRANSITIONS: Readonly<Record<GuestState, Partial<Record<GuestEvent, GuestState>>>> = {
  starting: { run: 'running', hold: 'paused', 'power-off': 'stopped', failure: 'crashed' },
  running: { pause: 'paused', reset: 'running', 'power-off': 'stopped', failure: 'crashed' },
  paused: { resume: 'running', reset: 'running', 'power-off': 'stopped', failure: 'crashed' },
  stopped: {},
  crashed: {},
};

/** The next state, or 'conflict': the guest is not in a state for it. */
export function transition(state: GuestState, event: GuestEvent): GuestState {
  const next = TRANSITIONS[state][event];
  if (next === undefined)
    throw new CumuletError('conflict', `the guest is ${state}: ${WORDS[event]} is not possible now`);
  return next;
}

const WORDS: Readonly<Record<GuestEvent, string>> = {
  run: 'starting it',
  hold: 'starting it paused',
  pause: 'pausing it',
  resume: 'resuming it',
  reset: 'resetting it',
  'power-off': 'powering it off',
  failure: 'a failure',
};

export const isFinal = (state: GuestState): boolean => state === 'stopped' || state === 'crashed';
