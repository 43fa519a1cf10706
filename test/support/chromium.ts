// A browser without a window, for tests of pages: opens an address, runs JavaScript there, presses keys. Speaks the
// DevTools protocol over a websocket.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from './programs.ts';

type Answer = { readonly result?: Record<string, unknown>; readonly error?: { readonly message: string } };

export class Chromium {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #session: string | undefined;
  #next = 1;
  /** Errors of pages: what they could not load, what nobody caught. */
  readonly complaints: string[] = [];

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.addEventListener('message', ({ data }: { data: unknown }) => {
      const message = JSON.parse(String(data)) as Answer & {
        id?: number;
        method?: string;
        params?: { entry?: { level?: string } };
      };
      if (message.id !== undefined) this.#waiting.get(message.id)?.(message);
      else if (message.method === 'Runtime.exceptionThrown' || message.params?.entry?.level === 'error')
        this.complaints.push(JSON.stringify(message.params));
    });
  }

  static async start(): Promise<Chromium> {
    const program = findProgram('chromium-headless-shell', 'chromium-headless-shell');
    const profile = await mkdtemp(join(tmpdir(), 'cumulet-chromium-'));
    const options = ['--no-sandbox', '--disable-gpu', '--window-size=1100,900', '--remote-debugging-port=0'];
    const child = spawn(program, [...options, `--user-data-dir=${profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    const address = await new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the browser does not start:\n${said}`)), 60_000);
      child.once('error', reject);
      child.once('close', () => reject(new Error(`the browser has ended:\n${said}`)));
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        const found = /DevTools listening on (ws:\S+)/.exec(said);
        if (found === null) return;
        clearTimeout(timer);
        resolve(found[1]!);
      });
    });
    const socket = new WebSocket(address);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      socket.addEventListener('error', () => reject(new Error('the browser does not answer')));
    });
    return new Chromium(child, profile, socket);
  }

  /** Leaves the page that was open. */
  async open(url: string): Promise<void> {
    if (this.#session === undefined) {
      const { targetId } = await this.#ask('Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await this.#ask('Target.attachToTarget', { targetId, flatten: true });
      this.#session = sessionId as string;
      await this.#ask('Runtime.enable');
      await this.#ask('Log.enable');
    }
    await this.#ask('Page.navigate', { url });
  }

  /** The value of an expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#ask('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }

  /** Presses a key and lets go, as a person at the keyboard: `key` and `code` as in KeyboardEvent. */
  async press(key: string, code: string, keyCode: number): Promise<void> {
    const text = key.length === 1 ? key : key === 'Enter' ? '\r' : undefined;
    const event = { key, code, windowsVirtualKeyCode: keyCode };
    await this.#ask('Input.dispatchKeyEvent', { type: 'keyDown', ...event, text });
    await this.#ask('Input.dispatchKeyEvent', { type: 'keyUp', ...event });
  }

  async end(): Promise<void> {
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    // It ends the processes that it has started itself; the signal is for one that does not.
    this.#session = undefined;
    this.#ask('Browser.close').catch(() => undefined);
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(late);
    this.#socket.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #ask(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = this.#next++;
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    const { result, error } = await answered;
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result ?? {};
  }
}
