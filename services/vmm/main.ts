// The program `bin/emulator`: one guest, either on this terminal or supervised by a node agent.

import { writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { CumuletError, isError, messageOf } from '#base';
import { type EmulatorArguments, HELP, parseArguments } from './arguments.ts';
import { EXIT, type GuestConfig } from './contract.ts';
import { HartThreads } from './hart-threads.ts';

async function main(): Promise<number> {
  let options: EmulatorArguments;
  try {
    options = parseArguments(process.argv.slice(2));
  } catch (error) {
    complain(messageOf(error));
    return EXIT.USAGE;
  }
  if (options.help) {
    writeSync(1, HELP);
    return 0;
  }
  try {
    if (options.deterministic !== undefined) {
      const { runDeterministic } = await import('./deterministic.ts');
      const ended = await runDeterministic(options, options.deterministic);
      const translated = ended.regions === 0 ? '' : `, ${ended.regions} regions translated`;
      complain(`${ended.reason}; ${ended.instructions} instructions${translated}, trace ${ended.trace}`);
      return ended.state === 'stopped' ? EXIT.POWERED_OFF : EXIT.CRASHED;
    }
    const config = options.guest === undefined ? undefined : await readConfig(options.guest);
    const threads = new HartThreads(harts(config?.harts ?? options.harts));
    // The rest loads while the workers start.
    const { onTerminal, supervised } = await import('./run.ts');
    flushCompileCache();
    const ended = await (config === undefined ? onTerminal(options, threads) : supervised(config, threads));
    if (ended.state === 'stopped') return EXIT.POWERED_OFF;
    complain(ended.reason ?? 'the guest crashed');
    return EXIT.CRASHED;
  } catch (error) {
    complain(messageOf(error));
    if (!(error instanceof CumuletError)) complain(error instanceof Error ? (error.stack ?? '') : '');
    return isError(error, 'invalid') ? EXIT.UNFIT : EXIT.FAILED_TO_START;
  }
}

async function readConfig(path: string): Promise<GuestConfig> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as GuestConfig;
  } catch (error) {
    throw new CumuletError('internal', `the guest's configuration ${path} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** How many workers to start; a number that no guest may have is refused later, with words. */
const harts = (wanted: number): number => (wanted >= 1 && wanted <= 8 ? Math.floor(wanted) : 1);

function complain(message: string): void {
  if (message !== '') writeSync(2, `emulator: ${message}\n`);
}

// Workers and sockets are closed by now; whatever a library still holds does not keep a dead guest's process.
process.exit(await main());
