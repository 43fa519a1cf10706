import { expect, it } from 'vitest';
import { type PowerAction, type PowerState, planPower } from './power.ts';

const STATES: PowerState[] = ['unknown', 'running', 'paused', 'shutdown', 'crashed', 'suspended'];

/** Where an action leads when nothing goes wrong. */
const ENDS: Readonly<Record<PowerAction, PowerState>> = {
  start: 'running',
  stop: 'shutdown',
  force_stop: 'shutdown',
  soft_reboot: 'running',
  hard_reboot: 'running',
  pause: 'paused',
  unpause: 'running',
  suspend: 'suspended',
  resume: 'running',
};

it('an action in the state that it leads to does nothing; a reboot always does something', () => {
  for (const [action, end] of Object.entries(ENDS) as [PowerAction, PowerState][]) {
    const plan = planPower(end, action);
    if (action === 'soft_reboot' || action === 'hard_reboot') expect(plan, action).not.toEqual([]);
    else expect(plan, action).toEqual([]);
  }
});

it('a guest can be stopped by force and started by force from every known state', () => {
  for (const state of STATES.filter((one) => one !== 'unknown')) {
    expect(planPower(state, 'force_stop')).not.toBe('refused');
    expect(planPower(state, 'hard_reboot')).not.toBe('refused');
  }
});

it('nothing may be asked of a guest whose state is not known', () => {
  for (const action of Object.keys(ENDS) as PowerAction[]) expect(planPower('unknown', action)).toBe('refused');
});

it('what was saved is dropped before a suspended guest boots', () => {
  expect(planPower('suspended', 'hard_reboot')).toEqual(['discard', 'boot']);
});
