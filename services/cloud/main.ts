// The program `cumulet`: reads its options, starts what they name, stops it on a signal. Everything it says to people is on
// stdout; logs go to stderr or, for `all`, to a file in the state folder.

import { mkdir } from 'node:fs/promises';
import { flushCompileCache } from 'node:module';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pino } from 'pino';
import { CumuletError, createLog, messageOf } from '#base';
import { announce } from './announce.ts';
import { cleanState } from './clean-state.ts';
import { writeCredentials } from './credentials.ts';
import { explainStart } from './explain.ts';
import { type CloudOptions, parseOptions, USAGE } from './options.ts';
import { runController, runNode } from './programs.ts';
import { leaveNote, removeNote, stopRunning } from './running.ts';
import { startCloud } from './start-cloud.ts';

// A terminal or a pipe that went away must not keep the guests from being saved.
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Resolves with the first signal that asks the program to stop; a second one ends it at once. */
function untilStopped(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        process.once('SIGINT', () => process.exit(130));
        resolve(signal);
      });
    }
  });
}

async function runAll(options: CloudOptions): Promise<void> {
  const stopped = untilStopped();
  await mkdir(options.state, { recursive: true, mode: 0o700 });
  await leaveNote(options.state, '');
  const logFile = join(options.state, 'cloud.log');
  const log = createLog('cumulet', { destination: pino.destination({ dest: logFile, append: true, mkdir: true }) });
  try {
    const cloud = await startCloud({ ...options, log });
    await leaveNote(options.state, cloud.url);
    const home = process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config');
    const written = options.writeCredentials
      ? await writeCredentials(options.state, home, cloud.url, cloud.passwords)
      : undefined;
    say(announce({ cloud, options, written, logFile, seconds: performance.now() / 1000 }));
    flushCompileCache();
    await stopped;
    const running = cloud.nodes.reduce((sum, node) => sum + node.running(), 0);
    say(
      running === 0 ? 'Stopping ...' : `Stopping: saving ${running} ${running === 1 ? 'guest' : 'guests'} to disk ...`,
    );
    await cloud.stop({ save: true });
    say("Stopped. 'make up' brings everything back.");
  } finally {
    await removeNote(options.state);
  }
}

async function run(options: CloudOptions): Promise<void> {
  switch (options.command) {
    case 'help':
      process.stdout.write(USAGE);
      return;
    case 'all':
      return runAll(options);
    case 'controller':
      return runController(options, untilStopped(), say);
    case 'node':
      return runNode(options, untilStopped(), say);
    case 'down': {
      const was = await stopRunning(options.state, 120_000);
      say(was ? 'The cloud is stopped; its guests are saved.' : `No cloud runs on ${options.state}.`);
      return;
    }
    case 'clean-state': {
      await stopRunning(options.state, 120_000);
      const guests = await cleanState(options.state);
      say(`Forgotten: ${options.state} is gone, ${guests} ${guests === 1 ? 'guest was' : 'guests were'} ended.`);
      return;
    }
    default:
      options.command satisfies never;
  }
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), { env: process.env, home: homedir(), hostname: hostname() });
  try {
    await run(options);
  } catch (error) {
    throw explainStart(error, options);
  }
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const usage = error instanceof CumuletError && error.code === 'invalid';
  process.stderr.write(`cumulet: ${messageOf(error)}\n`);
  if (!(error instanceof CumuletError) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(usage ? 2 : 1);
}
