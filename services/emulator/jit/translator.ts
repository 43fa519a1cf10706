// The translator of one hart: takes places that the dispatcher found hot, turns the code around them into regions, a batch
// in one module, and hangs each into the decoded slot where it begins. What resets a decoded slot (fence.i that finds other
// bytes, a page given up) so takes the region out of use; its number is collected later. Code is kept under a cap: the oldest
// modules are dropped whole, because the engine frees code by module.

import {
  CODE,
  CODE_PAGE,
  CODE_PAGE_SIZE,
  HOT_ENTRY_SIZE,
  HOT_QUEUE,
  PAGE_SIZE,
  REGION_LIMIT,
  REGION_SLOTS,
  SLOTS_SIZE,
  TLB_FETCH,
  W,
} from '../hart/layout.ts';
import { HANDLER } from '../hart/slot.ts';
import { type BlockGraph, findBlocks } from './blocks.ts';
import type { FpFunction } from './effects.ts';
import { RegionModule } from './linkage.ts';
import { defineRegion, type PageVersion } from './region.ts';

export interface TranslatorOptions {
  /** The state memory, and where the hart's region starts in it. */
  readonly view: DataView;
  readonly base: number;
  /** Where regions are called through. */
  readonly table: WebAssembly.Table;
  /** What modules of regions import. */
  readonly imports: Record<string, unknown>;
  /** Writes the slot of an instruction in the form that cold functions read. */
  readonly decodeCold: (slot: number, bits: number) => void;
  /** Visits until a place is translated. */
  readonly threshold: number;
  readonly instructionLimit?: number;
  /** Bytes of WebAssembly that are kept. */
  readonly byteLimit?: number;
}

/** Defaults: small enough that the engine's optimizer takes some milliseconds for one. */
const INSTRUCTION_LIMIT = 500;
const PAGE_LIMIT = 4;
const BYTE_LIMIT = 24 * 1024 * 1024;
const FIRST_COLLECTION = 512;
/** From so many visits on, what a place leads to has been executed too. */
const SURE_THRESHOLD = 32;
/** Places are translated together: so many, or when the first has waited for so many slices. */
const BATCH = 16;
const PATIENCE = 16;
/** Visits are counted in 16 bits. */
const MAX_THRESHOLD = 0xffff;
const REJECTED_LIMIT = 4096;

interface Batch {
  readonly bytes: number;
  readonly regions: Region[];
}

interface Region {
  readonly index: number;
  readonly slot: number;
  /** Address and version of the decoded page that it begins in. */
  readonly page: number;
  readonly version: number;
}

interface Candidate {
  readonly slot: number;
  readonly page: number;
  readonly graph: BlockGraph;
  readonly pages: ReadonlyMap<number, PageVersion>;
}

export class Translator {
  readonly #o: TranslatorOptions;
  readonly #free: number[] = [];
  /** Places where nothing can be translated, with the version of their page. */
  readonly #rejected = new Map<number, number>();
  #next = 0;
  #waited = 0;
  #batches: Batch[] = [];
  #bytes = 0;
  #collectAt = FIRST_COLLECTION;
  #counters = { translated: 0, instructions: 0, rejected: 0, invalidated: 0, evicted: 0, batches: 0, milliseconds: 0 };

  constructor(options: TranslatorOptions) {
    this.#o = options;
  }

  /** Counts visits; only what is `factor` times as hot is translated. */
  start(factor = 1): void {
    this.#setWord('hotThreshold', Math.min(this.#o.threshold * factor, MAX_THRESHOLD));
  }

  get live(): number {
    return this.#next - this.#free.length;
  }

  counters(): Readonly<Record<string, number>> {
    const c = this.#counters;
    return {
      regions: this.live,
      regions_bytes: this.#bytes,
      regions_translated: c.translated,
      regions_instructions: c.instructions,
      regions_rejected: c.rejected,
      regions_invalidated: c.invalidated,
      regions_evicted: c.evicted,
      regions_batches: c.batches,
      regions_milliseconds: Math.round(c.milliseconds),
    };
  }

  /** Translates what became hot, when it is enough for a batch. Called between slices, on the hart's thread. */
  serve(waiting: number): void {
    if (waiting < BATCH && ++this.#waited < PATIENCE && this.#o.threshold >= SURE_THRESHOLD) return;
    this.#waited = 0;
    const began = performance.now();
    const candidates = this.#takeQueue();
    if (candidates.length > 0) this.#translate(candidates);
    this.#counters.milliseconds += performance.now() - began;
  }

  /** Forgets everything: the decoded pages are gone. */
  clear(): void {
    for (const batch of this.#batches) for (const region of batch.regions) this.#drop(region);
    this.#batches = [];
    this.#bytes = 0;
    this.#rejected.clear();
    this.#setWord('hotCount', 0);
  }

  #setWord(name: 'hotCount' | 'hotThreshold', value: number): void {
    this.#o.view.setInt32(this.#o.base + W[name], value, true);
  }

  #takeQueue(): Candidate[] {
    const { view, base } = this.#o;
    const count = view.getInt32(base + W.hotCount, true);
    const seen = new Set<number>();
    const candidates: Candidate[] = [];
    for (let i = 0; i < count; i++) {
      const entry = base + HOT_QUEUE + i * HOT_ENTRY_SIZE;
      const slot = view.getInt32(entry, true);
      if (seen.has(slot)) continue;
      seen.add(slot);
      const candidate = this.#examine(slot, view.getInt32(entry + 4, true), view.getBigInt64(entry + 8, true));
      if (candidate) candidates.push(candidate);
    }
    this.#setWord('hotCount', 0);
    return candidates;
  }

  #examine(slot: number, context: number, virtual: bigint): Candidate | undefined {
    const { view, base } = this.#o;
    const number = Math.floor((slot - base - CODE) / CODE_PAGE_SIZE);
    const page = base + CODE + number * CODE_PAGE_SIZE;
    // Page 0 decodes nothing ahead.
    if (number === 0 || view.getInt32(page + CODE_PAGE.ramPage, true) === 0) return undefined;
    if (slot - page >= SLOTS_SIZE || view.getUint8(slot) === HANDLER.REGION) return undefined;
    // An instruction that straddles the page border is fetched on its own: no region begins with it.
    const place = (slot - page) >> 2;
    if (place === PAGE_SIZE - 2 && (view.getUint8(page + CODE_PAGE.raw + place) & 3) === 3) return undefined;
    const version = view.getInt32(page + CODE_PAGE.version, true);
    if (this.#rejected.get(slot) === version) return undefined;
    const pages = new Map<number, PageVersion>([[0, { decoded: page - base, version }]]);
    const pageAt = (distance: number): number | undefined => {
      const known = pages.get(distance);
      if (known) return base + known.decoded;
      const address = virtual + BigInt(distance * PAGE_SIZE);
      const entry = context + TLB_FETCH + ((Number(address & 0xffff_ffffn) >>> 8) & 0xff0);
      if (view.getBigInt64(entry, true) !== BigInt.asIntN(64, address)) return undefined;
      const found = view.getInt32(entry + 8, true);
      if (found < base + CODE + CODE_PAGE_SIZE) return undefined;
      pages.set(distance, { decoded: found - base, version: view.getInt32(found + CODE_PAGE.version, true) });
      return found;
    };
    const read = (offset: number): number | undefined => {
      const at = pageAt(offset >> 12);
      return at === undefined ? undefined : view.getUint16(at + CODE_PAGE.raw + (offset & (PAGE_SIZE - 1)), true);
    };
    // What was never decoded was never executed: ways that are not taken stay out.
    const executed = (offset: number): boolean => {
      const at = pageAt(offset >> 12);
      return at !== undefined && view.getUint8(at + (offset & (PAGE_SIZE - 1)) * 4) !== HANDLER.DECODE;
    };
    const limits = {
      instructions: this.#o.instructionLimit ?? INSTRUCTION_LIMIT,
      pages: PAGE_LIMIT,
      admits: this.#o.threshold < SURE_THRESHOLD ? () => true : executed,
    };
    const graph = findBlocks(read, place, limits);
    if (!graph) {
      if (this.#rejected.size >= REJECTED_LIMIT) this.#rejected.clear();
      this.#rejected.set(slot, version);
      this.#counters.rejected++;
      return undefined;
    }
    return { slot, page, graph, pages };
  }

  #translate(candidates: readonly Candidate[]): void {
    this.#collect();
    const calls = new Map<string, FpFunction>();
    for (const { graph } of candidates) {
      for (const block of graph.blocks.values()) {
        for (const step of block.steps) for (const call of step.effects.calls) calls.set(call.name, call);
      }
    }
    const rt = new RegionModule(calls.values());
    candidates.forEach(({ graph, pages }, i) => {
      rt.module.export(`r${i}`, defineRegion(rt, `region_${graph.entry.toString(16)}`, { graph, pages }));
    });
    const bytes = rt.module.bytes();
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: this.#o.imports });
    const regions: Region[] = [];
    candidates.forEach((candidate, i) => {
      const region = this.#install(candidate, instance.exports[`r${i}`]);
      if (region) regions.push(region);
      this.#counters.instructions += candidate.graph.instructions;
    });
    this.#counters.translated += regions.length;
    this.#counters.batches++;
    this.#batches.push({ bytes: bytes.length, regions });
    this.#bytes += bytes.length;
    while (this.#bytes > (this.#o.byteLimit ?? BYTE_LIMIT) && this.#batches.length > 1) this.#evict();
  }

  #install({ slot, page, graph }: Candidate, region: unknown): Region | undefined {
    const { view, base, table } = this.#o;
    const index = this.#free.pop() ?? this.#next;
    if (index >= REGION_LIMIT) return undefined;
    if (index === this.#next) this.#next++;
    if (index >= table.length) table.grow(Math.min(Math.max(256, table.length), REGION_LIMIT - table.length));
    table.set(index, region);
    const raw = page + CODE_PAGE.raw + graph.entry;
    const { length } = graph.blocks.get(graph.entry)!.steps[0]!;
    const low = view.getUint16(raw, true);
    const cold = base + REGION_SLOTS + index * 8;
    this.#o.decodeCold(cold, length === 2 ? low : low | (view.getUint16(raw + 2, true) << 16));
    view.setInt32(slot + 4, index, true);
    view.setInt32(slot, HANDLER.REGION | (length << 8), true);
    return { index, slot, page, version: view.getInt32(page + CODE_PAGE.version, true) };
  }

  #linked({ slot, index, page, version }: Region): boolean {
    const { view } = this.#o;
    if (view.getInt32(page + CODE_PAGE.version, true) !== version) return false;
    return view.getUint8(slot) === HANDLER.REGION && view.getInt32(slot + 4, true) === index;
  }

  /** Takes a region out of use. */
  #drop(region: Region): void {
    if (this.#linked(region)) this.#o.view.setUint8(region.slot, HANDLER.DECODE);
    this.#o.table.set(region.index, null);
    this.#free.push(region.index);
  }

  /** Frees the numbers of regions that are reached no more. */
  #collect(): void {
    if (this.live < this.#collectAt) return;
    for (const batch of this.#batches) {
      const kept = batch.regions.filter((region) => this.#linked(region));
      if (kept.length === batch.regions.length) continue;
      for (const region of batch.regions) if (!kept.includes(region)) this.#drop(region);
      this.#counters.invalidated += batch.regions.length - kept.length;
      batch.regions.splice(0, batch.regions.length, ...kept);
      if (kept.length === 0) this.#bytes -= batch.bytes;
    }
    this.#batches = this.#batches.filter((batch) => batch.regions.length > 0);
    this.#collectAt = Math.max(FIRST_COLLECTION, this.live * 2);
    while (this.live >= REGION_LIMIT * 0.9) this.#evict();
  }

  #evict(): void {
    const oldest = this.#batches.shift();
    if (!oldest) return;
    for (const region of oldest.regions) this.#drop(region);
    this.#bytes -= oldest.bytes;
    this.#counters.evicted += oldest.regions.length;
  }
}
