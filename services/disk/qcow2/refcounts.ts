// The refcounts of a writable image: which host clusters are in use, and where new ones come from.
//
//   refcount table (one array of 64-bit offsets) ──► refcount block (one cluster of counts) ──► counts of an area
//
// Everything here changes in memory; Qcow2Disk.flush decides when it is written, in the order that its header explains.
// Invariants: an area's block, once made, lies inside that area or behind a moved table; a cluster handed out is counted 1
// before anything may point at it; no cluster that holds metadata is ever handed out, whatever the counts claim.

import { CumuletError } from '#base';
import type { HostFile } from '../host-file.ts';
import type { Qcow2Header } from './header.ts';

interface Block {
  readonly bytes: Buffer;
  dirty: boolean;
}

export interface ClusterRun {
  /** Index of the first host cluster. */
  readonly first: number;
  readonly count: number;
  /** Never written since the file grew past it: it reads as zero. */
  readonly virgin: boolean;
}

const corrupt = (why: string) => new CumuletError('invalid', `The qcow2 image is corrupt: ${why}.`);

export class Refcounts {
  readonly #file: HostFile;
  readonly #clusterSize: number;
  readonly #order: number;
  /** Clusters that one block counts. */
  readonly #area: number;
  /** Clusters that hold metadata: shared with the disk, which adds its tables. */
  readonly #metadata: Set<number>;
  readonly #blocks = new Map<number, Block>();
  #table: Float64Array;
  #tableOffset: number;
  #tableDirty = false;
  /** Where the table was before it moved; released once the header points at the new one. */
  #retired: number[] = [];
  /** No cluster below is free. */
  #hint = 0;
  /** From here on the file was never written. */
  #virginFrom: number;

  private constructor(file: HostFile, header: Qcow2Header, table: Float64Array, metadata: Set<number>) {
    this.#file = file;
    this.#clusterSize = header.clusterSize;
    this.#order = header.refcountOrder;
    this.#area = (header.clusterSize * 8) / 2 ** header.refcountOrder;
    this.#metadata = metadata;
    this.#table = table;
    this.#tableOffset = header.refcountTableOffset;
    this.#virginFrom = Math.ceil(file.size / header.clusterSize);
  }

  static async load(file: HostFile, header: Qcow2Header, metadata: Set<number>): Promise<Refcounts> {
    const bytes = Buffer.alloc(header.refcountTableClusters * header.clusterSize);
    await file.read(header.refcountTableOffset, [bytes]);
    const table = new Float64Array(bytes.length / 8);
    for (let i = 0; i < table.length; i += 1) {
      const at = Number(bytes.readBigUInt64BE(i * 8));
      if (at % header.clusterSize !== 0 || at >= Math.max(file.size, 1)) throw corrupt('a refcount block is misplaced');
      table[i] = at;
      if (at !== 0) metadata.add(at / header.clusterSize);
    }
    const first = header.refcountTableOffset / header.clusterSize;
    for (let i = 0; i < header.refcountTableClusters; i += 1) metadata.add(first + i);
    return new Refcounts(file, header, table, metadata);
  }

  get dirty(): boolean {
    return this.#tableDirty || [...this.#blocks.values()].some((block) => block.dirty);
  }

  get tableOffset(): number {
    return this.#tableOffset;
  }

  get tableClusters(): number {
    return (this.#table.length * 8) / this.#clusterSize;
  }

  /** A run of at most `want` free clusters, now counted 1 each. */
  async allocate(want: number): Promise<ClusterRun> {
    for (let index = this.#hint; ; ) {
      const area = Math.floor(index / this.#area);
      const block = await this.#blockFor(area);
      const end = (area + 1) * this.#area;
      while (index < end && !this.#isFree(block, index)) index += 1;
      if (index === end) continue;
      let count = 1;
      while (count < want && index + count < end && this.#isFree(block, index + count)) count += 1;
      for (let i = 0; i < count; i += 1) this.#set(block, index + i, 1);
      this.#hint = index + count;
      const virgin = index >= this.#virginFrom;
      this.#virginFrom = Math.max(this.#virginFrom, index + count);
      return { first: index, count, virgin };
    }
  }

  /** Exactly `count` clusters in one run, at the end of all areas: for tables that must be contiguous. */
  async allocateContiguous(count: number): Promise<number> {
    let area = this.#table.length;
    while (area > 0 && this.#table[area - 1] === 0) area -= 1;
    area = Math.max(area, Math.ceil(this.#file.size / this.#clusterSize / this.#area));
    return this.#layOut(area, count);
  }

  /** Counts one use less. The caller has made sure that nothing on the disk points at it any more. */
  async release(index: number): Promise<number> {
    const area = Math.floor(index / this.#area);
    if (area >= this.#table.length || this.#table[area] === 0)
      throw corrupt(`cluster ${index} is used but not counted`);
    const block = await this.#blockFor(area);
    const left = this.#get(block, index) - 1;
    if (left < 0) throw corrupt(`cluster ${index} is used but its refcount is 0`);
    this.#set(block, index, left);
    if (left === 0) this.#hint = Math.min(this.#hint, index);
    return left;
  }

  async count(index: number): Promise<number> {
    const area = Math.floor(index / this.#area);
    if (area >= this.#table.length || this.#table[area] === 0) return 0;
    return this.#get(await this.#blockFor(area), index);
  }

  /** Stage 1 of a flush. True when something was written. */
  async writeBlocks(): Promise<boolean> {
    let wrote = false;
    for (const [area, block] of this.#blocks) {
      if (!block.dirty) continue;
      block.dirty = false;
      wrote = true;
      await this.#file.write(this.#table[area]!, [block.bytes]).catch((error: unknown) => {
        block.dirty = true;
        throw error;
      });
    }
    return wrote;
  }

  /** Stage 2, after the blocks are stable: the table that points at them. True when something was written. */
  async writeTable(): Promise<boolean> {
    if (!this.#tableDirty) return false;
    const bytes = Buffer.alloc(this.#table.length * 8);
    this.#table.forEach((at, i) => {
      bytes.writeBigUInt64BE(BigInt(at), i * 8);
    });
    await this.#file.write(this.#tableOffset, [bytes]);
    this.#tableDirty = false;
    return true;
  }

  /** The table lies where the header does not yet say. */
  get tableMoved(): boolean {
    return this.#retired.length > 0;
  }

  /** To be called when the stable header points at the moved table; returns the clusters of the old one, to be released. */
  tableSettled(): number[] {
    const retired = this.#retired;
    this.#retired = [];
    for (const index of retired) this.#metadata.delete(index);
    return retired;
  }

  async #blockFor(area: number): Promise<Block> {
    const known = this.#blocks.get(area);
    if (known !== undefined) return known;
    if (area >= this.#table.length || this.#table[area] === 0) {
      this.#layOut(area, 0);
      return this.#blocks.get(area)!;
    }
    const bytes = Buffer.alloc(this.#clusterSize);
    await this.#file.read(this.#table[area]!, [bytes]);
    const block = { bytes, dirty: false };
    this.#blocks.set(area, block);
    return block;
  }

  /**
   * Takes a run that starts at the first cluster of an area without a block: `count` clusters for the caller, then the
   * blocks that count them (themselves included), preceded by a longer refcount table where the old one is too short.
   */
  #layOut(area: number, count: number): number {
    const first = area * this.#area;
    const perTable = this.#clusterSize / 8;
    let tableClusters = 0;
    let blocks = 1;
    for (;;) {
      const needed = Math.ceil((count + tableClusters + blocks) / this.#area);
      const lastArea = area + Math.max(needed, blocks);
      const tableNeeded =
        lastArea > this.#table.length ? Math.ceil(Math.max(lastArea, this.#table.length * 1.5) / perTable) : 0;
      if (needed <= blocks && tableNeeded <= tableClusters) break;
      blocks = Math.max(blocks, needed);
      tableClusters = Math.max(tableClusters, tableNeeded);
    }
    const total = count + tableClusters + blocks;
    for (let i = 0; i < total; i += 1) {
      if (this.#metadata.has(first + i)) throw corrupt(`metadata at cluster ${first + i} is not counted`);
    }
    if (tableClusters > 0) {
      const old = this.#tableOffset / this.#clusterSize;
      for (let i = 0; i < this.tableClusters; i += 1) this.#retired.push(old + i);
      this.#tableOffset = (first + count) * this.#clusterSize;
      const table = new Float64Array(tableClusters * perTable);
      table.set(this.#table);
      this.#table = table;
    }
    for (let i = 0; i < blocks; i += 1) {
      this.#table[area + i] = (first + count + tableClusters + i) * this.#clusterSize;
      this.#blocks.set(area + i, { bytes: Buffer.alloc(this.#clusterSize), dirty: true });
    }
    for (let i = 0; i < total; i += 1) {
      this.#set(this.#blocks.get(area + Math.floor(i / this.#area))!, first + i, 1);
      if (i >= count) this.#metadata.add(first + i);
    }
    this.#tableDirty = true;
    this.#virginFrom = Math.max(this.#virginFrom, first + total);
    return first;
  }

  #isFree(block: Block, index: number): boolean {
    return this.#get(block, index) === 0 && !this.#metadata.has(index);
  }

  #get(block: Block, index: number): number {
    const i = index % this.#area;
    const { bytes } = block;
    switch (this.#order) {
      case 3:
        return bytes[i]!;
      case 4:
        return bytes.readUInt16BE(i * 2);
      case 5:
        return bytes.readUInt32BE(i * 4);
      case 6:
        return Number(bytes.readBigUInt64BE(i * 8));
      default: {
        const bits = 2 ** this.#order;
        return (bytes[(i * bits) >> 3]! >> ((i * bits) & 7)) & ((1 << bits) - 1);
      }
    }
  }

  #set(block: Block, index: number, value: number): void {
    const i = index % this.#area;
    const { bytes } = block;
    block.dirty = true;
    switch (this.#order) {
      case 3:
        bytes[i] = value;
        break;
      case 4:
        bytes.writeUInt16BE(value, i * 2);
        break;
      case 5:
        bytes.writeUInt32BE(value, i * 4);
        break;
      case 6:
        bytes.writeBigUInt64BE(BigInt(value), i * 8);
        break;
      default: {
        const bits = 2 ** this.#order;
        const shift = (i * bits) & 7;
        const mask = ((1 << bits) - 1) << shift;
        bytes[(i * bits) >> 3] = (bytes[(i * bits) >> 3]! & ~mask) | (value << shift);
      }
    }
  }
}
