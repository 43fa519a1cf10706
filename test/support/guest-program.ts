// A program of our own in a guest: built here, and put beside the tiny image's initial RAM disk. Static, so it needs nothing.

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { must, run } from './run.ts';

const COMPILER = 'riscv64-linux-gnu-gcc';

/** The initial RAM disk `initrd` with /bin/<name>, built from the C file `source`. Archives may follow each other. */
export async function initrdWith(initrd: string, source: string, name: string, folder: string): Promise<Buffer> {
  const root = join(folder, `${name}-root`);
  await mkdir(join(root, 'bin'), { recursive: true });
  await run(COMPILER, ['--version']).catch((cause: unknown) => {
    throw new Error(`${COMPILER} is missing: apt-get install gcc-riscv64-linux-gnu libc6-dev-riscv64-cross`, { cause });
  });
  await must(COMPILER, ['-O2', '-static', '-o', join(root, 'bin', name), source]);
  const archive = join(folder, `${name}.cpio`);
  await must('sh', ['-c', `cd '${root}' && find bin | cpio --quiet -o -H newc > '${archive}'`]);
  const whole = Buffer.concat([await readFile(initrd), await readFile(archive)]);
  await rm(root, { recursive: true });
  return whole;
}
