// The thread that owns the embedded store's file: opens and checks it, then writes one batch at a time and answers when
// it is on stable storage (SQLite, WAL, synchronous=FULL). Loads nothing but Node's own modules, so that it starts fast.
//
// Each row carries a checksum, and `meta` the count and the sum of all: a file of which rows are missing, doubled or
// changed is refused, never half used.

import { existsSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import type { JournalOptions, JournalReply, JournalRequest, StoredEntry } from './journal.ts';
import { checkWal } from './wal-check.ts';

const FORMAT = 1;
const PAGE_BYTES = 4096;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS entry (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, create_revision INTEGER NOT NULL, mod_revision INTEGER NOT NULL,
    lease TEXT, checksum INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;`;

interface Row {
  key: string;
  value: Uint8Array;
  create_revision: number;
  mod_revision: number;
  lease: string | null;
  checksum: number;
}

const checksumOf = (entry: StoredEntry): number =>
  crc32(entry.value, crc32(`${entry.key}\0${entry.createRevision}\0${entry.modRevision}\0${entry.leaseId ?? ''}\0`));

/** Sums stay below 2^32, so that they are exact however many rows there are. */
const wrap = (sum: number): number => sum >>> 0;

class JournalFile {
  readonly #db: DatabaseSync;
  readonly #checksums = new Map<string, number>();
  #sum = 0;
  #revision = 1;

  constructor(options: JournalOptions) {
    const wal = `${options.file}-wal`;
    if (existsSync(wal)) {
      const verdict = checkWal(readFileSync(wal));
      if (!verdict.sound) throw new Error(`its log ${wal} is damaged: ${verdict.reason}`);
    }
    this.#db = new DatabaseSync(options.file);
    this.#db.exec(`PRAGMA page_size=${PAGE_BYTES}; PRAGMA locking_mode=EXCLUSIVE`);
    this.#db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL');
    if (options.quotaBytes !== undefined) {
      this.#db.exec(`PRAGMA max_page_count=${Math.max(1, Math.floor(options.quotaBytes / PAGE_BYTES))}`);
    }
  }

  load(): { entries: StoredEntry[]; revision: number } {
    const check = this.#db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    if (check.quick_check !== 'ok') throw new Error(check.quick_check);
    this.#db.exec(SCHEMA);
    const meta = new Map<string, number>();
    for (const row of this.#db.prepare('SELECT name, value FROM meta').all())
      meta.set(String(row.name), Number(row.value));
    const entries = (this.#db.prepare('SELECT * FROM entry').all() as unknown as Row[]).map((row) => this.#read(row));
    if (meta.size === 0 && entries.length === 0) {
      this.#writeMeta();
      return { entries, revision: this.#revision };
    }
    if (meta.get('format') !== FORMAT) {
      throw new Error(`it has format ${meta.get('format')}; this program reads format ${FORMAT}`);
    }
    if (meta.get('count') !== entries.length || meta.get('sum') !== this.#sum) {
      throw new Error(`it holds ${entries.length} entries that are not the ${meta.get('count')} that were written`);
    }
    this.#revision = meta.get('revision') ?? 0;
    return { entries, revision: this.#revision };
  }

  /** All or nothing, on stable storage when it returns. */
  write(revision: number, puts: readonly StoredEntry[], deletes: readonly string[]): void {
    const before = { revision: this.#revision, sum: this.#sum };
    const changed = new Map<string, number | undefined>();
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const key of deletes) {
        this.#db.prepare('DELETE FROM entry WHERE key = ?').run(key);
        changed.set(key, this.#count(key, undefined));
      }
      const put = this.#db.prepare('INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?)');
      for (const entry of puts) {
        const checksum = checksumOf(entry);
        put.run(entry.key, entry.value, entry.createRevision, entry.modRevision, entry.leaseId ?? null, checksum);
        changed.set(entry.key, this.#count(entry.key, checksum));
      }
      this.#revision = revision;
      this.#writeMeta();
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      for (const [key, checksum] of changed) this.#count(key, checksum);
      this.#revision = before.revision;
      this.#sum = before.sum;
      throw error;
    }
  }

  close(): void {
    this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    this.#db.close();
  }

  #read(row: Row): StoredEntry {
    const entry: StoredEntry = {
      key: row.key,
      value: row.value,
      createRevision: row.create_revision,
      modRevision: row.mod_revision,
      ...(row.lease === null ? {} : { leaseId: row.lease }),
    };
    if (checksumOf(entry) !== row.checksum) throw new Error(`the checksum of entry ${row.key} is wrong`);
    this.#count(row.key, row.checksum);
    return entry;
  }

  /** Notes the checksum that a key has now (undefined: gone) and returns the one it had. */
  #count(key: string, checksum: number | undefined): number | undefined {
    const previous = this.#checksums.get(key);
    this.#sum = wrap(this.#sum - (previous ?? 0) + (checksum ?? 0));
    if (checksum === undefined) this.#checksums.delete(key);
    else this.#checksums.set(key, checksum);
    return previous;
  }

  #writeMeta(): void {
    const put = this.#db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)');
    put.run('format', FORMAT);
    put.run('revision', this.#revision);
    put.run('count', this.#checksums.size);
    put.run('sum', this.#sum);
  }
}

function serve(options: JournalOptions): void {
  const reply = (message: JournalReply): void => parentPort?.postMessage(message);
  const attempt = (work: () => JournalReply): void => {
    try {
      reply(work());
    } catch (error) {
      reply({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    }
  };
  let file: JournalFile | undefined;
  attempt(() => {
    file = new JournalFile(options);
    return { type: 'opened', ...file.load() };
  });
  parentPort?.on('message', (request: JournalRequest) => {
    attempt(() => {
      if (request.type === 'write') file?.write(request.revision, request.puts, request.deletes);
      else file?.close();
      return { type: 'done' };
    });
    if (request.type === 'close') parentPort?.close();
  });
}

serve(workerData as JournalOptions);
