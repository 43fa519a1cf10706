// A supervised guest for tests: its configuration and folder, its process, and the other ends of its sockets.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ControlMethods, GuestConfig, GuestState } from '#vmm';
import { EMULATOR } from './emulator.ts';
import { waitUntil } from './wait.ts';

export function guestConfig(folder: string, part: Partial<GuestConfig>): GuestConfig {
  return {
    id: 'g1',
    name: 'g1',
    memoryMiB: 128,
    harts: 1,
    append: 'console=ttyS0',
    disks: [],
    nics: [],
    consoleLog: join(folder, 'console.log'),
    consoleSocket: join(folder, 'console.sock'),
    controlSocket: join(folder, 'control.sock'),
    pidFile: join(folder, 'pid'),
    ...part,
  };
}

export class GuestProcess {
  readonly config: GuestConfig;
  readonly exited: Promise<number | null>;
  readonly states: { state: GuestState; reason?: string }[] = [];
  hello: { version: number; id: string; pid: number; state: GuestState } | undefined;
  errors = '';
  readonly #child: ChildProcess;
  #control: Socket | undefined;
  #console: Socket | undefined;
  #screen = '';
  #next = 1;
  readonly #answers = new Map<
    number,
    (answer: { result?: unknown; error?: { code: string; message: string } }) => void
  >();

  constructor(folder: string, config: GuestConfig) {
    this.config = config;
    const path = join(folder, 'guest.json');
    writeFileSync(path, JSON.stringify(config));
    this.#child = spawn(EMULATOR, ['--guest', path], { stdio: ['ignore', 'inherit', 'pipe'] });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.exited = once(this.#child, 'close').then(([code]) => code as number | null);
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Connects to the control and console sockets as soon as they are there. */
  async connect(): Promise<void> {
    await waitUntil(() => existsSync(this.config.pidFile) || this.#child.exitCode !== null);
    if (this.#child.exitCode !== null) throw new Error(`the guest process ended at once: ${this.errors}`);
    this.#control = createConnection(this.config.controlSocket);
    const lines = createInterface({ input: this.#control });
    this.#control.on('error', () => undefined);
    lines.on('error', () => undefined);
    lines.on('line', (line) => this.#line(JSON.parse(line)));
    await waitUntil(() => this.hello);
    this.#console = createConnection(this.config.consoleSocket);
    this.#console.setEncoding('latin1').on('data', (text: string | Buffer) => {
      this.#screen += text;
    });
    this.#console.on('error', () => undefined);
    await once(this.#console, 'connect');
  }

  async call<M extends keyof ControlMethods>(
    method: M,
    params: ControlMethods[M]['params'],
  ): Promise<ControlMethods[M]['result']> {
    const { result, error } = await this.raw({ method, params });
    if (error !== undefined) throw Object.assign(new Error(error.message), { code: error.code });
    return result as ControlMethods[M]['result'];
  }

  raw(message: object): Promise<{ result?: unknown; error?: { code: string; message: string } }> {
    const id = this.#next++;
    this.#control!.write(`${JSON.stringify({ id, ...message })}\n`);
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  type(text: string): void {
    this.#console!.write(text, 'latin1');
  }

  get screen(): string {
    return this.#screen;
  }

  clear(): void {
    this.#screen = '';
  }

  async sees(pattern: RegExp, milliseconds = 60_000): Promise<RegExpExecArray> {
    try {
      return (await waitUntil(() => pattern.exec(this.#screen), milliseconds))!;
    } catch {
      throw new Error(`the guest never printed ${pattern}\n${this.errors}${this.#screen.slice(-2000)}`);
    }
  }

  get log(): string {
    return readFileSync(this.config.consoleLog, 'latin1');
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    this.#control?.destroy();
    this.#console?.destroy();
    await this.exited;
  }

  #line(message: Record<string, unknown>): void {
    if (message.hello !== undefined) this.hello = message as unknown as typeof this.hello;
    else if (message.event === 'state') this.states.push(message as unknown as { state: GuestState });
    else this.#answers.get(message.id as number)?.(message);
  }
}
