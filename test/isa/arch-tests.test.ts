// The official architecture tests, where the caller has them: CUMULET_ARCH_TESTS names the folder of ELF files
// (arch-tests.ts says how they are built).

import { describe, expect, it } from 'vitest';
import { findArchTests, runArchTest } from './arch-tests.ts';

const folder = process.env.CUMULET_ARCH_TESTS;
const TIMEOUT_MS = 1_800_000;

describe.each([
  ['the interpreter', false],
  ['the translator', true],
])('signatures of the architecture tests by %s', (_, translate) => {
  it(
    'are those of QEMU',
    async () => {
      const names = findArchTests(folder!);
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) {
        const { failure, excuse } = await runArchTest(folder!, name, translate);
        if (excuse === undefined) expect({ name, failure }).toEqual({ name, failure: undefined });
      }
    },
    TIMEOUT_MS,
  );
});
