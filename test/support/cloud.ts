// A whole cloud as a user starts it: `bin/cumulet` as a process of its own, in a folder of its own, on a port of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Answer, type CallOptions, call, passwordAuth } from './http.ts';
import { must, type RunOptions, run } from './run.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Folders of one cloud under test; removed, with all guests ended, by `dispose`. */
export interface CloudFolders {
  readonly home: string;
  readonly state: string;
  /** Environment of programs that use the cloud: HOME, clouds.yaml, run directory. */
  readonly env: NodeJS.ProcessEnv;
  dispose(): Promise<void>;
}

export async function cloudFolders(name: string): Promise<CloudFolders> {
  const home = await mkdtemp(join(tmpdir(), `cumulet-${name}-`));
  const state = join(home, 'state');
  const env: NodeJS.ProcessEnv = { ...process.env, HOME: home, XDG_CONFIG_HOME: join(home, 'config') };
  for (const key of Object.keys(env)) if (key.startsWith('OS_') || key.startsWith('CUMULET_')) delete env[key];
  env.XDG_CACHE_HOME = join(home, 'cache');
  env.CUMULET_STATE = state;
  return {
    home,
    state,
    env,
    dispose: async () => {
      await must(join(ROOT, 'bin/cumulet'), ['clean-state'], { env });
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** One program of a cloud: `bin/cumulet all`, a controller, or a node. */
export class CloudProcess {
  readonly #child: ChildProcess;
  readonly #folders: CloudFolders;
  readonly #output: () => string;

  private constructor(child: ChildProcess, folders: CloudFolders, output: () => string) {
    this.#child = child;
    this.#folders = folders;
    this.#output = output;
  }

  /** Resolves when the program says that it is up. */
  static async start(folders: CloudFolders, args: readonly string[] = ['all', '--port', '0']): Promise<CloudProcess> {
    const child = spawn(join(ROOT, 'bin/cumulet'), args, { env: folders.env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${args[0]} is not ready after 30 s:\n${output}`)), 30_000);
      const look = (chunk: Buffer): void => {
        output += chunk.toString();
        if (!/is up\b[\s\S]*\n/.test(output)) return;
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      child.on('close', (code) => reject(new Error(`${args[0]} ended with ${code}:\n${output}`)));
    });
    return new CloudProcess(child, folders, () => output);
  }

  /** The address of the API. */
  get url(): string {
    return /^\s*API\s+(http:\/\/\S+)/m.exec(this.#output())?.[1] ?? '';
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** All that it printed. */
  get output(): string {
    return this.#output();
  }

  /** Ends the program by a signal and resolves when its process is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    this.#child.kill(signal);
    await closed;
  }

  /** The stock client, as the clouds.yaml entry `cloud` says. */
  openstack(args: readonly string[], cloud = 'cumulet', options: RunOptions = {}): Promise<string> {
    return must('openstack', ['--os-cloud', cloud, ...args], { timeout: 120_000, ...options, env: this.#folders.env });
  }

  /** The stock client with its exit status, for calls that fail. */
  tryOpenstack(args: readonly string[], cloud = 'cumulet') {
    return run('openstack', ['--os-cloud', cloud, ...args], { env: this.#folders.env, timeout: 120_000 });
  }

  cloudctl(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must(join(ROOT, 'bin/cloudctl'), args, { timeout: 120_000, ...options, env: this.#folders.env });
  }

  /** `cloudctl` with its exit status, for calls that fail. */
  tryCloudctl(args: readonly string[]) {
    return run(join(ROOT, 'bin/cloudctl'), args, { env: this.#folders.env, timeout: 120_000 });
  }

  readonly #tokens = new Map<string, string>();

  /** A token of the account in the project of the same name. */
  async token(user: 'admin' | 'demo' = 'admin'): Promise<string> {
    const known = this.#tokens.get(user);
    if (known !== undefined) return known;
    const passwords = JSON.parse(await readFile(join(this.#folders.state, 'passwords.json'), 'utf8'));
    const scope = { project: { name: user, domain: { id: 'default' } } };
    const body = passwordAuth(user, passwords[user], scope);
    const answer = await call(this.url, 'POST', '/identity/v3/auth/tokens', { body });
    if (answer.status !== 201) throw new Error(`no token: ${answer.status} ${JSON.stringify(answer.body)}`);
    const token = answer.headers.get('x-subject-token') ?? '';
    this.#tokens.set(user, token);
    return token;
  }

  /** One call of the API as admin, unless another token is given. */
  async api(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    return call(this.url, method, path, { token: await this.token(), ...options });
  }
}

/** Pids of the processes whose command line holds `text`. */
export async function processesWith(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(text)) found.push(Number(entry));
  }
  return found;
}
