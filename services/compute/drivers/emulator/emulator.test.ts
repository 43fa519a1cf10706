// The parts of the emulator driver that need no guest: paths, hostile control sockets, logs, last words.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newUuid } from '#base';
import { waitUntil } from '#test/support/wait.ts';
import { readTail, shorten } from './console.ts';
import { Control } from './control.ts';
import { lastWords } from './guest.ts';
import { layoutOf, runFolderFor } from './layout.ts';
import { GuestProcess, guestConfigOf } from './process.ts';

let folder: string;
let server: Server | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cumulet-guest-'));
});
afterEach(async () => {
  server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

describe('sockets', () => {
  it('have short paths, whatever the state folder is called', () => {
    const state = `/home/somebody/${'deep/'.repeat(60)}state`;
    const run = runFolderFor(state, { XDG_RUNTIME_DIR: `/run/${'x'.repeat(100)}` });
    const layout = layoutOf({ id: newUuid(), folder: `${state}/instances/x` }, run);
    for (const path of [layout.control, layout.console, layout.nic(15)]) expect(path.length).toBeLessThan(108);
    expect(runFolderFor(state)).not.toBe(runFolderFor(`${state}2`));
  });
});

describe('a control connection', () => {
  const path = (): string => join(folder, 'control');
  const hello = { hello: 'cumulet-guest', version: 1, id: 'a', pid: 1, state: 'running' };
  const serve = (greeting: string, answer: (line: string, socket: Socket) => void = () => {}): Promise<void> =>
    new Promise((resolve) => {
      server = createServer((socket) => {
        socket.on('error', () => {});
        socket.write(greeting);
        socket.setEncoding('utf8').on('data', (text) => answer(String(text), socket));
      }).listen(path(), resolve);
    });

  it('refuses what is no guest, a newer protocol, and silence', async () => {
    await expect(Control.connect(path(), 500)).rejects.toMatchObject({ code: 'unavailable' });
    await serve('SSH-2.0-dropbear\n');
    await expect(Control.connect(path(), 500)).rejects.toThrow(/not a guest/);
    server!.close();
    await serve(`${JSON.stringify({ ...hello, version: 99 })}\n`);
    await expect(Control.connect(path(), 500)).rejects.toMatchObject({ code: 'unsupported' });
    server!.close();
    await serve('');
    await expect(Control.connect(path(), 50)).rejects.toThrow(/does not greet/);
  });

  it('matches answers that come in another order, in pieces, and between events', async () => {
    const waiting: { id: number; method: string }[] = [];
    await serve(`${JSON.stringify(hello)}\n`, (text, socket) => {
      for (const line of text.trim().split('\n')) waiting.push(JSON.parse(line));
      if (waiting.length < 2) return;
      const lines = waiting.reverse().map(({ id, method }) => JSON.stringify({ id, result: { method } }));
      const all = `{"event":"state","state":"paused"}\n${lines.join('\n')}\n`;
      socket.write(all.slice(0, 50));
      setImmediate(() => socket.write(all.slice(50)));
    });
    const control = await Control.connect(path(), 500);
    const states: string[] = [];
    control.onState((state) => states.push(state));
    const answers = await Promise.all([control.request('pause', {}, 1000), control.request('resume', {}, 1000)]);
    expect(answers).toEqual([{ method: 'pause' }, { method: 'resume' }]);
    expect(states).toEqual(['paused']);
    control.close();
  });

  it('hears what comes right behind the greeting, and an end that came before anybody listened', async () => {
    const event = { event: 'state', state: 'stopped', reason: 'powered off' };
    await serve(`${JSON.stringify(hello)}\n${JSON.stringify(event)}\nnonsense\n`);
    const control = await Control.connect(path(), 500);
    await expect(control.request('pause', {}, 1000)).rejects.toMatchObject({ code: 'unavailable' });
    const heard: string[] = [];
    control.onState((state, reason) => heard.push(`${state}: ${reason}`));
    control.onClose(() => heard.push('closed'));
    await waitUntil(() => heard.length === 2);
    expect(heard).toEqual(['stopped: powered off', 'closed']);
  });

  it('cuts a guest off that sends nonsense, and fails what was asked', async () => {
    await serve(`${JSON.stringify(hello)}\n`, (_text, socket) => socket.write('nonsense\n'));
    const control = await Control.connect(path(), 500);
    let closed = false;
    control.onClose(() => {
      closed = true;
    });
    await expect(control.request('pause', {}, 1000)).rejects.toMatchObject({ code: 'unavailable' });
    await waitUntil(() => closed);
    await expect(control.request('pause', {}, 1000)).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('gives up on a guest that does not answer', async () => {
    await serve(`${JSON.stringify(hello)}\n`);
    const control = await Control.connect(path(), 500);
    await expect(control.request('pause', {}, 20)).rejects.toMatchObject({ code: 'timeout' });
    control.close();
  });
});

describe('a process', () => {
  it('that is no guest is never signalled', async () => {
    expect(await guestConfigOf(process.pid)).toBeUndefined();
    const stranger = new GuestProcess(process.pid, '/some/guest.json');
    expect(await stranger.alive()).toBe(false);
    await stranger.kill();
    expect(await stranger.gone(0)).toBe(true);
  });
});

describe('logs', () => {
  it('are read from their end and cut when they are long', async () => {
    const path = join(folder, 'console.log');
    expect(await readTail(path, 10)).toHaveLength(0);
    await writeFile(path, `${'x'.repeat(1000)}the end`);
    expect(Buffer.from(await readTail(path, 7)).toString()).toBe('the end');
    await shorten(path, 2000, 10);
    expect((await readFile(path)).length).toBe(1007);
    await shorten(path, 1000, 10);
    expect(await readFile(path, 'utf8')).toBe('xxxthe end');
  });

  it('give the line that tells why a process ended', async () => {
    const path = join(folder, 'guest.log');
    await writeFile(path, 'starting\nTypeError: x is not a function\n    at run (file.ts:1:2)\n\nNode.js v26.10.0\n');
    expect(await lastWords(path)).toBe('TypeError: x is not a function');
    await writeFile(path, 'nothing special\n');
    expect(await lastWords(path)).toBe('nothing special');
  });
});
