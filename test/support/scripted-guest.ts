// A guest process without a machine: it speaks the control protocol of services/vmm/contract.ts, listens on its sockets,
// prints a login prompt and obeys a few words, given on its kernel command line or typed on its console. Tests of the node
// agent start it where the emulator would take seconds.
//
//   command line   refuse: ends at once with an error    deaf: ignores the power button    no-save: cannot save
//                  unfit: its kernel is none             brief, doomed: powers off, crashes, before anybody has spoken to it
//                  fleeting: powers off when it is spoken to first
//   console        id, poweroff, crash, die (each closed by a carriage return)

import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { EXIT, type GuestConfig, type GuestState } from '#vmm';

const file = process.argv[process.argv.indexOf('--guest') + 1]!;
const config = JSON.parse(readFileSync(file, 'utf8')) as GuestConfig;
const script = new Set((config.append ?? '').split(' '));

if (script.has('refuse')) {
  process.stderr.write('Error: the kernel is not a Linux Image\n');
  process.exit(1);
}

if (script.has('unfit')) {
  process.stderr.write('emulator: this kernel cannot be started\n');
  process.exit(EXIT.UNFIT);
}
if (script.has('brief')) process.exit(EXIT.POWERED_OFF);
if (script.has('doomed')) {
  process.stderr.write('emulator: it can execute nothing any more\n');
  process.exit(EXIT.CRASHED);
}

let bootId: string = randomUUID();
let state: GuestState = script.has('fleeting') ? 'stopped' : 'running';
const supervisors = new Set<Socket>();
const terminals = new Set<Socket>();

function print(text: string): void {
  appendFileSync(config.consoleLog, text);
  for (const terminal of terminals) terminal.write(text);
}

function change(next: GuestState, reason?: string): void {
  state = next;
  for (const supervisor of supervisors) supervisor.write(`${JSON.stringify({ event: 'state', state, reason })}\n`);
}

function end(code: number): void {
  rmSync(config.pidFile, { force: true });
  setImmediate(() => process.exit(code));
}

function stop(): void {
  change('stopped');
  end(0);
}

function boot(): void {
  bootId = randomUUID();
  print(`[    0.000000] Linux version 6.12.0 (scripted)\r\n${config.name} login: `);
}

const methods: Record<string, (params: Record<string, unknown>) => unknown> = {
  status: () => ({ state }),
  pause: () => change('paused'),
  resume: () => change('running'),
  reset: () => {
    boot();
    change('running');
  },
  powerButton: () => {
    if (!script.has('deaf')) setTimeout(stop, 5);
  },
  powerOff: () => stop(),
  save: ({ folder, exit }) => {
    if (script.has('no-save')) throw new Error('there is no room for the snapshot');
    change('paused');
    writeFileSync(join(folder as string, 'state.json'), JSON.stringify({ bootId }));
    if (exit === true) end(0);
    return { bytes: 100 };
  },
  resizeConsole: ({ columns, rows }) => print(`[${columns}x${rows}]\r\n`),
  stats: () => ({ state, uptimeMs: process.uptime() * 1000, memoryMiB: config.memoryMiB }),
};

function serveControl(socket: Socket): void {
  const hello = { hello: 'cumulet-guest', version: 1, id: config.id, pid: process.pid, state };
  supervisors.add(socket);
  socket.on('close', () => supervisors.delete(socket));
  socket.on('error', () => {});
  socket.write(`${JSON.stringify(hello)}\n`);
  if (state === 'stopped') end(EXIT.POWERED_OFF);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    const lines = text.split('\n');
    text = lines.pop()!;
    for (const line of lines) {
      const { id, method, params } = JSON.parse(line);
      try {
        socket.write(`${JSON.stringify({ id, result: methods[method]!(params) ?? {} })}\n`);
      } catch (error) {
        socket.write(`${JSON.stringify({ id, error: { code: 'internal', message: (error as Error).message } })}\n`);
      }
    }
  });
}

function serveConsole(socket: Socket): void {
  terminals.add(socket);
  socket.on('close', () => terminals.delete(socket));
  socket.on('error', () => {});
  let typed = '';
  socket.setEncoding('utf8').on('data', (chunk) => {
    typed += chunk;
    for (let at = typed.indexOf('\r'); at >= 0; at = typed.indexOf('\r')) {
      const word = typed.slice(0, at);
      typed = typed.slice(at + 1);
      if (word === 'id') print(`${bootId}\r\n`);
      if (word === 'poweroff') stop();
      if (word === 'crash') {
        change('crashed', 'Kernel panic - not syncing: attempted to kill init');
        end(3);
      }
      if (word === 'die') {
        process.stderr.write('Error: out of tape\n');
        process.exit(7);
      }
    }
  });
}

const listen = (path: string, serve: (socket: Socket) => void): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer(serve);
    server.once('error', reject).listen(path, () => resolve(server));
  });

await listen(config.consoleSocket, serveConsole);
for (const nic of config.nics) await listen(nic.socket, (socket) => socket.on('error', () => {}).resume());
if (config.restoreFrom === undefined) boot();
else bootId = JSON.parse(readFileSync(join(config.restoreFrom, 'state.json'), 'utf8')).bootId;
if (config.startPaused === true) state = 'paused';
writeFileSync(config.pidFile, String(process.pid));
await listen(config.controlSocket, serveControl);
