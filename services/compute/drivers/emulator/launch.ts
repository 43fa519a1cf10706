// Starts a guest process: detached, so that it outlives the agent; nothing inherited but a log file and a few variables.

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { getCompileCacheDir } from 'node:module';
import type { GuestConfig } from '#vmm';
import type { Exit } from './guest.ts';
import type { GuestLayout } from './layout.ts';
import { GUEST_FLAG } from './process.ts';

const PASSED_ON = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'CUMULET_LOG', 'LD_LIBRARY_PATH'];

export interface GuestProgram {
  /** Node's binary. */
  readonly node: string;
  /** Options of Node, before the script. */
  readonly options: readonly string[];
  /** The script that takes `--guest <config file>`. */
  readonly script: string;
}

function environment(): NodeJS.ProcessEnv {
  const cache = process.env.NODE_COMPILE_CACHE ?? getCompileCacheDir();
  const passed = PASSED_ON.map((name) => [name, process.env[name]] as const).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(passed), ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache }) };
}

export async function launchGuest(
  program: GuestProgram,
  config: GuestConfig,
  layout: GuestLayout,
): Promise<{ pid: number; exit: Promise<Exit> }> {
  await writeFile(`${layout.config}.new`, JSON.stringify(config, null, 1), { mode: 0o600 });
  await rename(`${layout.config}.new`, layout.config);
  const log = openSync(layout.log, 'w', 0o600);
  try {
    const child = spawn(program.node, [...program.options, program.script, GUEST_FLAG, layout.config], {
      cwd: '/',
      env: environment(),
      detached: true,
      stdio: ['ignore', log, log],
    });
    const exit = new Promise<Exit>((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }));
      child.on('error', () => resolve({ code: null, signal: null }));
    });
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return { pid: child.pid!, exit };
  } finally {
    closeSync(log);
  }
}
