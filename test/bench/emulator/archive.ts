// The guest's file system: the initrd of the tiny image (for its busybox), followed by an archive with our own first
// process and, when it is given, CoreMark. Linux unpacks archives that follow each other into one tree; later files win.

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findProgram } from '../../support/programs.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../../..');

export const KERNEL = join(ROOT, 'deploy/images/tiny/kernel');
const INITRD = join(ROOT, 'deploy/images/tiny/initrd');

const FILE = 0o100755;
const FOLDER = 0o040755;

/** One entry of a `newc` cpio archive (kernel documentation, driver-api/early-userspace/buffer-format). */
function entry(name: string, mode: number, body: Uint8Array, inode: number): Buffer {
  const fields = [inode, mode, 0, 0, 1, 0, body.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
  const align = (length: number): Buffer => Buffer.alloc(-length & 3);
  return Buffer.concat([Buffer.from(header, 'latin1'), align(header.length), body, align(body.length)]);
}

/** Builds the guest program and writes the archive to `folder`; answers its path. */
export async function buildInitrd(folder: string, coremark: string | undefined): Promise<string> {
  const compiler = findProgram('riscv64-linux-gnu-gcc', 'gcc-riscv64-linux-gnu libc6-dev-riscv64-cross');
  const program = join(folder, 'guest');
  await promisify(execFile)(compiler, ['-O2', '-static', '-s', '-o', program, join(HERE, 'guest.c'), '-lm']);
  const none = new Uint8Array();
  const entries = [entry('bin', FOLDER, none, 1), entry('init', FILE, await readFile(program), 2)];
  if (coremark !== undefined) entries.push(entry('bin/coremark', FILE, await readFile(coremark), 3));
  entries.push(entry('TRAILER!!!', 0, none, 0));
  const first = await readFile(INITRD);
  const path = join(folder, 'initrd');
  await writeFile(path, Buffer.concat([first, Buffer.alloc(-first.length & 511), ...entries]));
  return path;
}
