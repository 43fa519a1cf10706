// `cloudctl console attach` on a real terminal (a pseudo-terminal of script(1)): raw both ways, sizes told, a way out, and
// the terminal left as it was.

import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { type HttpCloud, startHttpCloud } from '../support/http-cloud.ts';
import { tempFolder } from '../support/programs.ts';
import { Terminal } from '../support/terminal.ts';
import { waitUntil } from '../support/wait.ts';
import { acceptWebSocket, type WebSocketPeer } from '../support/websocket.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/cloudctl', import.meta.url));
const SERVER = { id: 's1', name: 'web1', status: 'ACTIVE' };
const folder = tempFolder('attach');

let cloud: HttpCloud;
let guest: WebSocketPeer | undefined;
let terminal: Terminal;

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
  terminal = new Terminal(`${LAUNCHER} console attach s1; echo "status=$?"; stty -a`, {
    env: { PATH: process.env.PATH, HOME: folder.path },
    folder: folder.path,
    columns: 101,
    rows: 31,
  });
  await terminal.until(() => guest?.texts().length);
});
afterEach(() => terminal.end());

it('passes bytes as they are, tells the size and each new one, and leaves at ~. with the terminal restored', async () => {
  expect(guest?.texts()).toEqual(['{"resize":{"columns":101,"rows":31}}']);
  guest?.sendBinary('login: \xff\r\n');
  await waitUntil(() => terminal.screen.includes('login: \xff\r\n'));
  // Neither the line discipline nor a signal comes between: Enter stays CR, Ctrl-C and Ctrl-D are bytes.
  terminal.type('ls\r\x03\x04~x\r');
  await waitUntil(() => guest?.bytes().endsWith('x\r'));
  expect(guest?.bytes()).toBe('ls\r\x03\x04~x\r');

  await terminal.resize(120, 40);
  await waitUntil(() => guest?.texts().at(-1) === '{"resize":{"columns":120,"rows":40}}');

  terminal.type('~.');
  await terminal.exited;
  expect(terminal.screen).toContain('Disconnected.');
  expect(terminal.screen).toContain('status=0');
  expect(terminal.screen).toMatch(/[ ;]icanon/);
  expect(terminal.screen).toMatch(/[ ;]echo /);
});

it('leaves at Ctrl-] in the middle of a line', async () => {
  terminal.type('abc\x1d');
  await terminal.exited;
  expect(terminal.screen).toContain('status=0');
  expect(guest?.bytes()).toBe('abc');
});
