// A qcow2 image as a block backend.
//
// Reads, and writes to clusters that are ours already, run side by side. Whatever changes a table runs under one lock.
// Tables and refcounts change in memory and are written by a flush, in stages with an fsync after each, so that a crash at
// any point leaves at most clusters that are counted and not used:
//
//   data, refcount blocks ─► refcount table ─► (header: table moved) ─► L2 tables ─► L1 table ─► counts of freed clusters
//
// A cluster is counted before anything points at it, its content is stable before an L2 entry names it, and it is free
// again only after no stable entry names it and no request under way can still touch it.

import { CumuletError } from '#base';
import type { BlockBackend } from '#emulator';
import { checkRange, SECTOR } from '../block.ts';
import { copyInto, fillZero, sliceBuffers, totalLength, zeroBuffers } from '../bytes.ts';
import type { HostFile } from '../host-file.ts';
import { Lock } from '../lock.ts';
import { ClusterMap, keptCluster, type Run } from './cluster-map.ts';
import { CompressedClusters } from './compressed.ts';
import { encodeTable, type Mapping } from './entries.ts';
import { FIELD, l1EntriesFor, type Qcow2Header } from './header.ts';
import { type ClusterRun, Refcounts } from './refcounts.ts';
import { type L2Table, Tables } from './tables.ts';

/** Freed clusters that wait for a flush; more bring one about. */
const MAX_PENDING = 1 << 16;

const corrupt = (why: string) => new CumuletError('invalid', `The qcow2 image is corrupt: ${why}.`);

export class Qcow2Disk implements BlockBackend {
  readonly readOnly: boolean;
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #clusterSize: number;
  readonly #perTable: number;
  readonly #backing: BlockBackend | undefined;
  readonly #tables: Tables;
  readonly #map: ClusterMap;
  /** Of a writable image only. */
  readonly #refcounts: Refcounts | undefined;
  readonly #metadata: Set<number>;
  readonly #lock = new Lock();
  /** Requests that do not hold the lock. They never wait for it. */
  readonly #underWay = new Set<Promise<unknown>>();
  /** Host clusters of which one use ends when the tables in memory are stable. */
  readonly #pendingFree: number[] = [];
  readonly #compressed: CompressedClusters;
  #nextFlush: Promise<void> | undefined;
  #size: number;

  private constructor(
    file: HostFile,
    header: Qcow2Header,
    parts: { tables: Tables; refcounts?: Refcounts; metadata: Set<number>; backing?: BlockBackend },
  ) {
    this.#file = file;
    this.#header = header;
    this.#clusterSize = header.clusterSize;
    this.#perTable = header.clusterSize / 8;
    this.#backing = parts.backing;
    this.#tables = parts.tables;
    this.#map = new ClusterMap(parts.tables, header);
    this.#compressed = new CompressedClusters(file, header);
    this.#refcounts = parts.refcounts;
    this.#metadata = parts.metadata;
    this.readOnly = parts.refcounts === undefined;
    this.#size = Math.ceil(header.size / SECTOR) * SECTOR;
  }

  /** Takes over the file and the backing disk: close() closes both. */
  static async open(
    file: HostFile,
    header: Qcow2Header,
    options: { readOnly: boolean; backing?: BlockBackend },
  ): Promise<Qcow2Disk> {
    const metadata = new Set([0]);
    const tables = await Tables.load(file, header, metadata);
    if (options.readOnly) return new Qcow2Disk(file, header, { tables, metadata, backing: options.backing });
    const refcounts = await Refcounts.load(file, header, metadata);
    if (header.autoclear !== 0n) {
      // Whoever changes an image without keeping these features up to date says so by clearing their bits.
      await file.write(FIELD.autoclear, [new Uint8Array(8)]);
      await file.sync();
    }
    return new Qcow2Disk(file, header, { tables, refcounts, metadata, backing: options.backing });
  }

  get size(): number {
    return this.#size;
  }

  async read(offset: number, into: readonly Uint8Array[]): Promise<void> {
    const length = totalLength(into);
    checkRange(this, offset, length, 'read');
    await this.#tracked(this.#read(offset, length, into));
  }

  async write(offset: number, from: readonly Uint8Array[]): Promise<void> {
    const length = totalLength(from);
    checkRange(this, offset, length, 'write');
    if (await this.#tracked(this.#writeInPlace(offset, length, from))) return;
    await this.#lock.run(async () => {
      await this.#relieve();
      await this.#writeAllocating(offset, length, from);
    });
  }

  /** Those who ask while one waits for its turn share it: it covers all that was written before it begins. */
  async flush(): Promise<void> {
    if (this.readOnly) return;
    this.#nextFlush ??= this.#lock.run(() => {
      this.#nextFlush = undefined;
      return this.#writeBack();
    });
    await this.#nextFlush;
  }

  /** Whole clusters only: the rest of the range stays as it is. */
  async discard(offset: number, length: number): Promise<void> {
    checkRange(this, offset, length, 'write');
    const start = Math.ceil(offset / this.#clusterSize) * this.#clusterSize;
    const end = this.#lastBoundary(offset + length);
    if (end <= start) return;
    await this.#lock.run(async () => {
      await this.#relieve();
      for await (const run of this.#map.runs(start, end)) {
        const { kind } = run.mapping;
        if (kind === 'unallocated' || (kind === 'zero' && run.mapping.host === undefined)) continue;
        if (this.#backing === undefined) await this.#forget(run, 'unallocated');
        else if (this.#header.version === 3) await this.#forget(run, 'zero');
      }
    });
  }

  async writeZeroes(offset: number, length: number, unmap: boolean): Promise<void> {
    checkRange(this, offset, length, 'write');
    const limit = offset + length;
    const start = Math.min(limit, Math.ceil(offset / this.#clusterSize) * this.#clusterSize);
    const end = Math.max(start, this.#lastBoundary(limit));
    await this.#lock.run(async () => {
      await this.#relieve();
      await this.#overwriteWithZeroes(offset, start);
      for await (const run of this.#map.runs(start, end)) await this.#zeroClusters(run, unmap);
      await this.#overwriteWithZeroes(end, limit);
    });
  }

  /** Makes the disk larger. What is added reads as zero. */
  async grow(size: number): Promise<void> {
    checkRange({ size: Number.MAX_SAFE_INTEGER, readOnly: this.readOnly }, 0, size, 'write');
    if (size < this.#size) throw new CumuletError('unsupported', 'A disk cannot be made smaller.');
    await this.#lock.run(async () => {
      await this.#writeBack();
      const before = this.#size;
      await this.#growTables(Math.ceil(size / SECTOR) * SECTOR);
      // A base image larger than the overlay was must not shine through where the overlay grew.
      const hidden = Math.min(this.#backing?.size ?? 0, this.#size);
      if (hidden > before) await this.#zeroRange(before, hidden);
      await this.#writeBack();
    });
  }

  async close(): Promise<void> {
    try {
      if (!this.readOnly) {
        await this.#lock.run(async () => {
          await this.#writeBack();
          if (await this.#refcounts!.writeBlocks()) await this.#file.sync();
        });
      }
    } finally {
      await this.#file.close();
      await this.#backing?.close();
    }
  }

  // Reading

  async #read(offset: number, length: number, into: readonly Uint8Array[]): Promise<void> {
    const runs = await this.#map.all(offset, offset + length);
    if (runs.length === 1) return this.#readRun(runs[0]!, into);
    await Promise.all(runs.map((run) => this.#readRun(run, sliceBuffers(into, run.at - offset, run.length))));
  }

  async #readRun(run: Run, into: readonly Uint8Array[]): Promise<void> {
    const { mapping } = run;
    switch (mapping.kind) {
      case 'zero':
        return fillZero(into);
      case 'data':
        return this.#file.read(mapping.host + (run.at % this.#clusterSize), into);
      case 'compressed': {
        const bytes = await this.#compressed.read(mapping.host, mapping.length);
        const from = run.at % this.#clusterSize;
        return copyInto(into, bytes.subarray(from, from + run.length));
      }
      case 'unallocated': {
        const below = Math.max(0, Math.min(run.length, (this.#backing?.size ?? 0) - run.at));
        if (below < run.length) fillZero(sliceBuffers(into, below, run.length - below));
        if (below > 0) await this.#backing!.read(run.at, sliceBuffers(into, 0, below));
        return;
      }
      default:
        return mapping satisfies never;
    }
  }

  // Writing

  /** False: something must be allocated first; nothing was written. */
  async #writeInPlace(offset: number, length: number, from: readonly Uint8Array[]): Promise<boolean> {
    const runs = await this.#map.all(offset, offset + length);
    if (!runs.every((run) => run.mapping.kind === 'data' && run.mapping.copied)) return false;
    await Promise.all(runs.map((run) => this.#overwrite(run, sliceBuffers(from, run.at - offset, run.length))));
    return true;
  }

  async #overwrite(run: Run, from: readonly Uint8Array[]): Promise<void> {
    if (run.mapping.kind !== 'data') throw new CumuletError('internal', 'Only data clusters are written in place.');
    const host = run.mapping.host + (run.at % this.#clusterSize);
    const last = Math.floor((host + run.length - 1) / this.#clusterSize);
    for (let index = Math.floor(host / this.#clusterSize); index <= last; index += 1) {
      if (this.#metadata.has(index)) throw corrupt('a data cluster lies over its tables');
    }
    await this.#file.write(host, from);
  }

  async #writeAllocating(offset: number, length: number, from: readonly Uint8Array[]): Promise<void> {
    for await (const run of this.#map.runs(offset, offset + length)) {
      const part = sliceBuffers(from, run.at - offset, run.length);
      if (run.mapping.kind === 'data' && run.mapping.copied) await this.#overwrite(run, part);
      else await this.#writeNew(run, part);
    }
  }

  /** Writes a run into clusters that are not used yet (or kept for it), then points the table at them. */
  async #writeNew(run: Run, from: readonly Uint8Array[]): Promise<void> {
    const size = this.#clusterSize;
    const end = run.at + run.length;
    for (let at = run.at; at < end; ) {
      const cluster = Math.floor(at / size);
      const want = Math.ceil(end / size) - cluster;
      const kept = keptCluster(run, cluster - Math.floor(run.at / size), size);
      const target: ClusterRun =
        kept === undefined ? await this.#refcounts!.allocate(want) : { first: kept / size, count: want, virgin: false };
      const stop = Math.min(end, (cluster + target.count) * size);
      try {
        const head = await this.#padding(run, cluster * size, at, target.virgin);
        // To the end of the cluster, also beyond the end of the disk: it may grow, and must then read as zero.
        const tail = await this.#padding(run, stop, (cluster + target.count) * size, target.virgin);
        const skipped = head === undefined ? at - cluster * size : 0;
        await this.#file.write(target.first * size + skipped, [
          ...(head ?? []),
          ...sliceBuffers(from, at - run.at, stop - at),
          ...(tail ?? []),
        ]);
      } catch (error) {
        if (kept === undefined) await this.#giveBack(target);
        throw error;
      }
      await this.#point(run, cluster, target, kept !== undefined);
      at = stop;
    }
  }

  /** What stands in [from, to) of a cluster of which only another part is written; undefined: zeroes are there already. */
  async #padding(run: Run, from: number, to: number, virgin: boolean): Promise<Uint8Array[] | undefined> {
    if (to <= from) return [];
    const zero =
      run.mapping.kind === 'zero' || (run.mapping.kind === 'unallocated' && from >= (this.#backing?.size ?? 0));
    if (zero) return virgin ? undefined : zeroBuffers(to - from);
    const bytes = new Uint8Array(to - from);
    for (const old of await this.#map.all(from, to)) {
      await this.#readRun(old, [bytes.subarray(old.at - from, old.at - from + old.length)]);
    }
    return [bytes];
  }

  async #giveBack(target: ClusterRun): Promise<void> {
    for (let i = 0; i < target.count; i += 1) await this.#refcounts!.release(target.first + i);
  }

  async #point(run: Run, cluster: number, target: ClusterRun, kept: boolean): Promise<void> {
    const l1 = Math.floor(cluster / this.#perTable);
    const table = await this.#ownTable(l1);
    const skipped = cluster - Math.floor(run.at / this.#clusterSize);
    for (let i = 0; i < target.count; i += 1) {
      const entry = (cluster + i) % this.#perTable;
      encodeTable.owned(table.bytes, entry, (target.first + i) * this.#clusterSize);
      this.#tables.changed(l1, table, entry);
      if (!kept) this.#freeLater(run.mapping, skipped + i);
    }
  }

  /** The L2 table of an L1 index, such that only this image uses it; made or copied when it is not so. */
  async #ownTable(l1: number): Promise<L2Table> {
    const { host, copied } = this.#tables.entry(l1);
    if (host !== 0 && copied) return (await this.#tables.lookup(l1))!;
    const bytes = Buffer.alloc(this.#clusterSize);
    if (host !== 0) (await this.#tables.lookup(l1))!.bytes.copy(bytes);
    const { first } = await this.#refcounts!.allocate(1);
    this.#metadata.add(first);
    if (host !== 0) this.#pendingFree.push(host / this.#clusterSize);
    return this.#tables.install(l1, first * this.#clusterSize, bytes);
  }

  // Zeroes and discarding

  /** The entries of whole clusters become empty; what they named is freed. */
  async #forget(run: Run, become: 'unallocated' | 'zero'): Promise<void> {
    const first = Math.floor(run.at / this.#clusterSize);
    const count = Math.ceil(run.length / this.#clusterSize);
    const l1 = Math.floor(first / this.#perTable);
    const table = await this.#ownTable(l1);
    for (let i = 0; i < count; i += 1) {
      const entry = (first + i) % this.#perTable;
      if (become === 'zero') encodeTable.zero(table.bytes, entry, undefined);
      else encodeTable.unallocated(table.bytes, entry);
      this.#tables.changed(l1, table, entry);
      this.#freeLater(run.mapping, i);
    }
  }

  async #zeroClusters(run: Run, unmap: boolean): Promise<void> {
    const { mapping } = run;
    if (mapping.kind === 'unallocated' && run.at >= (this.#backing?.size ?? 0)) return;
    if (mapping.kind === 'zero' && (mapping.host === undefined || !unmap)) return;
    if (this.#header.version === 2) {
      // No zero flag: an entry is empty or names a cluster of zeroes.
      if (this.#backing === undefined) await this.#forget(run, 'unallocated');
      else await this.#writeAllocating(run.at, run.length, zeroBuffers(run.length));
      return;
    }
    if (mapping.kind !== 'data' || !mapping.copied || unmap) return this.#forget(run, 'zero');
    const first = Math.floor(run.at / this.#clusterSize);
    const l1 = Math.floor(first / this.#perTable);
    const table = await this.#ownTable(l1);
    for (let i = 0; i * this.#clusterSize < run.length; i += 1) {
      const entry = (first + i) % this.#perTable;
      encodeTable.zero(table.bytes, entry, mapping.host + i * this.#clusterSize);
      this.#tables.changed(l1, table, entry);
    }
  }

  async #zeroRange(start: number, end: number): Promise<void> {
    const boundary = Math.min(end, Math.ceil(start / this.#clusterSize) * this.#clusterSize);
    await this.#overwriteWithZeroes(start, boundary);
    for await (const run of this.#map.runs(boundary, end)) await this.#zeroClusters(run, true);
  }

  /** Part of a cluster: written, unless it reads as zero anyway. */
  async #overwriteWithZeroes(start: number, end: number): Promise<void> {
    if (end <= start) return;
    const { mapping } = await this.#map.run(start, end);
    if (mapping.kind === 'zero') return;
    if (mapping.kind === 'unallocated' && start >= (this.#backing?.size ?? 0)) return;
    await this.#writeAllocating(start, end - start, zeroBuffers(end - start));
  }

  #freeLater(mapping: Mapping, index: number): void {
    const size = this.#clusterSize;
    if (mapping.kind === 'compressed') {
      const last = Math.floor((mapping.host + mapping.length - 1) / size);
      for (let i = Math.floor(mapping.host / size); i <= last; i += 1) this.#pendingFree.push(i);
    } else if (mapping.kind !== 'unallocated' && mapping.host !== undefined) {
      this.#pendingFree.push(mapping.host / size + index);
    }
  }

  /** The end of the last whole cluster before `end`; the disk's own end counts as one. */
  #lastBoundary(end: number): number {
    return end === this.#size ? end : Math.floor(end / this.#clusterSize) * this.#clusterSize;
  }

  // Making it stable

  async #relieve(): Promise<void> {
    if (this.#tables.crowded || this.#pendingFree.length > MAX_PENDING) await this.#writeBack();
  }

  async #writeBack(): Promise<void> {
    const file = this.#file;
    const refcounts = this.#refcounts!;
    const freed = this.#pendingFree.length;
    await refcounts.writeBlocks();
    await file.sync();
    if (await refcounts.writeTable()) await file.sync();
    if (refcounts.tableMoved) {
      const field = Buffer.alloc(12);
      field.writeBigUInt64BE(BigInt(refcounts.tableOffset));
      field.writeUInt32BE(refcounts.tableClusters, 8);
      await file.write(FIELD.refcountTableOffset, [field]);
      await file.sync();
      this.#pendingFree.push(...refcounts.tableSettled());
    }
    if (await this.#tables.writeL2()) await file.sync();
    if (await this.#tables.writeL1()) await file.sync();
    await this.#release(freed);
  }

  /** Frees the first `count` that wait, once no request under way can touch them. No stable entry names them any more. */
  async #release(count: number): Promise<void> {
    if (count === 0) return;
    await Promise.allSettled([...this.#underWay]);
    let done = 0;
    try {
      for (; done < count; done += 1) {
        const index = this.#pendingFree[done]!;
        if ((await this.#refcounts!.release(index)) > 0) continue;
        this.#metadata.delete(index);
        this.#compressed.forget(index * this.#clusterSize);
        await this.#file.release(index * this.#clusterSize, this.#clusterSize);
      }
    } finally {
      this.#pendingFree.splice(0, done);
    }
  }

  async #growTables(size: number): Promise<void> {
    const refcounts = this.#refcounts!;
    const entries = Math.max(this.#tables.l1Size, l1EntriesFor(size, this.#clusterSize));
    let offset = this.#tables.l1Offset;
    let l1: Buffer | undefined;
    const old = this.#tables.l1Clusters();
    if (entries > this.#tables.l1Size) {
      if (entries * 8 > 32 << 20)
        throw new CumuletError('too_large', `${size} bytes are too many for this qcow2 image.`);
      l1 = this.#tables.grown(entries);
      const clusters = Math.ceil(l1.length / this.#clusterSize);
      const first = await refcounts.allocateContiguous(clusters);
      for (let i = 0; i < clusters; i += 1) this.#metadata.add(first + i);
      offset = first * this.#clusterSize;
      await this.#file.write(offset, [l1, Buffer.alloc(clusters * this.#clusterSize - l1.length)]);
      await this.#writeBack();
    }
    // Size, (encryption, none), length and place of the L1 table: one write, so that a crash sees all or nothing.
    const fields = Buffer.alloc(FIELD.l1Offset + 8 - FIELD.size);
    fields.writeBigUInt64BE(BigInt(size));
    fields.writeUInt32BE(entries, FIELD.l1Size - FIELD.size);
    fields.writeBigUInt64BE(BigInt(offset), FIELD.l1Offset - FIELD.size);
    await this.#file.write(FIELD.size, [fields]);
    await this.#file.sync();
    this.#size = size;
    if (l1 !== undefined) {
      this.#tables.moveL1(offset, l1);
      this.#pendingFree.push(...old);
    }
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    const done = (): void => {
      this.#underWay.delete(work);
    };
    work.then(done, done);
    return work;
  }
}
