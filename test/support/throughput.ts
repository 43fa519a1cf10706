// The program test/bench/guest/throughput.c in a guest: built here, and put beside the tiny image's initial RAM disk.

import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, run } from './run.ts';

const SOURCE = fileURLToPath(new URL('../bench/guest/throughput.c', import.meta.url));

/** The initial RAM disk `initrd` with /bin/throughput in it. Archives may follow each other. */
export async function initrdWith(initrd: Buffer, folder: string): Promise<Buffer> {
  const root = join(folder, 'throughput-root');
  await mkdir(join(root, 'bin'), { recursive: true });
  const compiler = 'riscv64-linux-gnu-gcc';
  await run(compiler, ['--version']).catch((error: unknown) => {
    throw new Error(`${compiler} is missing: apt-get install gcc-riscv64-linux-gnu libc6-dev-riscv64-cross`, {
      cause: error,
    });
  });
  await must(compiler, ['-O2', '-static', '-o', join(root, 'bin/throughput'), SOURCE]);
  const archive = join(folder, 'throughput.cpio');
  await must('sh', ['-c', `cd '${root}' && find bin | cpio --quiet -o -H newc > '${archive}'`]);
  const added = await readFile(archive);
  await rm(root, { recursive: true });
  return Buffer.concat([initrd, added]);
}
