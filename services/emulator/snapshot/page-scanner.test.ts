import { describe, expect, it } from 'vitest';
import { newRamMemory } from '../hart/layout.ts';
import { usedRuns } from './machine-state.ts';
import { PageScanner } from './page-scanner.ts';

const PAGE = 4096;

describe('the page scanner', () => {
  it('finds what a plain look finds, at the first and the last byte of a page', () => {
    const memory = newRamMemory(1 << 20);
    const ram = new Uint8Array(memory.buffer);
    const scanner = new PageScanner(memory);
    expect([...scanner.runs()]).toEqual([]);
    for (const page of [0, 5, 6, 100, 255]) ram[page * PAGE + (page % 2 === 0 ? 0 : PAGE - 1)] = 1;
    expect([...scanner.runs()]).toEqual([...usedRuns(ram)]);
    expect([...scanner.runs()]).toEqual([
      [0, PAGE],
      [5 * PAGE, 2 * PAGE],
      [100 * PAGE, PAGE],
      [255 * PAGE, PAGE],
    ]);
  });

  it('looks only where it is told to', () => {
    const memory = newRamMemory(1 << 20);
    new Uint8Array(memory.buffer).fill(7);
    const among = [
      [2 * PAGE, PAGE],
      [9 * PAGE, 3 * PAGE],
    ] as const;
    expect([...new PageScanner(memory).runs(among)]).toEqual(among);
  });
});
