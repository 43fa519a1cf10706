// Structured logs, one JSON object a line on stderr (or to a file). Secrets are never logged: the paths below are cut.

import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;

const REDACTED = ['password', 'adminPass', 'token', '*.password', '*.adminPass', '*.token', '*.secret'];

export interface LogOptions {
  level?: string;
  destination?: DestinationStream;
}

export function createLog(name: string, options: LogOptions = {}): Log {
  const settings = { name, level: options.level ?? process.env.CUMULET_LOG ?? 'info', redact: REDACTED };
  return pino(settings, options.destination ?? pino.destination(2));
}

/** Says nothing: for tests and for library use. */
export const silentLog: Log = pino({ level: 'silent' });
