// One process at a time per folder. The lock is the kernel's (SQLite's lock on an empty database file), so it ends with
// its process, however that ends, and a lock is never stale. `owner.json` beside it only says who holds it.

import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { CumuletError } from '#base';

export interface FolderLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/** Throws CumuletError 'conflict' that names the holder. */
export function lockFolder(folder: string): FolderLock {
  const db = new DatabaseSync(join(folder, 'lock'));
  try {
    db.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new CumuletError('conflict', `The store in ${folder} is in use by ${owner(folder)}. Stop that first.`);
  }
  const started = new Date().toISOString();
  writeFileSync(join(folder, 'owner.json'), `${JSON.stringify({ pid: process.pid, host: hostname(), started })}\n`);
  return { release: () => db.close() };
}

function owner(folder: string): string {
  try {
    const { pid, host, started } = JSON.parse(readFileSync(join(folder, 'owner.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    return `process ${pid} on ${host}, started ${started}`;
  } catch {
    return 'another process';
  }
}
