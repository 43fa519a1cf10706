// litmus.c on four harts: each line that it prints is a test of its own. QEMU runs the same program first: what is wrong
// there is wrong with the program.

import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EMULATOR } from '#test/support/emulator.ts';
import { findProgram, tempFolder } from '#test/support/programs.ts';
import { must, run } from '#test/support/run.ts';

const SOURCE = join(dirname(fileURLToPath(import.meta.url)), 'litmus.c');
const LAYOUT = `SECTIONS {
  . = 0x80000000;
  .text : { *(.text.start) *(.text*) }
  .rest : { *(.rodata*) *(.srodata*) *(.data*) *(.sdata*) *(.bss*) *(.sbss*) }
}`;
const FLAGS =
  '-O2 -march=rv64gc -mabi=lp64d -mcmodel=medany -ffreestanding -fno-pic -no-pie -static -nostdlib ' +
  '-Wl,--no-relax,--build-id=none,-n,--no-warn-rwx-segments';

const ALL_RIGHT = [
  'atomic operations: right',
  'LR and SC: right',
  'spin locks: right',
  'message passing: right',
  'store buffering: right',
  'independent reads: right',
  'code of another hart: right',
];

const folder = tempFolder('litmus');
const program = join(folder.path, 'litmus');

beforeAll(async () => {
  const compiler = findProgram('riscv64-linux-gnu-gcc', 'gcc-riscv64-linux-gnu');
  const layout = join(folder.path, 'layout.ld');
  writeFileSync(layout, LAYOUT);
  await must(compiler, [...FLAGS.split(' '), '-T', layout, '-o', program, SOURCE]);
});
afterAll(() => folder.remove());

const lines = (text: string): string[] => text.replaceAll('\r', '').trim().split('\n');

describe('four harts and one memory', () => {
  it('see what RVWMO allows, on QEMU (the program is right)', async () => {
    const qemu = findProgram('qemu-system-riscv64', 'qemu-system-misc');
    const machine = ['-M', 'virt', '-smp', '4', '-m', '64', '-nographic', '-no-reboot', '-bios', program];
    expect(lines((await run(qemu, machine)).stdout)).toEqual(ALL_RIGHT);
  });

  it.each(['off', 'on'])('see what RVWMO allows, on threads, --translate %s', async (mode) => {
    const machine = ['--bios', program, '--harts', '4', '--memory', '64', '--translate', mode];
    const { code, stdout } = await run(EMULATOR, machine);
    expect(lines(stdout)).toEqual(ALL_RIGHT);
    expect(code).toBe(0);
  });

  it('see what RVWMO allows, one after the other in slices of any length', async () => {
    for (const seed of ['1', '2']) {
      const machine = ['--bios', program, '--harts', '4', '--memory', '64', '--deterministic', '--seed', seed];
      const { code, stdout } = await run(EMULATOR, machine);
      expect(lines(stdout)).toEqual(ALL_RIGHT);
      expect(code).toBe(0);
    }
  });
});
