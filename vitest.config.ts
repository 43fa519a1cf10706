// Two projects: `unit` (beside the code and test/architecture; no process, no network beyond loopback; under a minute)
// and `system` (everything under test/ that starts processes: etcd, nats-server, QEMU, guests, whole clouds).
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    reporters: ['default', './test/support/closing-line.ts'],
    projects: [
      {
        test: {
          name: 'unit',
          sequence: { groupOrder: 0 },
          include: ['services/**/*.test.ts', 'test/architecture/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'system',
          sequence: { groupOrder: 1 },
          include: ['test/**/*.test.ts'],
          // The official tests are run over a folder that the caller names; there is nothing to run without one.
          exclude: [
            'test/architecture/**',
            // Minutes long, on images that are built on demand: `make test-images`.
            ...(process.env.CUMULET_TEST_IMAGES ? [] : ['test/images/**']),
            ...(process.env.CUMULET_RISCV_TESTS ? [] : ['test/isa/riscv-tests.test.ts']),
            ...(process.env.CUMULET_ARCH_TESTS ? [] : ['test/isa/arch-tests.test.ts']),
          ],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
    ],
  },
});
