// The official tests, where the caller has them: CUMULET_RISCV_TESTS names the folder of ELF files (riscv-tests.ts).

import { describe, expect, it } from 'vitest';
import { findTests, GROUPS, runTest } from './riscv-tests.ts';

const folder = process.env.CUMULET_RISCV_TESTS;

describe('riscv-tests', () => {
  it.each(GROUPS)('%s passes', (group) => {
    const names = findTests(folder!, new RegExp(`^${group}-`));
    expect(names.length).toBeGreaterThan(0);
    const failures = names.map((name) => runTest(folder!, name)).filter((result) => result.failure);
    expect(failures).toEqual([]);
  });
});
