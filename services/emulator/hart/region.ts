// A hart's region of the state memory, as JavaScript reads and writes it: words by name, registers, and how all of it looks
// before the first instruction. layout.ts says where everything lies.

import { STEP_PAGE } from '../mmu/fetch.ts';
import { writePlainTable } from './csr-access.ts';
import { decoderTable } from './decoder.ts';
import { ENVCFG } from './envcfg.ts';
import {
  CODE,
  CODE_DIRECTORY,
  CODE_PAGE,
  CODE_PAGE_SIZE,
  CODE_PAGES,
  DECODER,
  DECODER_SIZE,
  F,
  hartOffset,
  LINES,
  PAGE_SIZE,
  PMP,
  PMP_CONFIGURATIONS,
  PMP_ENTRIES,
  SLOTS_SIZE,
  TLB,
  TLB_CONTEXT_SIZE,
  TLB_CONTEXTS,
  TLB_RETURNS,
  TLB_WALKS,
  TRAP_COUNTS,
  TRAP_KINDS,
  W,
  X,
} from './layout.ts';
import { HANDLER } from './slot.ts';
import { MSTATUS } from './trap.ts';

export type WordName = keyof typeof W;

export const MASK64 = (1n << 64n) - 1n;
const MACHINE = 3;
/** UXL and SXL: 64 bits, and nothing else is there. */
const XLEN_64 = ((MSTATUS.UXL | MSTATUS.SXL) / 3n) * 2n;

/** What other threads see of a hart without asking it: as of its last slice. */
export interface HartGlance {
  readonly id: number;
  readonly pc: bigint;
  readonly privilege: 0 | 1 | 3;
  readonly retired: bigint;
  /** In WFI. */
  readonly waiting: boolean;
}

export function glanceAt(state: SharedArrayBuffer, id: number): HartGlance {
  const view = new DataView(state, hartOffset(id));
  return {
    id,
    pc: view.getBigUint64(W.pc, true),
    privilege: view.getInt32(W.privilege, true) as 0 | 1 | 3,
    retired: view.getBigUint64(W.retired, true),
    waiting: view.getInt32(W.waiting, true) !== 0,
  };
}

const DECODER_TABLE = decoderTable();
if (DECODER_TABLE.byteLength > DECODER_SIZE) throw new Error('the decoder table has outgrown its place');

export class HartRegion {
  readonly base: number;
  readonly view: DataView;
  /** The whole state memory as words, for Atomics. */
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #ramBytes: number;

  constructor(id: number, state: WebAssembly.Memory, ramBytes: number) {
    this.base = hartOffset(id);
    this.view = new DataView(state.buffer);
    this.words = new Int32Array(state.buffer);
    this.#bytes = new Uint8Array(state.buffer);
    this.#ramBytes = ramBytes;
  }

  word(name: WordName): bigint {
    return this.view.getBigUint64(this.base + W[name], true);
  }
  setWord(name: WordName, value: bigint): void {
    this.view.setBigUint64(this.base + W[name], value & MASK64, true);
  }
  word32(name: WordName): number {
    return this.view.getInt32(this.base + W[name], true);
  }
  setWord32(name: WordName, value: number): void {
    this.view.setInt32(this.base + W[name], value, true);
  }

  getX(index: number): bigint {
    return this.view.getBigUint64(this.base + X + index * 8, true);
  }
  setX(index: number, value: bigint): void {
    if (index !== 0) this.view.setBigUint64(this.base + X + index * 8, value & MASK64, true);
  }
  getF(index: number): bigint {
    return this.view.getBigUint64(this.base + F + index * 8, true);
  }
  setF(index: number, value: bigint): void {
    this.view.setBigUint64(this.base + F + index * 8, value & MASK64, true);
  }

  /** Traps taken: 16 exceptions by cause, then 16 interrupts. */
  trapCount(kind: number): number {
    return this.view.getUint32(this.base + TRAP_COUNTS + kind * 4, true);
  }

  #zero(from: number, to: number): void {
    this.#bytes.fill(0, this.base + from, this.base + to);
  }

  /** Reset values. The words that other threads write (LINES and what follows) are left alone. */
  clear(): void {
    const { base } = this;
    const used = this.word32('codeFills') !== 0 || this.word32('codeNext') !== 0;
    this.#zero(X, LINES);
    this.#zero(PMP, PMP_CONFIGURATIONS + PMP_ENTRIES);
    this.#zero(TRAP_COUNTS, TRAP_COUNTS + TRAP_KINDS * 4);
    // What was never used is zero, and stays untouched: 8 MiB of the host's memory, and some milliseconds of a start.
    if (used) {
      this.#zero(CODE_DIRECTORY, CODE_DIRECTORY + (this.#ramBytes / PAGE_SIZE) * 4);
      for (let page = 0; page < CODE_PAGES; page++) {
        this.view.setInt32(base + CODE + page * CODE_PAGE_SIZE + CODE_PAGE.ramPage, 0, true);
      }
    }
    const step = base + STEP_PAGE;
    for (let slot = 0; slot < SLOTS_SIZE; slot += 8) this.#bytes[step + slot] = HANDLER.STEP;
    // An empty entry of a TLB, and a context that is nobody's, are all ones.
    const tlb = base + TLB;
    this.#bytes.fill(0xff, tlb, tlb + TLB_CONTEXTS * TLB_CONTEXT_SIZE);
    for (let context = 0; context < TLB_CONTEXTS; context++) {
      this.view.setInt32(tlb + context * TLB_CONTEXT_SIZE + TLB_WALKS, 0, true);
      this.view.setInt32(tlb + context * TLB_CONTEXT_SIZE + TLB_RETURNS, 0, true);
    }
    writePlainTable(this.view, base);
    this.words.set(DECODER_TABLE, (base + DECODER) / 4);
    this.setWord('ramBytes', BigInt(this.#ramBytes));
    this.setWord('reservation', -1n);
    this.setWord('stimecmp', MASK64);
    this.setWord('mstatus', XLEN_64);
    // As QEMU starts: page tables are marked by hardware unless software asks for faults.
    this.setWord('menvcfg', ENVCFG.PBMTE | ENVCFG.ADUE);
    this.setWord32('epoch', 1);
    this.setWord32('privilege', MACHINE);
  }
}
