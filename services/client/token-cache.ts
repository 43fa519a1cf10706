// Tokens between two runs of the command line: one file a set of credentials, readable by its owner alone. The name is
// a hash of address, identity, secret and scope, so another password never finds another's token. A file that is
// damaged, foreign or old is ignored: the worst case is one more request.

import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Token } from './auth.ts';
import type { CloudConfig } from './cloud-config.ts';

export interface TokenCache {
  read(config: CloudConfig): Token | undefined;
  write(config: CloudConfig, token: Token): void;
  forget(config: CloudConfig): void;
}

export const noTokenCache: TokenCache = { read: () => undefined, write: () => undefined, forget: () => undefined };

/** A token that has less than this left is not worth starting with. */
const MARGIN_MS = 60_000;

export function defaultCacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'cumulet', 'tokens');
}

export function fileTokenCache(folder: string, now: () => number = Date.now): TokenCache {
  const pathOf = (config: CloudConfig): string => {
    const entries = Object.entries(config.auth).sort(([a], [b]) => (a < b ? -1 : 1));
    const hash = createHash('sha256').update(JSON.stringify([config.authType, entries]));
    return join(folder, `${hash.digest('hex').slice(0, 40)}.json`);
  };
  return {
    read(config) {
      try {
        const path = pathOf(config);
        const stat = statSync(path);
        if ((stat.mode & 0o077) !== 0 || (process.getuid && stat.uid !== process.getuid())) return undefined;
        const token = JSON.parse(readFileSync(path, 'utf8')) as Token;
        if (typeof token.secret !== 'string' || !Array.isArray(token.catalog)) return undefined;
        return Date.parse(token.expiresAt) - now() > MARGIN_MS ? token : undefined;
      } catch {
        return undefined;
      }
    },
    write(config, token) {
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        chmodSync(folder, 0o700);
        const path = pathOf(config);
        const fresh = `${path}.${randomBytes(6).toString('hex')}`;
        writeFileSync(fresh, JSON.stringify(token), { mode: 0o600, flag: 'wx' });
        renameSync(fresh, path);
      } catch {
        // A folder that cannot be written (a read-only home) only costs speed.
      }
    },
    forget(config) {
      rmSync(pathOf(config), { force: true });
    },
  };
}
