// What lies in a hart's TLBs (mmu/tlb.ts), counted by context. Loads and stores that hit are not counted: the look-up is
// inlined into every one of them, and a counter there would cost more than the look-up. Every miss is a walk, and is.

import {
  FETCH_ENTRIES,
  TLB,
  TLB_CONTEXT_SIZE,
  TLB_CONTEXTS,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_FETCH,
  TLB_KEY,
  TLB_READ,
  TLB_RETURNS,
  TLB_WALKS,
  TLB_WRITE,
} from '../hart/layout.ts';
import type { HartRegion } from '../hart/region.ts';

export interface TlbContextLook {
  readonly mode: 'machine' | 'supervisor' | 'user';
  /** Of a user context: the address space that it is for. */
  readonly asid?: number;
  /** Physical page of that address space's root table, as satp holds it. */
  readonly rootPage?: number;
  /** The one that loads and stores, or fetches, go through now. */
  readonly current: boolean;
  /** Entries in use. */
  readonly reads: number;
  readonly writes: number;
  readonly fetches: number;
  /** Walks: accesses that missed, since the context belongs to this address space. */
  readonly walks: number;
  /** Times that the hart switched back to this address space and found its entries. */
  readonly returns: number;
}

export interface TlbLook {
  readonly walks: number;
  /** sfence.vma executed. */
  readonly fences: number;
  readonly contexts: readonly TlbContextLook[];
}

const FIRST_USER = 2;
const NOBODY = (1n << 64n) - 1n;

export function lookAtTlb(region: HartRegion): TlbLook {
  const { view, base } = region;
  const contexts: TlbContextLook[] = [];
  for (let number = 0; number < TLB_CONTEXTS; number++) {
    const place = TLB + number * TLB_CONTEXT_SIZE;
    const at = base + place;
    const key = view.getBigUint64(at + TLB_KEY, true);
    const user = number >= FIRST_USER;
    if (user && key === NOBODY) continue;
    const used = (table: number, entries: number): number => {
      let count = 0;
      for (let i = 0; i < entries; i++) {
        if (view.getBigUint64(at + table + i * TLB_ENTRY_SIZE, true) !== NOBODY) count++;
      }
      return count;
    };
    const hart = [region.word32('fetchContext'), region.word32('dataContext')];
    contexts.push({
      mode: number === 0 ? 'machine' : user ? 'user' : 'supervisor',
      ...(user ? { asid: Number((key >> 44n) & 0xffffn), rootPage: Number(key & ((1n << 44n) - 1n)) } : {}),
      current: hart.includes(at),
      reads: used(TLB_READ, TLB_ENTRIES),
      writes: used(TLB_WRITE, TLB_ENTRIES),
      fetches: used(TLB_FETCH, FETCH_ENTRIES),
      walks: view.getUint32(at + TLB_WALKS, true),
      returns: view.getUint32(at + TLB_RETURNS, true),
    });
  }
  return { walks: region.word32('tlbMisses') >>> 0, fences: region.word32('sfences') >>> 0, contexts };
}
