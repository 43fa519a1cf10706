import { describe, expect, it } from 'vitest';
import {
  ENDS,
  matchesStatus,
  OBSERVATIONS,
  POWER,
  POWER_STATES,
  REQUESTS,
  refusal,
  SERVER_EVENTS,
  type ServerState,
  serverStatus,
  TASK_STATES,
  transition,
  VM_STATES,
} from './server-state.ts';

const every: ServerState[] = VM_STATES.flatMap((vmState) =>
  [null, ...TASK_STATES].flatMap((taskState) =>
    POWER_STATES.map((powerState): ServerState => ({ vmState, taskState, powerState })),
  ),
);
const at = (vmState: ServerState['vmState'], taskState: ServerState['taskState'] = null): ServerState => ({
  vmState,
  taskState,
  powerState: POWER.NOSTATE,
});

describe('the transition table', () => {
  it('has an answer for every state and event, and each answer is a state of the table', () => {
    const kinds = new Set<string>();
    for (const state of every) {
      for (const event of SERVER_EVENTS) {
        const verdict = transition(state, event);
        kinds.add(verdict.kind);
        if (verdict.kind === 'to' || verdict.kind === 'power_off') {
          expect(VM_STATES).toContain(verdict.state.vmState);
          expect([null, ...TASK_STATES]).toContain(verdict.state.taskState);
          expect(POWER_STATES).toContain(verdict.state.powerState);
        }
      }
    }
    expect([...kinds].sort()).toEqual(['power_off', 'refused', 'stay', 'to']);
  });

  it('lets nothing out of deleted', () => {
    for (const state of every.filter((one) => one.vmState === 'deleted')) {
      for (const event of SERVER_EVENTS) {
        const verdict = transition(state, event);
        if (verdict.kind === 'to') expect(verdict.state.vmState).toBe('deleted');
      }
    }
  });

  it('refuses only requests, and never changes vm_state on one (but for reset-state)', () => {
    for (const state of every) {
      for (const event of [...ENDS, ...OBSERVATIONS]) expect(transition(state, event).kind).not.toBe('refused');
      for (const request of REQUESTS.filter((name) => !name.startsWith('reset'))) {
        const verdict = transition(state, request);
        if (verdict.kind === 'to') expect(verdict.state.vmState).toBe(state.vmState);
      }
    }
  });

  it('takes delete in every living state, also in the middle of a task, and once only', () => {
    for (const state of every.filter((one) => one.vmState !== 'deleted')) {
      const verdict = transition(state, 'delete');
      if (state.taskState === 'deleting') expect(verdict.kind).toBe('stay');
      else expect(verdict).toMatchObject({ kind: 'to', state: { taskState: 'deleting' } });
    }
  });

  it('never lets the end of another task end a delete', () => {
    for (const state of every.filter((one) => one.taskState === 'deleting' && one.vmState !== 'deleted')) {
      for (const end of ENDS.filter((name) => !name.startsWith('delete'))) {
        const verdict = transition(state, end);
        if (verdict.kind === 'to') expect(verdict.state.taskState).toBe('deleting');
      }
    }
  });

  it('ignores what hosts report while a task is under way', () => {
    for (const state of every.filter((one) => one.taskState !== null)) {
      for (const seen of OBSERVATIONS) expect(transition(state, seen)).toEqual({ kind: 'stay' });
    }
  });

  it('stops an active server whose guest powered itself off, and puts a crashed one in error', () => {
    const active: ServerState = { vmState: 'active', taskState: null, powerState: POWER.RUNNING };
    expect(transition(active, 'seen_shutdown')).toMatchObject({ state: { vmState: 'stopped', powerState: 4 } });
    expect(transition(active, 'seen_crashed')).toMatchObject({ state: { vmState: 'error', powerState: 6 } });
    expect(transition(active, 'seen_running')).toEqual({ kind: 'stay' });
  });

  it('powers off a guest that runs while its server is stopped', () => {
    expect(transition(at('stopped'), 'seen_running').kind).toBe('power_off');
  });

  it('every task that a request sets is ended by some end', () => {
    for (const state of every.filter((one) => one.taskState === null)) {
      for (const request of REQUESTS) {
        const begun = transition(state, request);
        if (begun.kind !== 'to' || begun.state.taskState === null) continue;
        const ended = ENDS.map((end) => transition(begun.state, end)).some(
          (verdict) => verdict.kind === 'to' && verdict.state.taskState === null,
        );
        expect(ended, `${request} from ${state.vmState}`).toBe(true);
      }
    }
  });

  it('walks a life: build, stop, start, pause, delete', () => {
    const follow = (start: ServerState, events: Parameters<typeof transition>[1][]) =>
      events.reduce((state, event) => {
        const verdict = transition(state, event);
        if (verdict.kind !== 'to') throw new Error(`${event} from ${JSON.stringify(state)}: ${verdict.kind}`);
        return verdict.state;
      }, start);
    const end = follow(at('building', 'scheduling'), [
      'scheduled',
      'built',
      'stop',
      'stopped',
      'start',
      'started',
      'pause',
      'paused',
      'delete',
      'deleted',
    ]);
    expect(end).toEqual({ vmState: 'deleted', taskState: null, powerState: POWER.NOSTATE });
  });
});

describe('refusals and status', () => {
  it('says what is in the way in the words of Nova', () => {
    const verdict = transition(at('stopped'), 'pause');
    if (verdict.kind !== 'refused') throw new Error('pause of a stopped server must be refused');
    expect(refusal('abc', 'pause', verdict)).toBe("Cannot 'pause' instance abc while it is in vm_state stopped");
    expect(transition(at('active', 'rebooting'), 'stop')).toEqual({
      kind: 'refused',
      attr: 'task_state',
      value: 'rebooting',
    });
  });

  it.each([
    ['building', 'scheduling', 'BUILD'],
    ['active', null, 'ACTIVE'],
    ['active', 'rebooting', 'REBOOT'],
    ['active', 'rebooting_hard', 'HARD_REBOOT'],
    ['active', 'powering-off', 'ACTIVE'],
    ['stopped', null, 'SHUTOFF'],
    ['stopped', 'rebooting_hard', 'SHUTOFF'],
    ['stopped', 'rebuilding', 'REBUILD'],
    ['paused', null, 'PAUSED'],
    ['suspended', null, 'SUSPENDED'],
    ['error', null, 'ERROR'],
    ['deleted', null, 'DELETED'],
  ] as const)('%s with task %s is %s', (vmState, taskState, status) => {
    expect(serverStatus({ vmState, taskState })).toBe(status);
    expect(matchesStatus({ vmState, taskState }, status.toLowerCase())).toBe(true);
  });
});
