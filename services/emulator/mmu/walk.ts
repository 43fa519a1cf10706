// The page walk: Sv39 and Sv48 (privileged spec, 10.3 to 10.5) with Svnapot, Svpbmt and Svadu (chapters 11 to 14), PMP
// checks of tables and of the page, and the refill of the TLB.

import { RAM_BASE } from '../hart/contract.ts';
import { ENVCFG } from '../hart/envcfg.ts';
import {
  DIRTY_BITS,
  DIRTY_ON,
  TLB_FETCH,
  TLB_SUPER_HIGH,
  TLB_SUPER_LOW,
  TLB_WALKS,
  TLB_WRITE,
  TRANSIENT_LIMIT,
  TRANSIENTS,
} from '../hart/layout.ts';
import { ACCESS, CAUSE, type Runtime } from '../hart/runtime.ts';
import type { Code } from '../wasm/code.ts';
import { type I32, type I64, i32, i64, select } from '../wasm/expr.ts';
import { PMP_NEED } from './pmp.ts';
import { dataIndex, fetchIndex, pageOf, SUPERVISOR_CONTEXT } from './tlb.ts';

const PTE = { V: 1n, R: 2n, W: 4n, X: 8n, U: 16n, G: 32n, A: 64n, D: 128n } as const;
const PTE_RESERVED = 0x1fc0_0000_0000_0000n;
/** Svnapot: a leaf of 16 pages in a row; Svpbmt: the memory type, which means nothing to us but must be allowed. */
const PTE_N = 1n << 63n;
const PTE_PBMT = 3n << 61n;
/** The only size that is defined: 64 KiB, shown by the low bits of the page number. */
const NAPOT_MASK = 0xfn << 10n;
const NAPOT_64K = 8n << 10n;
const PPN_MASK = (1n << 44n) - 1n;
const SUM = 1n << 18n;
const MXR = 1n << 19n;
const SUPERVISOR = 1;
const MACHINE = 3;
const BASE = BigInt(RAM_BASE);
/** Physical addresses have 56 bits. */
const PA_LIMIT = 1n << 56n;

/** By kind of access. */
const PAGE_FAULTS = [CAUSE.FETCH_PAGE, CAUSE.LOAD_PAGE, CAUSE.STORE_PAGE] as const;
const ACCESS_FAULTS = [CAUSE.FETCH_ACCESS, CAUSE.LOAD_ACCESS, CAUSE.STORE_ACCESS] as const;

const has = (pte: I64, bits: bigint): I32 => i64.ne(i64.and(pte, bits), 0n);
const lacks = (pte: I64, bits: bigint): I32 => i64.eqz(i64.and(pte, bits));

/** The one of three constants that belongs to the kind of access. */
const byAccess = (access: I32, values: readonly number[]): I64 =>
  select(
    i32.eq(access, ACCESS.LOAD),
    i64.const(values[1]!),
    select(i32.eq(access, ACCESS.STORE), i64.const(values[2]!), i64.const(values[0]!)),
  );

const needOf = (access: I32): I32 =>
  select(
    i32.eq(access, ACCESS.LOAD),
    i32.const(PMP_NEED.R),
    select(i32.eq(access, ACCESS.STORE), i32.const(PMP_NEED.W), i32.const(PMP_NEED.X)),
  );

/**
 * walk(h, address, access, size) -> physical address. `size` bytes are within the page. Accesses to RAM leave an
 * entry in the TLB where PMP allows the whole page; fetches leave the decoded page.
 */
export function defineWalk(rt: Runtime): void {
  const { state, ram } = rt;
  const failed = i64.const(-1n);
  const walk = rt.declare('walk', ['i32', 'i64', 'i32', 'i32'], 'i64');
  const noteWrite = rt.declare('noteWrite', ['i32', 'i64'], undefined);
  const accessFault = rt.declare('accessFault', ['i32', 'i64', 'i32'], 'i64');
  const inRam = (h: I32, pa: I64, size: number): I32 =>
    i64.leU(i64.sub(pa, BASE), i64.sub(rt.word64(h, 'ramBytes'), i64.const(size)));

  rt.module.define(accessFault, ['i32', 'i64', 'i32'], (c, h, address, access) => {
    rt.raise(c, h.get, byAccess(access.get, ACCESS_FAULTS), address.get, failed);
  });

  // (h, offset in RAM): the dirty log, when it is on. Stores come here once for each page in a round of the log, for that is
  // how often they miss the TLB.
  rt.module.define(noteWrite, ['i32', 'i64'], (c, h, offset) => {
    c.if(state.load('i32', i32.const(DIRTY_ON)), () =>
      c.if(i64.ltU(offset.get, rt.word64(h.get, 'ramBytes')), () => {
        const page = c.let(i32.wrap(i64.shrU(offset.get, 12n)));
        const word = c.let(i32.add(i32.const(DIRTY_BITS), i32.shl(i32.shrU(page, 5), 2)));
        const bit = c.let(i32.shl(i32.const(1), i32.and(page, 31)));
        c.if(i32.eqz(i32.and(state.load('i32', word), bit)), () => c.do(state.atomicUpdate('i32', 'or', word, bit)));
      }),
    );
  });

  rt.module.define(walk, ['i32', 'i64', 'i32', 'i32'], (c, h, address, access, size) => {
    rt.count(c, h.get, 'tlbMisses');
    const table = c.let(
      select(i32.eq(access.get, ACCESS.FETCH), rt.word32(h.get, 'fetchContext'), rt.word32(h.get, 'dataContext')),
    );
    c.store(state, 'i32', table, i32.add(state.load('i32', table, TLB_WALKS), 1), TLB_WALKS);
    const privilege = c.let(
      select(i32.eq(access.get, ACCESS.FETCH), rt.word32(h.get, 'privilege'), rt.word32(h.get, 'dataPrivilege')),
    );
    const satp = c.let(rt.word64(h.get, 'satp'));
    const mode = c.let(i32.wrap(i64.shrU(satp, 60n)));
    const pa = c.var(address.get);
    const pte = c.local('i64');
    const shift = c.local('i64');
    c.set(pte, i64.const(PTE.G));
    c.set(shift, i64.const(12n));
    const deny = (): void => c.return(accessFaultOf());
    const accessFaultOf = (): I64 => accessFault.call(h.get, address.get, access.get) as unknown as I64;

    c.if(i32.and(i32.ne(privilege, MACHINE), i32.ne(mode, 0)), () => {
      const fault = (): void => rt.raise(c, h.get, byAccess(access.get, PAGE_FAULTS), address.get, failed);
      const status = c.let(rt.word64(h.get, 'mstatus'));
      // Sv39 is mode 8 and has 3 levels, Sv48 is 9 and has 4.
      const levels = c.let(i64.extendU(i32.sub(mode, 5)));
      const spare = c.let(i64.sub(i64.const(52n), i64.mul(levels, 9n)));
      c.if(i64.ne(i64.shrS(i64.shl(address.get, spare), spare), address.get), fault);
      c.set(shift, i64.add(i64.mul(levels, 9n), 3n));
      const table = c.var(i64.shl(i64.and(satp, PPN_MASK), 12n));
      c.loop((descend) => {
        const index = i64.and(i64.shrU(address.get, shift.get), 0x1ffn);
        const at = c.let(i64.add(table.get, i64.shl(index, 3n)));
        c.if(i32.eqz(inRam(h.get, at, 8)), deny);
        const S = i32.const(SUPERVISOR);
        c.if(i32.eqz(rt.call32('pmp', h.get, at, i64.add(at, 7n), i32.const(PMP_NEED.R), S)), deny);
        const offset = c.let(i32.wrap(i64.sub(at, BASE)));
        c.set(pte, ram.load('i64', offset));
        c.if(i32.or(lacks(pte.get, PTE.V), has(pte.get, PTE_RESERVED)), fault);
        c.if(i64.eq(i64.and(pte.get, PTE.R | PTE.W), PTE.W), fault);
        c.if(lacks(pte.get, PTE.R | PTE.X), () => {
          // A pointer to the next table: D, A and U are reserved in it.
          const reserved = PTE.D | PTE.A | PTE.U | PTE_N | PTE_PBMT;
          c.if(i32.or(has(pte.get, reserved), i64.leU(shift.get, 12n)), fault);
          c.set(table, i64.shl(i64.and(i64.shrU(pte.get, 10n), PPN_MASK), 12n));
          c.set(shift, i64.sub(shift.get, 9n));
          c.br(descend);
        });
        c.if(has(pte.get, PTE_N | PTE_PBMT), () => {
          const type = c.let(i64.and(pte.get, PTE_PBMT));
          const off = lacks(rt.word64(h.get, 'menvcfg'), ENVCFG.PBMTE);
          c.if(i32.or(i32.and(i64.ne(type, 0n), off), i64.eq(type, PTE_PBMT)), fault);
          c.if(has(pte.get, PTE_N), () => {
            c.if(i32.or(i64.ne(shift.get, 12n), i64.ne(i64.and(pte.get, NAPOT_MASK), NAPOT_64K)), fault);
            c.set(shift, i64.const(16n));
          });
        });
        c.if(
          has(pte.get, PTE.U),
          () => {
            // A user page: not for S-mode, unless loads and stores are let through by SUM.
            const barred = i32.or(i32.eq(access.get, ACCESS.FETCH), lacks(status, SUM));
            c.if(i32.and(i32.eq(privilege, SUPERVISOR), barred), fault);
          },
          () => c.if(i32.eqz(privilege), fault),
        );
        const readable = select(has(status, MXR), i64.const(PTE.R | PTE.X), i64.const(PTE.R));
        const wanted = select(
          i32.eq(access.get, ACCESS.LOAD),
          readable,
          select(i32.eq(access.get, ACCESS.STORE), i64.const(PTE.W), i64.const(PTE.X)),
        );
        c.if(i64.eqz(i64.and(pte.get, wanted)), fault);
        const within = c.let(i64.sub(i64.shl(i64.const(1n), shift.get), 1n));
        const page = c.var(i64.shl(i64.and(i64.shrU(pte.get, 10n), PPN_MASK), 12n));
        c.if(has(pte.get, PTE_N), () => c.set(page, i64.and(page.get, i64.xor(within, -1n))));
        c.if(i64.ne(i64.and(page.get, within), 0n), fault);
        const isStore = i32.eq(access.get, ACCESS.STORE);
        const marks = c.let(select(isStore, i64.const(PTE.A | PTE.D), i64.const(PTE.A)));
        c.if(i64.ne(i64.and(pte.get, marks), marks), () => {
          // Svadu: software may ask to mark by itself.
          c.if(lacks(rt.word64(h.get, 'menvcfg'), ENVCFG.ADUE), fault);
          c.if(i32.eqz(rt.call32('pmp', h.get, at, i64.add(at, 7n), i32.const(PMP_NEED.W), S)), deny);
          const marked = c.let(i64.or(pte.get, marks));
          // Another hart may have changed the entry since it was read: then look at it again.
          c.brIf(descend, i64.ne(ram.atomicCompareExchange('i64', offset, pte.get, marked), pte.get));
          c.set(pte, marked);
          c.call(noteWrite, h.get, i64.sub(at, BASE));
        });
        c.set(pa, i64.or(page.get, i64.and(address.get, within)));
      });
    });

    c.if(i64.geU(pa.get, PA_LIMIT), deny);
    const need = c.let(needOf(access.get));
    const frame = c.let(pageOf(pa.get));
    const wholePage = c.var(rt.call32('pmp', h.get, frame, i64.or(frame, 0xfffn), need, privilege));
    c.if(i32.eqz(wholePage.get), () => {
      const last = i64.add(pa.get, i64.extendU(i32.sub(size.get, 1)));
      c.if(i32.eqz(rt.call32('pmp', h.get, pa.get, last, need, privilege)), deny);
    });
    c.if(i32.eq(access.get, ACCESS.STORE), () => c.call(noteWrite, h.get, i64.sub(pa.get, BASE)));
    c.if(i32.and(wholePage.get, inRam(h.get, frame, 4096)), () => {
      const fetching = c.let(i32.eq(access.get, ACCESS.FETCH));
      const page = c.let(pageOf(address.get));
      const offset = c.let(i32.wrap(i64.sub(frame, BASE)));
      const context = c.var(rt.word32(h.get, 'dataContext'));
      const entry = c.local('i32');
      const value = c.local('i32');
      c.if(
        fetching,
        () => {
          c.set(value, rt.call32('codePage', h.get, i32.shrU(offset, 12)));
          c.set(context, rt.word32(h.get, 'fetchContext'));
          c.set(entry, i32.add(i32.add(context.get, TLB_FETCH), fetchIndex(address.get)));
        },
        () => {
          const table = select(i32.eq(access.get, ACCESS.STORE), i32.const(TLB_WRITE), i32.const(0));
          c.set(value, i32.sub(offset, i32.wrap(page)));
          c.set(entry, i32.add(i32.add(context.get, table), dataIndex(address.get)));
        },
      );
      // What a debugger waits for has no entry: see hart/break.ts.
      c.if(i32.or(rt.word32(h.get, 'breakpoints'), rt.word32(h.get, 'watchpoints')), () =>
        c.if(
          fetching,
          () => c.if(rt.call32('breaksPage', h.get, page), () => c.return(pa.get)),
          () => c.if(rt.call32('watchesPage', h.get, page), () => c.return(pa.get)),
        ),
      );
      c.store(state, 'i64', entry.get, page);
      c.store(state, 'i32', entry.get, value.get, 8);
      noteFill(rt, c, h.get, context.get, page, entry.get, pte.get, shift.get, mode);
    });
    c.return(pa.get);
  });
}

/** What a refill owes to later flushes: superpages widen a range, transient entries are listed. */
function noteFill(
  rt: Runtime,
  c: Code,
  h: I32,
  context: I32,
  page: I64,
  entry: I32,
  pte: I64,
  shift: I64,
  mode: I32,
): void {
  const { state } = rt;
  c.if(i64.gtU(shift, 12n), () => {
    const size = c.let(i64.shl(i64.const(1n), shift));
    const low = c.let(i64.and(page, i64.sub(i64.const(0n), size)));
    const high = c.let(i64.add(low, i64.sub(size, 1n)));
    c.if(i64.ltU(low, state.load('i64', context, TLB_SUPER_LOW)), () =>
      c.store(state, 'i64', context, low, TLB_SUPER_LOW),
    );
    c.if(i64.gtU(high, state.load('i64', context, TLB_SUPER_HIGH)), () =>
      c.store(state, 'i64', context, high, TLB_SUPER_HIGH),
    );
  });
  const supervisor = i32.eq(context, i32.add(h, SUPERVISOR_CONTEXT));
  const transient = i32.or(i32.eqz(mode), i64.ne(i64.and(pte, PTE.G | PTE.U), PTE.G));
  c.if(i32.and(supervisor, transient), () => {
    const count = c.let(rt.word32(h, 'transients'));
    c.if(i32.ltU(count, TRANSIENT_LIMIT), () => {
      c.store(state, 'i32', i32.add(h, i32.shl(count, 2)), i32.sub(entry, h), TRANSIENTS);
      rt.setWord(c, h, 'transients', i32.add(count, 1));
    });
  });
}
