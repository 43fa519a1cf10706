// qemu-img as the judge of what we write.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export async function qemuImg(...args: string[]): Promise<string> {
  try {
    return (await run('qemu-img', args)).stdout;
  } catch (error) {
    const { code, stderr, stdout } = error as { code?: unknown; stderr?: string; stdout?: string };
    if (code === 'ENOENT') throw new Error('qemu-img is missing: apt-get install qemu-utils');
    throw new Error(`qemu-img ${args.join(' ')}: ${stdout ?? ''}${stderr ?? ''}`, { cause: error });
  }
}

export interface CheckResult {
  readonly leaks: number;
  readonly corruptions: number;
}

/** `qemu-img check`; it exits with 2 for corruptions and 3 for leaks, which are results here. */
export async function qemuCheck(path: string): Promise<CheckResult> {
  const output = await run('qemu-img', ['check', '-f', 'qcow2', '--output=json', path]).catch(
    (error: { code?: unknown; stdout?: string; stderr?: string }) => {
      if (error.code === 2 || error.code === 3) return { stdout: error.stdout ?? '' };
      throw new Error(`qemu-img check ${path}: ${error.stderr}`);
    },
  );
  const result = JSON.parse(output.stdout) as { leaks?: number; corruptions?: number; 'check-errors': number };
  if (result['check-errors'] > 0) throw new Error(`qemu-img check ${path}: ${result['check-errors']} errors`);
  return { leaks: result.leaks ?? 0, corruptions: result.corruptions ?? 0 };
}
