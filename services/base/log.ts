// Structured logs, one JSON object a line on stderr (or to a file). Secrets are never logged: the paths below are cut.

import { createRequire } from 'node:module';
import type { DestinationStream, Logger } from 'pino';

export type Log = Logger;

const REDACTED = ['password', 'adminPass', 'token', '*.password', '*.adminPass', '*.token', '*.secret'];

// Loading pino takes 45 ms: only a program that logs pays for it, not a guest process, its hart workers or the CLI.
const loadPino = (): typeof import('pino') => createRequire(import.meta.url)('pino');

export interface LogOptions {
  level?: string;
  destination?: DestinationStream;
}

export function createLog(name: string, options: LogOptions = {}): Log {
  const settings = { name, level: options.level ?? process.env.CUMULET_LOG ?? 'info', redact: REDACTED };
  const { pino } = loadPino();
  return pino(settings, options.destination ?? pino.destination(2));
}

const nothing = (): void => undefined;

/** Says nothing: for tests and for library use. */
export const silentLog: Log = {
  level: 'silent',
  fatal: nothing,
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  trace: nothing,
  silent: nothing,
  isLevelEnabled: () => false,
  flush: nothing,
  bindings: () => ({}),
  setBindings: nothing,
  child: () => silentLog,
} as unknown as Log;
