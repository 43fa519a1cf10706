// `cloudctl console attach` on a real terminal (a pseudo-terminal of script(1)): raw both ways, sizes told, a way out, and
// the terminal left as it was.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type HttpCloud, startHttpCloud } from '../support/http-cloud.ts';
import { findProgram, tempFolder } from '../support/programs.ts';
import { must } from '../support/run.ts';
import { waitUntil } from '../support/wait.ts';
import { acceptWebSocket, type WebSocketPeer } from '../support/websocket.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/cloudctl', import.meta.url));
const SERVER = { id: 's1', name: 'web1', status: 'ACTIVE' };
const folder = tempFolder('attach');
const ttyName = join(folder.path, 'tty');

let cloud: HttpCloud;
let guest: WebSocketPeer | undefined;
let terminal: ChildProcess;
let screen = '';
let exited: Promise<unknown>;

beforeAll(async () => {
  cloud = await startHttpCloud((what) => {
    switch (what) {
      case 'GET /compute/v2.1/servers/s1':
        return { body: { server: SERVER } };
      case 'POST /compute/v2.1/servers/s1/remote-consoles': {
        const url = `${cloud.origin.replace('http', 'ws')}/console/serial?token=t`;
        return { body: { remote_console: { protocol: 'serial', type: 'serial', url } } };
      }
      default:
        return undefined;
    }
  });
  cloud.server.on('upgrade', (request, socket) => {
    guest = acceptWebSocket(request, socket as Socket);
  });
  cloud.writeConfig(folder.path);
});
afterAll(async () => {
  await cloud.close();
  folder.remove();
});

beforeEach(async () => {
  guest = undefined;
  screen = '';
  const command = `tty > ${ttyName}; stty cols 101 rows 31; ${LAUNCHER} console attach s1; echo "status=$?"; stty -a`;
  terminal = spawn(findProgram('script', 'bsdutils'), ['-qec', command, '/dev/null'], {
    env: { PATH: process.env.PATH, HOME: folder.path, TERM: 'xterm', SHELL: '/bin/sh' },
    cwd: folder.path,
  });
  exited = new Promise((resolve) => terminal.once('exit', resolve));
  terminal.stdout?.on('data', (chunk: Buffer) => {
    screen += chunk.toString('latin1');
  });
  await waitUntil(() => guest?.texts().length);
});
afterEach(async () => {
  terminal.kill('SIGKILL');
  await exited;
});

const type = (text: string): void => {
  terminal.stdin?.write(text);
};

it('passes bytes as they are, tells the size and each new one, and leaves at ~. with the terminal restored', async () => {
  expect(guest?.texts()).toEqual(['{"resize":{"columns":101,"rows":31}}']);
  guest?.sendBinary('login: \xff\r\n');
  await waitUntil(() => screen.includes('login: \xff\r\n'));
  // Neither the line discipline nor a signal comes between: Enter stays CR, Ctrl-C and Ctrl-D are bytes.
  type('ls\r\x03\x04~x\r');
  await waitUntil(() => guest?.bytes().endsWith('x\r'));
  expect(guest?.bytes()).toBe('ls\r\x03\x04~x\r');

  expect(existsSync(ttyName)).toBe(true);
  await must('stty', ['-F', readFileSync(ttyName, 'utf8').trim(), 'cols', '120', 'rows', '40']);
  await waitUntil(() => guest?.texts().at(-1) === '{"resize":{"columns":120,"rows":40}}');

  type('~.');
  await exited;
  expect(screen).toContain('Disconnected.');
  expect(screen).toContain('status=0');
  expect(screen).toMatch(/[ ;]icanon/);
  expect(screen).toMatch(/[ ;]echo /);
});

it('leaves at Ctrl-] in the middle of a line', async () => {
  type('abc\x1d');
  await exited;
  expect(screen).toContain('status=0');
  expect(guest?.bytes()).toBe('abc');
});
