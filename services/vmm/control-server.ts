// The control socket: JSON-lines requests in, answers and events out (contract.ts). Knows the protocol, not the guest.

import type { Server, Socket } from 'node:net';
import { CumuletError, messageOf } from '#base';
import { CONTROL_VERSION, type ControlMethods, type GuestState } from './contract.ts';
import { closeServer, listen } from './sockets.ts';

/** Longer requests than any method has. */
const MAX_LINE = 64 * 1024;
const MAX_BEHIND = 1024 * 1024;

export type ControlHandlers = {
  [M in keyof ControlMethods]: (params: ControlMethods[M]['params']) => Promise<ControlMethods[M]['result']>;
};

export interface ControlSubject {
  readonly id: string;
  state(): { state: GuestState; reason?: string };
  readonly methods: ControlHandlers;
}

export class ControlServer {
  readonly #subject: ControlSubject;
  readonly #clients = new Set<Socket>();
  #server: Server | undefined;

  constructor(subject: ControlSubject) {
    this.#subject = subject;
  }

  async listen(path: string): Promise<void> {
    this.#server = await listen(path, (socket) => this.#serve(socket));
  }

  /** Everyone has been told what was sent before. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients].map((socket) => new Promise<void>((resolve) => socket.end(resolve))));
    if (this.#server !== undefined) await closeServer(this.#server, this.#clients);
  }

  event(state: GuestState, reason: string | undefined): void {
    for (const socket of this.#clients) send(socket, { event: 'state', state, reason });
  }

  #serve(socket: Socket): void {
    this.#clients.add(socket);
    socket.setEncoding('utf8');
    send(socket, {
      hello: 'cumulet-guest',
      version: CONTROL_VERSION,
      id: this.#subject.id,
      pid: process.pid,
      ...this.#subject.state(),
    });
    let rest = '';
    socket.on('data', (text: string | Buffer) => {
      rest += text;
      for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        if (line.trim() !== '') void this.#answer(socket, line);
      }
      if (rest.length > MAX_LINE) socket.destroy();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#clients.delete(socket));
  }

  async #answer(socket: Socket, line: string): Promise<void> {
    let id: unknown = null;
    try {
      const message = object(line);
      id = message.id ?? null;
      const request = parse(message);
      const handler = this.#subject.methods[request.method] as (params: unknown) => Promise<unknown>;
      send(socket, { id, result: await handler(request.params) });
    } catch (error) {
      const code = error instanceof CumuletError ? error.code : 'internal';
      send(socket, { id, error: { code, message: messageOf(error) } });
    }
  }
}

interface ControlRequest {
  readonly method: keyof ControlMethods;
  readonly params: unknown;
}

/** What each method needs of its parameters; the rest take none. */
const PARAMETERS: Record<keyof ControlMethods, (params: Record<string, unknown>) => boolean> = {
  status: () => true,
  pause: () => true,
  resume: () => true,
  reset: () => true,
  powerButton: () => true,
  powerOff: () => true,
  stats: () => true,
  save: ({ folder, exit, incremental }) => isPath(folder) && isSwitch(exit) && isSwitch(incremental),
  dirtyLog: ({ action }) => action === 'start' || action === 'fetch' || action === 'stop',
  memory: ({ socket }) => socket === undefined || isPath(socket),
  saveState: ({ file }) => isPath(file),
  restoreState: ({ file }) => isPath(file),
  inspect: () => true,
  translate: ({ address, hart, privilege }) =>
    typeof address === 'string' &&
    /^0x[0-9a-f]{1,16}$/i.test(address) &&
    (hart === undefined || (Number.isInteger(hart) && (hart as number) >= 0)) &&
    (privilege === undefined || privilege === 'U' || privilege === 'S' || privilege === 'M'),
  balloon: ({ memoryMiB }) => Number.isInteger(memoryMiB) && (memoryMiB as number) > 0,
  resizeConsole: ({ columns, rows }) => isSize(columns) && isSize(rows),
};

const isPath = (value: unknown): boolean => typeof value === 'string' && value.startsWith('/');

const isSwitch = (value: unknown): boolean => value === undefined || typeof value === 'boolean';

const isSize = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;

function object(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new CumuletError('invalid', 'a request is one JSON object a line');
}

function parse(message: Record<string, unknown>): ControlRequest {
  const { method, params = {} } = message;
  if (typeof method !== 'string' || !Object.hasOwn(PARAMETERS, method)) {
    throw new CumuletError('invalid', `there is no method ${String(method)}`);
  }
  const name = method as keyof ControlMethods;
  if (typeof params !== 'object' || params === null || !PARAMETERS[name](params as Record<string, unknown>)) {
    throw new CumuletError('invalid', `the parameters of ${name} are not as they should be`);
  }
  return { method: name, params };
}

function send(socket: Socket, message: unknown): void {
  if (socket.destroyed || !socket.writable) return;
  if (socket.writableLength > MAX_BEHIND) socket.destroy();
  else socket.write(`${JSON.stringify(message)}\n`);
}
