// A supervisor's end of a guest's control socket (services/vmm/contract.ts): one JSON object a line, answers matched by
// id, events passed on. A guest that sends nonsense or endless lines is cut off: it may be hostile.

import { connect, type Socket } from 'node:net';
import { CumuletError } from '#base';
import { CONTROL_VERSION, type ControlMethods, type GuestState } from '#vmm';

const MAX_LINE = 1 << 20;

interface Hello {
  readonly version: number;
  readonly id: string;
  readonly pid: number;
  readonly state: GuestState;
  readonly reason?: string;
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

export class Control {
  readonly hello: Hello;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #state: ((state: GuestState, reason: string) => void) | undefined;
  /** States that came before anybody listened: right behind the greeting, say. */
  #early: [GuestState, string][] = [];
  #closed: () => void = () => {};
  #isClosed = false;

  private constructor(socket: Socket, hello: Hello) {
    this.#socket = socket;
    this.hello = hello;
  }

  /** Connects and reads the greeting. Throws 'unavailable' when nobody listens, 'unsupported' for a newer protocol. */
  static connect(path: string, milliseconds: number): Promise<Control> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      let control: Control | undefined;
      let text = '';
      const fail = (message: string, code: 'unavailable' | 'unsupported' = 'unavailable'): void => {
        socket.destroy();
        reject(new CumuletError(code, message));
      };
      const timer = setTimeout(() => fail('The guest does not greet on its control socket.'), milliseconds);
      socket.setEncoding('utf8');
      socket.on('error', () => {});
      socket.on('close', () => {
        clearTimeout(timer);
        if (control === undefined) fail('The guest does not listen on its control socket.');
        else control.#ended();
      });
      socket.on('data', (chunk) => {
        text += chunk;
        for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
          const line = parse(text.slice(0, end));
          text = text.slice(end + 1);
          if (control !== undefined) {
            control.#take(line);
            continue;
          }
          clearTimeout(timer);
          if (line?.hello !== 'cumulet-guest') return fail('What listens on the control socket is not a guest.');
          const hello = line as unknown as Hello;
          if (!(hello.version <= CONTROL_VERSION)) {
            return fail(`The guest speaks version ${hello.version} of the control protocol.`, 'unsupported');
          }
          control = new Control(socket, hello);
          resolve(control);
        }
        if (text.length > MAX_LINE) socket.destroy();
      });
    });
  }

  onState(listener: (state: GuestState, reason: string) => void): void {
    this.#state = listener;
    for (const [state, reason] of this.#early) listener(state, reason);
    this.#early = [];
  }

  /** Called once; soon, when the connection has ended already. */
  onClose(listener: () => void): void {
    if (this.#isClosed) queueMicrotask(listener);
    else this.#closed = listener;
  }

  /** Throws what the guest answers, 'unavailable' when the connection ends first, 'timeout' when no answer comes. */
  request<M extends keyof ControlMethods>(
    method: M,
    params: ControlMethods[M]['params'],
    milliseconds: number,
  ): Promise<ControlMethods[M]['result']> {
    if (this.#isClosed) return Promise.reject(new CumuletError('unavailable', 'The guest process is gone.'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new CumuletError('timeout', `The guest did not answer '${method}' within ${milliseconds} ms.`));
      }, milliseconds);
      const settle =
        <T>(how: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          how(value);
        };
      this.#pending.set(id, { resolve: settle(resolve as (value: unknown) => void), reject: settle(reject) });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    });
  }

  close(): void {
    this.#closed = () => {};
    this.#socket.destroy();
  }

  #take(line: Record<string, unknown> | undefined): void {
    if (line === undefined) {
      this.#socket.destroy();
      return;
    }
    if (line.event === 'state' && typeof line.state === 'string') {
      const change: [GuestState, string] = [
        line.state as GuestState,
        typeof line.reason === 'string' ? line.reason : '',
      ];
      if (this.#state === undefined) this.#early.push(change);
      else this.#state(...change);
      return;
    }
    const pending = this.#pending.get(line.id as number);
    if (pending === undefined) return;
    this.#pending.delete(line.id as number);
    const error = line.error as { code?: string; message?: string } | undefined;
    if (error === undefined) pending.resolve(line.result);
    else pending.reject(guestError(error));
  }

  #ended(): void {
    this.#isClosed = true;
    for (const pending of this.#pending.values()) {
      pending.reject(new CumuletError('unavailable', 'The guest process ended before it answered.'));
    }
    this.#pending.clear();
    this.#closed();
  }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function guestError(error: { code?: string; message?: string }): CumuletError {
  const code =
    error.code === 'conflict' || error.code === 'unsupported' || error.code === 'invalid' ? error.code : 'internal';
  return new CumuletError(code, String(error.message ?? 'The guest refused.').slice(0, 2000));
}
