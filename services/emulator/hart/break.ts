// Breakpoints and watchpoints of a debugger, by virtual address, in every address space. They cost a guest without any
// nothing, for both work by keeping pages out of the TLB, where the slow way then looks at a list:
//
//   breakpoint   its page has no fetch entry: each of its instructions is fetched on its own (STEP_PAGE), and leaves
//                exec() instead of being executed when its address is in the list
//   watchpoint   its page has no read or write entry: each load and store of it comes to the slow way, and leaves exec()
//                before it is done. Translated code, which looks up the same entries, needs to know nothing of it
//
// The guest's memory is never changed: a guest that reads its own code sees its own code.

import type { Code } from '../wasm/code.ts';
import { type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { BREAKPOINTS, WATCHPOINT_SIZE, WATCHPOINTS } from './layout.ts';
import { ACCESS, type Runtime } from './runtime.ts';

/** Not of the spec (causes from 24 on are for custom use): it ends exec() and never reaches a guest. */
export const CAUSE_WATCHPOINT = 24;

/** Bits of a watchpoint's word of accesses. */
export const WATCH = { READ: 1, WRITE: 2 } as const;

export function defineBreak(rt: Runtime): void {
  const { state } = rt;
  const breaksPage = rt.declare('breaksPage', ['i32', 'i64'], 'i32');
  const breaksAt = rt.declare('breaksAt', ['i32', 'i64'], 'i32');
  const watchesPage = rt.declare('watchesPage', ['i32', 'i64'], 'i32');
  const watches = rt.declare('watches', ['i32', 'i64', 'i32', 'i32'], 'i32');

  /** Runs `body` for each of `count` entries of a table. */
  const each = (c: Code, h: I32, count: I32, table: number, size: number, body: (entry: I32) => void): void => {
    const left = c.var(count);
    const entry = c.var(i32.add(h, table));
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, i32.eqz(left.get));
        body(entry.get);
        c.set(entry, i32.add(entry.get, size));
        c.set(left, i32.sub(left.get, 1));
        c.br(again);
      });
    });
  };
  const samePage = (a: I64, b: I64): I32 => i64.eqz(i64.shrU(i64.xor(a, b), 12n));

  rt.module.define(breaksPage, ['i32', 'i64'], (c, h, pc) => {
    each(c, h.get, rt.word32(h.get, 'breakpoints'), BREAKPOINTS, 8, (entry) =>
      c.if(samePage(state.load('i64', entry), pc.get), () => c.return(i32.const(1))),
    );
    c.return(i32.const(0));
  });

  rt.module.define(breaksAt, ['i32', 'i64'], (c, h, pc) => {
    each(c, h.get, rt.word32(h.get, 'breakpoints'), BREAKPOINTS, 8, (entry) =>
      c.if(i64.eq(state.load('i64', entry), pc.get), () => c.return(i32.const(1))),
    );
    c.return(i32.const(0));
  });

  // An entry of the table: { first byte, last byte, accesses }.
  rt.module.define(watchesPage, ['i32', 'i64'], (c, h, address) => {
    const page = c.let(i64.and(address.get, -4096n));
    each(c, h.get, rt.word32(h.get, 'watchpoints'), WATCHPOINTS, WATCHPOINT_SIZE, (entry) => {
      const starts = i64.leU(state.load('i64', entry), i64.or(page, 0xfffn));
      c.if(i32.and(starts, i64.geU(state.load('i64', entry, 8), page)), () => c.return(i32.const(1)));
    });
    c.return(i32.const(0));
  });

  // (h, address, size, ACCESS) -> 1 with cause and tval set: the access is watched.
  rt.module.define(watches, ['i32', 'i64', 'i32', 'i32'], (c, h, address, size, access) => {
    const last = c.let(i64.add(address.get, i64.extendU(i32.sub(size.get, 1))));
    const wanted = c.let(i32.add(i32.eq(access.get, ACCESS.STORE), 1));
    each(c, h.get, rt.word32(h.get, 'watchpoints'), WATCHPOINTS, WATCHPOINT_SIZE, (entry) => {
      const meets = i32.and(i64.leU(state.load('i64', entry), last), i64.geU(state.load('i64', entry, 8), address.get));
      const kinds = i32.and(state.load('i32', entry, 16), wanted);
      c.if(i32.and(meets, i32.ne(kinds, 0)), () => {
        rt.setWord(c, h.get, 'cause', i64.const(CAUSE_WATCHPOINT));
        rt.setWord(c, h.get, 'tval', address.get);
        c.set(rt.flag, i32.const(1));
        c.return(i32.const(1));
      });
    });
    c.return(i32.const(0));
  });
}
