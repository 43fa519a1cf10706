// console: the log of the serial console, a live terminal on it, and addresses for other viewers.

import { ClientError } from '#client';
import type { Command } from './command.ts';

const SERVER = [{ name: 'server', help: 'name or id' }];

export const commands: readonly Command[] = [
  {
    words: 'console log show',
    summary: "Show what a server's serial console printed",
    positionals: SERVER,
    options: [{ name: 'lines', value: '<count>', help: 'only the last lines', integer: true }],
    output: 'none',
    async run(context, args) {
      const { compute } = await context.cloud();
      const { id } = await compute.servers.find(args.must('server'));
      const log = await compute.consoleOutput(id, args.integer('lines'));
      context.io.stdout(log.endsWith('\n') || log === '' ? log : `${log}\n`);
      return 0;
    },
  },
  {
    words: 'console url show',
    summary: 'Show the address of a console',
    positionals: SERVER,
    options: [
      { name: 'novnc', help: 'in the browser (the default)' },
      { name: 'serial', help: 'serial console' },
      { name: 'spice', help: 'spice' },
    ],
    output: 'show',
    async run(context, args) {
      const { compute } = await context.cloud();
      const { id } = await compute.servers.find(args.must('server'));
      const [protocol, type] = args.has('serial')
        ? (['serial', 'serial'] as const)
        : args.has('spice')
          ? (['spice', 'spice-html5'] as const)
          : (['vnc', 'novnc'] as const);
      const remote = await compute.remoteConsole(id, protocol, type);
      return { protocol, type: remote.type, url: remote.url };
    },
  },
  {
    words: 'console attach',
    summary: "Open a server's serial console in this terminal",
    positionals: SERVER,
    output: 'none',
    async run(context, args) {
      const { compute } = await context.cloud();
      const { id, name } = await compute.servers.find(args.must('server'));
      const { url } = await compute.remoteConsole(id, 'serial', 'serial');
      if (!/^wss?:/.test(url)) throw new ClientError(`This cloud offers no websocket for a serial console: ${url}`);
      const { attach } = await import('./terminal.ts');
      context.say(`Connected to ${name}. Leave with ~. at the start of a line, or with Ctrl-].`);
      await attach(url, process.stdin, process.stdout);
      context.say('\r\nDisconnected.');
      return 0;
    },
  },
];
