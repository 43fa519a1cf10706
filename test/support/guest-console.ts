// A guest's serial console as a person uses it: waits for a text, types an answer. Over the API's own websocket.

import { call } from './http.ts';
import { waitUntil } from './wait.ts';

const COMMAND_TIMEOUT_MS = 30_000;
/** Control sequences of terminals (ECMA-48, 5.4). */
const ESCAPE = /\u001b\[[0-9;?]*[A-Za-z]/g;
const UNFINISHED_ESCAPE = /\u001b(\[[0-9;?]*)?$/;

export class GuestConsole {
  readonly #socket: WebSocket;
  #seen = '';
  #unfinished = '';
  #closed: string | undefined;
  #listeners = new Set<() => void>();
  #marks = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('message', (event: { data: unknown }) => {
      const { data } = event;
      this.#take(typeof data === 'string' ? data : Buffer.from(data as ArrayBuffer).toString('latin1'));
      for (const listener of this.#listeners) listener();
    });
    socket.addEventListener('close', (event: { code: number; reason: string }) => {
      this.#closed = `${event.code} ${event.reason}`;
      for (const listener of this.#listeners) listener();
    });
  }

  /** Asks the API for the console of a server and opens it. */
  static async open(url: string, token: string, serverId: string): Promise<GuestConsole> {
    const answer = await call(url, 'POST', `/compute/v2.1/servers/${serverId}/remote-consoles`, {
      token,
      headers: { 'OpenStack-API-Version': 'compute 2.8' },
      body: { remote_console: { protocol: 'serial', type: 'serial' } },
    });
    if (answer.status !== 200) throw new Error(`no console: ${answer.status} ${JSON.stringify(answer.body)}`);
    const socket = new WebSocket(answer.body.remote_console.url);
    const console = new GuestConsole(socket);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('open', () => resolve());
      socket.addEventListener('error', () => reject(new Error('the console could not be opened')));
    });
    return console;
  }

  /** Keeps what is text: a shell asks the terminal where its cursor is, and we are none. */
  #take(text: string): void {
    const all = this.#unfinished + text;
    const start = all.search(UNFINISHED_ESCAPE);
    this.#unfinished = start < 0 ? '' : all.slice(start);
    this.#seen += (start < 0 ? all : all.slice(0, start)).replaceAll(ESCAPE, '');
  }

  /**
   * The console of a guest in which somebody has logged in, at its shell prompt. Tries again while the node agent or its
   * address is not there yet, as a person would.
   */
  static async atPrompt(url: string, token: string, serverId: string): Promise<GuestConsole> {
    return waitUntil(async () => {
      const console = await GuestConsole.open(url, token, serverId).catch(() => undefined);
      if (console === undefined) return undefined;
      console.type('\n');
      try {
        await console.expect(/[$#] $/, 5_000);
        return console;
      } catch {
        console.close();
        return undefined;
      }
    }, 60_000) as Promise<GuestConsole>;
  }

  /** All that was printed since the last match of `expect`. */
  get seen(): string {
    return this.#seen;
  }

  type(text: string): void {
    this.#socket.send(Buffer.from(text));
  }

  /** Resolves with what was printed up to the end of the match, and forgets it. */
  async expect(pattern: RegExp, timeout = COMMAND_TIMEOUT_MS): Promise<string> {
    const deadline = AbortSignal.timeout(timeout);
    for (;;) {
      const match = pattern.exec(this.#seen);
      if (match !== null) {
        const end = match.index + match[0].length;
        const text = this.#seen.slice(0, end);
        this.#seen = this.#seen.slice(end);
        return text;
      }
      if (this.#closed !== undefined) throw new Error(`the console has ended (${this.#closed}); seen: ${this.#seen}`);
      await new Promise<void>((resolve, reject) => {
        const done = (): void => {
          this.#listeners.delete(done);
          deadline.removeEventListener('abort', late);
          resolve();
        };
        const late = (): void => {
          this.#listeners.delete(done);
          reject(new Error(`${pattern} was not printed within ${timeout} ms; seen: ${this.#seen}`));
        };
        this.#listeners.add(done);
        deadline.addEventListener('abort', late);
        if (deadline.aborted) late();
      });
    }
  }

  /** Logs in on the tiny image. */
  async login(): Promise<void> {
    this.type('\n');
    await this.expect(/login: $/);
    this.type('cirros\n');
    await this.expect(/[Pp]assword: $/);
    this.type('gocubsgo\n');
    await this.expect(/[$#] $/);
  }

  /** Runs a command at the shell prompt: what it printed, and its exit status. */
  async run(command: string, timeout = COMMAND_TIMEOUT_MS): Promise<{ output: string; status: number }> {
    // In two halves each, so that the echo of the command is not taken for what it prints.
    const mark = `mark-${this.#marks}`;
    const print = (end: string): string => `echo "${mark.slice(0, 2)}""${mark.slice(2)}${end}"`;
    this.type(`${print(':begin')}; ${command}; ${print(':$?:')}\n`);
    await this.expect(new RegExp(`${mark}:begin\\r?\\n`), timeout);
    const text = await this.expect(new RegExp(`${mark}:(\\d+):`), timeout);
    await this.expect(/[$#] $/);
    const status = Number(/:(\d+):$/.exec(text)?.[1]);
    const output = text.slice(0, text.lastIndexOf(mark)).replaceAll('\r', '').trimEnd();
    return { output, status };
  }

  close(): void {
    this.#socket.close();
  }
}
