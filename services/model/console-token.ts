// A ticket for one server's console: in the address that remote-consoles hands out. Kept as a hash, for a while beyond its
// end, so that a late comer is told that it has expired. Written by the API, removed by the task keeper.

import type { Kind } from './kind.ts';

export interface ConsoleToken {
  /** sha256 hex of the token. */
  readonly id: string;
  readonly serverId: string;
  readonly consoleType: 'serial' | 'novnc';
  readonly createdAt: number;
  /** UTC microseconds. May be used any number of times before: several may watch. */
  readonly expiresAt: number;
}

export const CONSOLE_TOKEN: Kind<ConsoleToken> = { name: 'console-token', id: (token) => token.id };
