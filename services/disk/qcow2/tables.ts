// The L1 table and a cache of L2 tables. Clean tables leave the cache when it is full; dirty ones stay until they are
// written. `dirtyFrom`/`dirtyTo` bound what changed, so that a flush writes sectors and not whole tables.

import { CumuletError } from '#base';
import type { HostFile } from '../host-file.ts';
import { decodeL1, encodeTable } from './entries.ts';
import type { Qcow2Header } from './header.ts';

const CACHE_BYTES = 16 << 20;
const SECTOR = 512;

export class L2Table {
  readonly host: number;
  readonly bytes: Buffer;
  dirtyFrom = Number.POSITIVE_INFINITY;
  dirtyTo = 0;

  constructor(host: number, bytes: Buffer) {
    this.host = host;
    this.bytes = bytes;
  }

  get dirty(): boolean {
    return this.dirtyTo > 0;
  }

  touch(index: number): void {
    this.dirtyFrom = Math.min(this.dirtyFrom, index * 8);
    this.dirtyTo = Math.max(this.dirtyTo, index * 8 + 8);
  }

  touchAll(): void {
    this.dirtyFrom = 0;
    this.dirtyTo = this.bytes.length;
  }
}

export class Tables {
  readonly #file: HostFile;
  readonly #clusterSize: number;
  readonly #cache = new Map<number, L2Table | Promise<L2Table>>();
  readonly #limit: number;
  readonly #dirty = new Set<L2Table>();
  #l1: Buffer;
  #l1Offset: number;
  #l1DirtyFrom = Number.POSITIVE_INFINITY;
  #l1DirtyTo = 0;

  private constructor(file: HostFile, header: Qcow2Header, l1: Buffer) {
    this.#file = file;
    this.#clusterSize = header.clusterSize;
    this.#limit = Math.max(4, Math.floor(CACHE_BYTES / header.clusterSize));
    this.#l1 = l1;
    this.#l1Offset = header.l1Offset;
  }

  /** Reads the L1 table; every L2 table that it names must lie in the file. Their clusters are added to `metadata`. */
  static async load(file: HostFile, header: Qcow2Header, metadata: Set<number>): Promise<Tables> {
    const l1 = Buffer.alloc(header.l1Size * 8);
    await file.read(header.l1Offset, [l1]);
    const tables = new Tables(file, header, l1);
    for (let i = 0; i < header.l1Size; i += 1) {
      const { host } = decodeL1(l1, i, header.clusterSize);
      if (host === 0) continue;
      if (host >= file.size) {
        throw new CumuletError('invalid', 'The qcow2 image is corrupt: an L2 table lies beyond the end of the file.');
      }
      metadata.add(host / header.clusterSize);
    }
    for (const index of tables.l1Clusters()) metadata.add(index);
    return tables;
  }

  get l1Size(): number {
    return this.#l1.length / 8;
  }

  get l1Offset(): number {
    return this.#l1Offset;
  }

  /** Host clusters that the L1 table takes. */
  l1Clusters(): number[] {
    const count = Math.ceil(this.#l1.length / this.#clusterSize);
    return Array.from({ length: count }, (_, i) => this.#l1Offset / this.#clusterSize + i);
  }

  entry(index: number): { host: number; copied: boolean } {
    return decodeL1(this.#l1, index, this.#clusterSize);
  }

  /** The L2 table of an L1 index: at once when it is cached; undefined when there is none. */
  lookup(index: number): L2Table | Promise<L2Table> | undefined {
    const cached = this.#cache.get(index);
    if (cached !== undefined) return cached;
    const { host } = this.entry(index);
    if (host === 0) return undefined;
    const loading: Promise<L2Table> = this.#load(host).then(
      (table) => {
        // Somebody may have put a changed table here meanwhile: that one counts.
        const now = this.#cache.get(index);
        if (now !== loading) return now ?? table;
        this.#cache.set(index, table);
        this.#evict();
        return table;
      },
      (error: unknown) => {
        if (this.#cache.get(index) === loading) this.#cache.delete(index);
        throw error;
      },
    );
    this.#cache.set(index, loading);
    return loading;
  }

  /** Puts a new table (fresh or a copy of a shared one) under an L1 index. */
  install(index: number, host: number, bytes: Buffer): L2Table {
    const old = this.#cache.get(index);
    if (old instanceof L2Table) this.#dirty.delete(old);
    const table = new L2Table(host, bytes);
    table.touchAll();
    this.#cache.set(index, table);
    this.#dirty.add(table);
    encodeTable.owned(this.#l1, index, host);
    this.#l1DirtyFrom = Math.min(this.#l1DirtyFrom, index * 8);
    this.#l1DirtyTo = Math.max(this.#l1DirtyTo, index * 8 + 8);
    return table;
  }

  /** Says that an entry of a table has changed; the table stays in the cache until it is written. */
  changed(l1Index: number, table: L2Table, entry: number): void {
    table.touch(entry);
    this.#dirty.add(table);
    this.#cache.set(l1Index, table);
  }

  get dirty(): boolean {
    return this.#dirty.size > 0 || this.#l1DirtyTo > 0;
  }

  /** Dirty tables fill the cache: flush soon. */
  get crowded(): boolean {
    return this.#dirty.size >= this.#limit;
  }

  /** Stage 3 of a flush. True when something was written. */
  async writeL2(): Promise<boolean> {
    const tables = [...this.#dirty];
    for (const table of tables) {
      const from = Math.floor(table.dirtyFrom / SECTOR) * SECTOR;
      const to = Math.ceil(table.dirtyTo / SECTOR) * SECTOR;
      await this.#file.write(table.host + from, [table.bytes.subarray(from, to)]);
      table.dirtyFrom = Number.POSITIVE_INFINITY;
      table.dirtyTo = 0;
      this.#dirty.delete(table);
    }
    return tables.length > 0;
  }

  /** Stage 4, after the L2 tables are stable. */
  async writeL1(): Promise<boolean> {
    if (this.#l1DirtyTo === 0) return false;
    await this.#file.write(this.#l1Offset + this.#l1DirtyFrom, [this.#l1.subarray(this.#l1DirtyFrom, this.#l1DirtyTo)]);
    this.#l1DirtyFrom = Number.POSITIVE_INFINITY;
    this.#l1DirtyTo = 0;
    return true;
  }

  /** A longer L1 table at a new place, to be written whole; the caller has flushed everything else. */
  grown(entries: number): Buffer {
    const bytes = Buffer.alloc(entries * 8);
    this.#l1.copy(bytes);
    return bytes;
  }

  moveL1(offset: number, bytes: Buffer): void {
    this.#l1 = bytes;
    this.#l1Offset = offset;
  }

  async #load(host: number): Promise<L2Table> {
    const bytes = Buffer.alloc(this.#clusterSize);
    await this.#file.read(host, [bytes]);
    return new L2Table(host, bytes);
  }

  /** Lets go of the tables that were loaded first, as long as they are clean. */
  #evict(): void {
    if (this.#cache.size <= this.#limit) return;
    for (const [index, table] of this.#cache) {
      if (this.#cache.size <= this.#limit) return;
      if (table instanceof L2Table && !table.dirty) this.#cache.delete(index);
    }
  }
}
