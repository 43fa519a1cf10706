// The TLBs of a hart: software tables in its region, filled by the walk and looked up inline by loads, stores and jumps.
//
//   context 0     M-mode: physical addresses
//   context 1     S-mode. Global entries stay when the address space changes; the others ("transients": not global, or
//                 user pages under SUM) are listed and dropped when SUM is cleared or satp changes
//   context 2..7  U-mode, one for each of the last address spaces, known by the value of satp
//
// A context has three direct-mapped tables of 16-byte entries { virtual page, addend }. A tag is the address of the
// page, whose low bits are 0; an empty entry is all ones. Read and write entries add to an address to give the offset
// in RAM; fetch entries hold the decoded page.

import {
  FETCH_ENTRIES,
  TLB,
  TLB_CONTEXT_SIZE,
  TLB_CONTEXTS,
  TLB_ENTRY_SIZE,
  TLB_EPOCH,
  TLB_FETCH,
  TLB_KEY,
  TLB_RETURNS,
  TLB_SUPER_HIGH,
  TLB_SUPER_LOW,
  TLB_WALKS,
  TLB_WRITE,
  TRANSIENT_LIMIT,
  TRANSIENTS,
} from '../hart/layout.ts';
import type { Runtime } from '../hart/runtime.ts';
import type { Code } from '../wasm/code.ts';
import { type I32, type I64, i32, i64, select } from '../wasm/expr.ts';

export const MACHINE_CONTEXT = TLB;
export const SUPERVISOR_CONTEXT = TLB + TLB_CONTEXT_SIZE;
const FIRST_USER = 2;

export const MSTATUS_MPRV = 1n << 17n;

/** Byte offset of the entry of `address` within a read or write table. */
export const dataIndex = (address: I64): I32 => i32.and(i32.shrU(i32.wrap(address), 8), 0x3ff0);
/** The same for the fetch table. */
export const fetchIndex = (address: I64): I32 => i32.and(i32.shrU(i32.wrap(address), 8), (FETCH_ENTRIES - 1) * 16);
export const pageOf = (address: I64): I64 => i64.and(address, -4096n);

/** Empties the tables of one context. `context` is an address in the state memory. */
function empty(rt: Runtime, c: Code, context: I32): void {
  c.fill(rt.state, context, i32.const(0xff), i32.const(TLB_FETCH + FETCH_ENTRIES * TLB_ENTRY_SIZE));
  c.store(rt.state, 'i64', context, i64.const(-1n), TLB_SUPER_LOW);
  c.store(rt.state, 'i64', context, i64.const(0n), TLB_SUPER_HIGH);
}

export function defineTlb(rt: Runtime): void {
  const { state } = rt;
  const dropTransients = rt.declare('dropTransients', ['i32'], undefined);
  const flushAll = rt.declare('flushAll', ['i32'], undefined);
  const flushWrites = rt.declare('flushWrites', ['i32'], undefined);
  const flushAddress = rt.declare('flushAddress', ['i32', 'i32', 'i64'], undefined);
  const sfenceVma = rt.declare('sfenceVma', ['i32', 'i64', 'i32', 'i64', 'i32'], undefined);
  const setContext = rt.declare('setContext', ['i32'], undefined);
  const setAddressSpace = rt.declare('setAddressSpace', ['i32', 'i64'], undefined);

  const writeSatp = rt.declare('writeSatp', ['i32', 'i64'], undefined);

  /** Runs `body` for each user context; `body` gets its address in the state memory. */
  const eachUser = (c: Code, h: I32, body: (context: I32) => void): void => {
    const context = c.var(i32.add(h, TLB + FIRST_USER * TLB_CONTEXT_SIZE));
    const end = c.let(i32.add(h, TLB + TLB_CONTEXTS * TLB_CONTEXT_SIZE));
    c.loop((again) => {
      body(context.get);
      c.set(context, i32.add(context.get, TLB_CONTEXT_SIZE));
      c.brIf(again, i32.ltU(context.get, end));
    });
  };

  rt.module.define(dropTransients, ['i32'], (c, h) => {
    const count = c.var(rt.word32(h.get, 'transients'));
    c.if(i32.geU(count.get, TRANSIENT_LIMIT), () => {
      empty(rt, c, i32.add(h.get, SUPERVISOR_CONTEXT));
      rt.setWord(c, h.get, 'transients', i32.const(0));
      c.return();
    });
    c.if(count.get, () => {
      c.loop((again) => {
        c.set(count, i32.sub(count.get, 1));
        const slot = i32.add(h.get, i32.shl(count.get, 2));
        c.store(state, 'i64', i32.add(h.get, state.load('i32', slot, TRANSIENTS)), i64.const(-1n));
        c.brIf(again, count.get);
      });
      rt.setWord(c, h.get, 'transients', i32.const(0));
    });
  });

  // All contexts, M-mode's too: for changes of PMP, restore, remote fences.
  rt.module.define(flushAll, ['i32'], (c, h) => {
    empty(rt, c, i32.add(h.get, MACHINE_CONTEXT));
    empty(rt, c, i32.add(h.get, SUPERVISOR_CONTEXT));
    rt.setWord(c, h.get, 'transients', i32.const(0));
    eachUser(c, h.get, (context) => c.store(state, 'i64', context, i64.const(-1n), TLB_KEY));
    c.call(setAddressSpace, h.get, rt.word64(h.get, 'satp'));
  });

  // Every page must be asked for again before the next store to it: how the dirty log learns of it.
  rt.module.define(flushWrites, ['i32'], (c, h) => {
    const table = c.var(i32.add(h.get, TLB + TLB_WRITE));
    const end = c.let(i32.add(h.get, TLB + TLB_CONTEXTS * TLB_CONTEXT_SIZE));
    c.loop((again) => {
      c.fill(state, table.get, i32.const(0xff), i32.const(TLB_FETCH - TLB_WRITE));
      c.set(table, i32.add(table.get, TLB_CONTEXT_SIZE));
      c.brIf(again, i32.ltU(table.get, end));
    });
  });

  // One page of one context. A superpage has an entry for each of its pages that was touched: where the address may
  // belong to one, all of the context goes.
  rt.module.define(flushAddress, ['i32', 'i32', 'i64'], (c, _h, context, address) => {
    const inSuper = i32.and(
      i64.geU(address.get, state.load('i64', context.get, TLB_SUPER_LOW)),
      i64.leU(address.get, state.load('i64', context.get, TLB_SUPER_HIGH)),
    );
    c.if(
      inSuper,
      () => empty(rt, c, context.get),
      () => {
        const page = c.let(pageOf(address.get));
        const data = c.let(i32.add(context.get, dataIndex(address.get)));
        const fetch = c.let(i32.add(context.get, fetchIndex(address.get)));
        for (const [entry, table] of [
          [data, 0],
          [data, TLB_WRITE],
          [fetch, TLB_FETCH],
        ] as const) {
          c.if(i64.eq(state.load('i64', entry, table), page), () =>
            c.store(state, 'i64', entry, i64.const(-1n), table),
          );
        }
      },
    );
  });

  // (h, address, 1: all addresses, asid, 1: all address spaces) (privileged spec, 10.2.1)
  rt.module.define(sfenceVma, ['i32', 'i64', 'i32', 'i64', 'i32'], (c, h, address, everywhere, asid, everyone) => {
    rt.count(c, h.get, 'sfences');
    const supervisor = c.let(i32.add(h.get, SUPERVISOR_CONTEXT));
    const matches = (context: I32): I32 => {
      const key = state.load('i64', context, TLB_KEY);
      return i32.or(everyone.get, i64.eqz(i64.and(i64.xor(i64.shrU(key, 44n), asid.get), 0xffffn)));
    };
    c.if(
      everywhere.get,
      () => {
        c.if(
          everyone.get,
          () => {
            empty(rt, c, supervisor);
            rt.setWord(c, h.get, 'transients', i32.const(0));
          },
          () => c.call(dropTransients, h.get),
        );
        eachUser(c, h.get, (context) =>
          c.if(matches(context), () => c.store(state, 'i64', context, i64.const(-1n), TLB_KEY)),
        );
        c.call(setAddressSpace, h.get, rt.word64(h.get, 'satp'));
      },
      () => {
        c.call(flushAddress, h.get, supervisor, address.get);
        eachUser(c, h.get, (context) =>
          c.if(matches(context), () => c.call(flushAddress, h.get, context, address.get)),
        );
      },
    );
  });

  // Chooses the tables by privilege and mstatus; empties a fetch table that is older than the last fence.i.
  rt.module.define(setContext, ['i32'], (c, h) => {
    const of = (privilege: I32): I32 =>
      select(
        i32.eq(privilege, 3),
        i32.add(h.get, MACHINE_CONTEXT),
        select(privilege, i32.add(h.get, SUPERVISOR_CONTEXT), rt.word32(h.get, 'userContext')),
      );
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    const status = c.let(rt.word64(h.get, 'mstatus'));
    const fetch = c.let(of(privilege));
    const dataPrivilege = c.var(privilege);
    c.if(i64.ne(i64.and(status, MSTATUS_MPRV), 0n), () =>
      c.if(i32.eq(privilege, 3), () => c.set(dataPrivilege, i32.and(i32.wrap(i64.shrU(status, 11n)), 3))),
    );
    rt.setWord(c, h.get, 'fetchContext', fetch);
    rt.setWord(c, h.get, 'dataPrivilege', dataPrivilege.get);
    rt.setWord(c, h.get, 'dataContext', of(dataPrivilege.get));
    const epoch = c.let(rt.word32(h.get, 'epoch'));
    c.if(i32.ne(state.load('i32', fetch, TLB_EPOCH), epoch), () => {
      const bytes = i32.const(FETCH_ENTRIES * TLB_ENTRY_SIZE);
      c.fill(state, i32.add(fetch, TLB_FETCH), i32.const(0xff), bytes);
      c.store(state, 'i32', fetch, epoch, TLB_EPOCH);
    });
  });

  // satp has this value from now on: find or make the user context of the address space.
  rt.module.define(setAddressSpace, ['i32', 'i64'], (c, h, satp) => {
    const found = c.var(i32.const(0));
    const free = c.var(i32.const(0));
    eachUser(c, h.get, (context) => {
      const key = c.let(state.load('i64', context, TLB_KEY));
      c.if(i64.eq(key, satp.get), () => {
        c.set(found, context);
        c.if(i32.ne(context, rt.word32(h.get, 'userContext')), () => {
          const returns = i32.add(state.load('i32', context, TLB_RETURNS), 1);
          c.store(state, 'i32', context, returns, TLB_RETURNS);
        });
      });
      c.if(i64.eq(key, -1n), () => c.set(free, context));
    });
    c.if(i32.eqz(found.get), () => {
      c.set(found, free.get);
      c.if(i32.eqz(found.get), () => {
        const next = c.let(rt.word32(h.get, 'contextNext'));
        c.set(found, i32.add(i32.add(h.get, TLB + FIRST_USER * TLB_CONTEXT_SIZE), i32.mul(next, TLB_CONTEXT_SIZE)));
        rt.setWord(c, h.get, 'contextNext', i32.remU(i32.add(next, 1), TLB_CONTEXTS - FIRST_USER));
      });
      empty(rt, c, found.get);
      c.store(state, 'i64', found.get, satp.get, TLB_KEY);
      c.store(state, 'i64', found.get, i64.const(0n), TLB_WALKS);
    });
    rt.setWord(c, h.get, 'userContext', found.get);
    c.call(setContext, h.get);
  });

  // satp is written: what the supervisor keeps beyond it is global, unless translation itself changes.
  rt.module.define(writeSatp, ['i32', 'i64'], (c, h, satp) => {
    const old = c.let(rt.word64(h.get, 'satp'));
    rt.setWord(c, h.get, 'satp', satp.get);
    c.if(
      i64.ne(i64.shrU(i64.xor(old, satp.get), 60n), 0n),
      () => c.call(flushAll, h.get),
      () => {
        c.call(dropTransients, h.get);
        c.call(setAddressSpace, h.get, satp.get);
      },
    );
  });
}
