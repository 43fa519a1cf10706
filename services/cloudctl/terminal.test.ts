import { describe, expect, it } from 'vitest';
import { type EscapeState, readEscapes } from './terminal.ts';

/** Types pieces one after another; what reached the guest, and whether the user left. */
function type(...pieces: string[]): { sent: string; left: boolean } {
  let state: EscapeState = 'line-start';
  let sent = '';
  for (const piece of pieces) {
    const step = readEscapes(state, Buffer.from(piece, 'latin1'));
    state = step.state;
    sent += Buffer.from(step.send).toString('latin1');
    if (step.leave) return { sent, left: true };
  }
  return { sent, left: false };
}

describe('leaving the console', () => {
  it.each([
    ['~. at once', ['~.'], ''],
    ['~. in two pieces', ['~', '.'], ''],
    ['~. after a line', ['ls\r~.'], 'ls\r'],
    ['Ctrl-] anywhere', ['abc\x1ddef'], 'abc'],
  ])('works with %s', (_name, pieces, sent) => {
    expect(type(...pieces)).toEqual({ sent, left: true });
  });
});

describe('everything else reaches the guest', () => {
  it.each([
    ['a tilde inside a line', ['cd ~.ssh\r'], 'cd ~.ssh\r'],
    ['a tilde at the start that is no way out', ['~/bin\r'], '~/bin\r'],
    ['two tildes: one is sent', ['~~.\r'], '~.\r'],
    ['a tilde and Enter', ['~\r~a'], '~\r~a'],
    ['control characters and bytes above 127', ['\x03\x1b[A\xff'], '\x03\x1b[A\xff'],
  ])('%s', (_name, pieces, sent) => {
    expect(type(...pieces)).toEqual({ sent, left: false });
  });
});
