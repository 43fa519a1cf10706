// From places on the disk to clusters of the file: the tables, read as stretches that are mapped in one way.

import { decodeL2, type Mapping } from './entries.ts';
import type { Qcow2Header } from './header.ts';
import type { Tables } from './tables.ts';

/** A stretch of the disk that is mapped in one way, inside one L2 table. */
export interface Run {
  readonly at: number;
  readonly length: number;
  readonly mapping: Mapping;
}

export class ClusterMap {
  readonly #tables: Tables;
  readonly #header: Qcow2Header;

  constructor(tables: Tables, header: Qcow2Header) {
    this.#tables = tables;
    this.#header = header;
  }

  /** The longest stretch from `at`, up to `end`, that is mapped in one way. */
  async run(at: number, end: number): Promise<Run> {
    const { clusterBits, clusterSize: size, version } = this.#header;
    const perTable = size / 8;
    const cluster = Math.floor(at / size);
    const l1 = Math.floor(cluster / perTable);
    const tableEnd = Math.min(end, (l1 + 1) * perTable * size);
    const found = this.#tables.lookup(l1);
    const table = found instanceof Promise ? await found : found;
    if (table === undefined) return { at, length: tableEnd - at, mapping: { kind: 'unallocated' } };
    let entry = cluster % perTable;
    const mapping = decodeL2(table.bytes, entry, clusterBits, version);
    let reach = (cluster + 1) * size;
    if (mapping.kind !== 'compressed') {
      for (let i = 1; reach < tableEnd; i += 1, reach += size) {
        entry += 1;
        if (!continues(mapping, decodeL2(table.bytes, entry, clusterBits, version), i * size)) break;
      }
    }
    return { at, length: Math.min(reach, tableEnd) - at, mapping };
  }

  /** Stretch by stretch; each is looked up when the one before it has been dealt with. */
  async *runs(start: number, end: number): AsyncGenerator<Run> {
    for (let at = start; at < end; ) {
      const run = await this.run(at, end);
      yield run;
      at += run.length;
    }
  }

  async all(start: number, end: number): Promise<Run[]> {
    const runs: Run[] = [];
    for (let at = start; at < end; ) {
      const run = await this.run(at, end);
      runs.push(run);
      at += run.length;
    }
    return runs;
  }
}

/** Whether the next cluster carries a stretch on: the same kind, and right behind it in the file where that counts. */
function continues(first: Mapping, next: Mapping, distance: number): boolean {
  if (first.kind === 'data') {
    return next.kind === 'data' && next.copied === first.copied && next.host === first.host + distance;
  }
  if (first.kind === 'zero') {
    if (next.kind !== 'zero' || next.copied !== first.copied) return false;
    return first.host === undefined ? next.host === undefined : next.host === first.host + distance;
  }
  return first.kind === 'unallocated' && next.kind === 'unallocated';
}

/** The host cluster that an entry keeps while it reads as zero, when it is ours alone. */
export function keptCluster(run: Run, index: number, clusterSize: number): number | undefined {
  const { mapping } = run;
  if (mapping.kind !== 'zero' || !mapping.copied || mapping.host === undefined) return undefined;
  return mapping.host + index * clusterSize;
}
