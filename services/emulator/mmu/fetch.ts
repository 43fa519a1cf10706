// Decoded code. A page of RAM that is executed has a decoded page beside it: a slot of 8 bytes for each halfword, filled
// the first time it is reached, and a copy of the bytes that it is decoded from.
//
// Coherence: RISC-V promises that stores are seen by fetches only after fence.i (Zifencei). So stores, other harts and
// devices need not tell anybody: fence.i starts a new epoch, which empties the fetch tables, and a decoded page of an older
// epoch is compared with RAM (4 KiB, some 0.2 us) before it is entered again.

import { RAM_BASE } from '../hart/contract.ts';
import {
  CODE,
  CODE_DIRECTORY,
  CODE_PAGE,
  CODE_PAGE_SIZE,
  CODE_PAGES,
  PAGE_SIZE,
  SLOTS_SIZE,
  TLB_FETCH,
} from '../hart/layout.ts';
import { ACCESS, type Runtime } from '../hart/runtime.ts';
import { HANDLER } from '../hart/slot.ts';
import { type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { fetchIndex, pageOf } from './tlb.ts';

const BASE = BigInt(RAM_BASE);
/** Pages that are given up together when all are used, so that the fetch tables are emptied seldom. */
const RELEASE = 64;
/** Decoded page 0 decodes nothing ahead: each of its slots fetches on its own. For pages that PMP divides. */
export const STEP_PAGE = CODE;

export function defineFetch(rt: Runtime): void {
  const { state, ram } = rt;
  const codePage = rt.declare('codePage', ['i32', 'i32'], 'i32');
  const fetchPage = rt.declare('fetchPage', ['i32', 'i64'], 'i32');
  const fetch16 = rt.declare('fetch16', ['i32', 'i64'], 'i32');
  const fenceI = rt.declare('fenceI', ['i32'], undefined);
  const release = rt.declare('releasePages', ['i32', 'i32'], undefined);

  rt.module.define(fenceI, ['i32'], (c, h) => {
    rt.count(c, h.get, 'epoch');
    c.call(rt.fn('setContext'), h.get);
  });

  // Gives up the decoded pages from number `first`.
  rt.module.define(release, ['i32', 'i32'], (c, h, first) => {
    const page = c.var(i32.add(i32.add(h.get, CODE), i32.mul(first.get, CODE_PAGE_SIZE)));
    const left = c.var(i32.const(RELEASE));
    const used = c.var(i32.const(0));
    c.loop((again) => {
      const owner = c.let(state.load('i32', page.get, CODE_PAGE.ramPage));
      c.if(owner, () => {
        c.set(used, i32.const(1));
        const entry = i32.add(h.get, i32.shl(i32.sub(owner, 1), 2));
        c.store(state, 'i32', entry, i32.const(0), CODE_DIRECTORY);
        c.store(state, 'i32', page.get, i32.const(0), CODE_PAGE.ramPage);
      });
      c.set(page, i32.add(page.get, CODE_PAGE_SIZE));
      c.set(left, i32.sub(left.get, 1));
      c.brIf(again, left.get);
    });
    c.if(used.get, () => c.call(fenceI, h.get));
  });

  // (h, page of RAM) -> its decoded page, right for the present epoch.
  rt.module.define(codePage, ['i32', 'i32'], (c, h, ramPage) => {
    const entry = c.let(i32.add(h.get, i32.shl(ramPage.get, 2)));
    const page = c.var(state.load('i32', entry, CODE_DIRECTORY));
    const source = c.let(i32.shl(ramPage.get, 12));
    c.if(
      page.get,
      () => {
        const epoch = rt.word32(h.get, 'epoch');
        c.if(i32.eq(state.load('i32', page.get, CODE_PAGE.epoch), epoch), () => c.return(page.get));
        rt.count(c, h.get, 'codeChecks');
        c.store(state, 'i32', page.get, epoch, CODE_PAGE.epoch);
        const at = c.var(i32.const(0));
        c.block((different) => {
          c.loop((again) => {
            const copy = i32.add(page.get, at.get);
            const now = i32.add(source, at.get);
            for (let i = 0; i < 64; i += 8) {
              c.brIf(different, i64.ne(state.load('i64', copy, CODE_PAGE.raw + i), ram.load('i64', now, i)));
            }
            c.set(at, i32.add(at.get, 64));
            c.brIf(again, i32.ltU(at.get, PAGE_SIZE));
          });
          c.return(page.get);
        });
      },
      () => {
        const next = c.var(rt.word32(h.get, 'codeNext'));
        // Page 0 is the one for single steps.
        c.if(i32.eqz(next.get), () => c.set(next, i32.const(RELEASE)));
        c.if(i32.eqz(i32.and(next.get, RELEASE - 1)), () => c.call(release, h.get, next.get));
        rt.setWord(c, h.get, 'codeNext', i32.remU(i32.add(next.get, 1), CODE_PAGES));
        c.set(page, i32.add(i32.add(h.get, CODE), i32.mul(next.get, CODE_PAGE_SIZE)));
        c.store(state, 'i32', entry, page.get, CODE_DIRECTORY);
        c.store(state, 'i32', page.get, i32.add(ramPage.get, 1), CODE_PAGE.ramPage);
        c.store(state, 'i32', page.get, rt.word32(h.get, 'epoch'), CODE_PAGE.epoch);
        c.store(state, 'i64', page.get, i64.const(HANDLER.PAGE_END), CODE_PAGE.end);
      },
    );
    rt.count(c, h.get, 'codeFills');
    const version = i32.add(state.load('i32', page.get, CODE_PAGE.version), 1);
    c.store(state, 'i32', page.get, version, CODE_PAGE.version);
    c.fill(state, page.get, i32.const(HANDLER.DECODE), i32.const(SLOTS_SIZE));
    c.copy(state, i32.add(page.get, CODE_PAGE.raw), ram, source, i32.const(PAGE_SIZE));
    c.return(page.get);
  });

  // (h, pc) -> the decoded page of the pc, or 0 with a trap.
  rt.module.define(fetchPage, ['i32', 'i64'], (c, h, pc) => {
    const pa = c.let(rt.call64('walk', h.get, pc.get, i32.const(ACCESS.FETCH), i32.const(2)));
    c.if(rt.flag.get, () => c.return(i32.const(0)));
    c.if(i64.geU(i64.sub(pa, BASE), rt.word64(h.get, 'ramBytes')), () => {
      c.do(rt.call64('accessFault', h.get, pc.get, i32.const(ACCESS.FETCH)));
      c.return(i32.const(0));
    });
    const entry = c.let(i32.add(i32.add(rt.word32(h.get, 'fetchContext'), TLB_FETCH), fetchIndex(pc.get)));
    c.if(i64.eq(state.load('i64', entry), pageOf(pc.get)), () => c.return(state.load('i32', entry, 8)));
    c.return(i32.add(h.get, STEP_PAGE));
  });

  // (h, address) -> 16 bits of code, translated and checked on their own.
  rt.module.define(fetch16, ['i32', 'i64'], (c, h, address) => {
    const pa = c.let(rt.call64('walk', h.get, address.get, i32.const(ACCESS.FETCH), i32.const(2)));
    c.if(rt.flag.get, () => c.return(i32.const(0)));
    c.if(i64.geU(i64.sub(pa, BASE), rt.word64(h.get, 'ramBytes')), () => {
      c.do(rt.call64('accessFault', h.get, address.get, i32.const(ACCESS.FETCH)));
      c.return(i32.const(0));
    });
    c.return(ram.load('i32_16u', i32.wrap(i64.sub(pa, BASE))));
  });
}

/** Where the fetch entry of `pc` lies, for inlined look-ups. */
export const fetchEntry = (context: I32, pc: I64): I32 => i32.add(context, fetchIndex(pc));
