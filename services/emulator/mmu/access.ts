// Loads and stores as functions: the slow half of the inlined ones (TLB miss, page crossing, devices), whole ones for rare
// instructions, and the addresses of atomic operations.

import { RAM_BASE } from '../hart/contract.ts';
import { TLB_WRITE } from '../hart/layout.ts';
import { ACCESS, CAUSE, type Runtime } from '../hart/runtime.ts';
import type { Code } from '../wasm/code.ts';
import { f64, type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { dataIndex, pageOf } from './tlb.ts';

const BASE = BigInt(RAM_BASE);

export function defineAccess(rt: Runtime): void {
  const { state, ram } = rt;
  const loadSlow = rt.declare('loadSlow', ['i32', 'i64', 'i32'], 'i64');
  const storeSlow = rt.declare('storeSlow', ['i32', 'i64', 'i32', 'i64'], undefined);
  const load = rt.declare('load', ['i32', 'i64', 'i32'], 'i64');
  const store = rt.declare('store', ['i32', 'i64', 'i32', 'i64'], undefined);
  const atomicAddress = rt.declare('atomicAddress', ['i32', 'i64', 'i32', 'i32'], 'i32');
  const zero = i64.const(0n);

  const offsetOf = (pa: I64): I32 => i32.wrap(i64.sub(pa, BASE));
  /** `size` bytes at `pa` are in RAM. */
  const inRam = (h: I32, pa: I64, size: I32): I32 =>
    i64.leU(i64.sub(pa, BASE), i64.sub(rt.word64(h, 'ramBytes'), i64.extendU(size)));
  const crosses = (address: I64, size: I32): I32 => i32.gtU(i32.add(i32.and(i32.wrap(address), 0xfff), size), 4096);

  /** Runs the branch for log2 of the size. */
  const bySize = (c: Code, size: I32, branches: readonly (() => void)[]): void =>
    c.switch(i32.ctz(size), branches, () => c.unreachable());

  const loadRam = (c: Code, offset: I32, size: I32): void =>
    bySize(c, size, [
      () => c.return(ram.load('i64_8u', offset)),
      () => c.return(ram.load('i64_16u', offset)),
      () => c.return(ram.load('i64_32u', offset)),
      () => c.return(ram.load('i64', offset)),
    ]);
  const storeRam = (c: Code, offset: I32, size: I32, value: I64): void =>
    bySize(c, size, [
      () => c.store(ram, 'i64_8', offset, value),
      () => c.store(ram, 'i64_16', offset, value),
      () => c.store(ram, 'i64_32', offset, value),
      () => c.store(ram, 'i64', offset, value),
    ]);

  /** The two physical addresses of an access that crosses a page border, and the bytes before the border. */
  const translateBoth = (c: Code, h: I32, address: I64, size: I32, access: number, failed?: I64) => {
    const before = c.let(i32.sub(i32.const(4096), i32.and(i32.wrap(address), 0xfff)));
    const after = c.let(i32.sub(size, before));
    const second = c.let(i64.add(i64.or(address, 0xfffn), 1n));
    const first = c.let(rt.call64('walk', h, address, i32.const(access), before));
    c.if(rt.flag.get, () => c.return(failed));
    const next = c.let(rt.call64('walk', h, second, i32.const(access), after));
    c.if(rt.flag.get, () => c.return(failed));
    const outside = i32.eqz(i32.and(inRam(h, first, before), inRam(h, next, after)));
    c.if(outside, () => {
      c.do(rt.call64('accessFault', h, address, i32.const(access)));
      c.return(failed);
    });
    return { before, first: c.let(offsetOf(first)), next: c.let(offsetOf(next)) };
  };

  /** Returns at once, with a trap that never reaches the guest, where a debugger watches these bytes. */
  const stopIfWatched = (c: Code, h: I32, address: I64, size: I32, access: I32, failed?: I32 | I64): void =>
    c.if(rt.word32(h, 'watchpoints'), () =>
      c.if(rt.call32('watches', h, address, size, access), () => c.return(failed)),
    );

  rt.module.define(loadSlow, ['i32', 'i64', 'i32'], (c, h, address, size) => {
    stopIfWatched(c, h.get, address.get, size.get, i32.const(ACCESS.LOAD), zero);
    c.if(crosses(address.get, size.get), () => {
      const { before, first, next } = translateBoth(c, h.get, address.get, size.get, ACCESS.LOAD, zero);
      const value = c.var(zero);
      const at = c.var(size.get);
      c.loop((again) => {
        c.set(at, i32.sub(at.get, 1));
        const later = i32.geU(at.get, before);
        const byte = c.local('i32');
        c.if(
          later,
          () => c.set(byte, ram.load('i32_8u', i32.add(next, i32.sub(at.get, before)))),
          () => c.set(byte, ram.load('i32_8u', i32.add(first, at.get))),
        );
        c.set(value, i64.or(i64.shl(value.get, 8n), i64.extendU(byte.get)));
        c.brIf(again, at.get);
      });
      c.return(value.get);
    });
    const pa = c.let(rt.call64('walk', h.get, address.get, i32.const(ACCESS.LOAD), size.get));
    c.if(rt.flag.get, () => c.return(zero));
    c.if(inRam(h.get, pa, size.get), () => loadRam(c, c.let(offsetOf(pa)), size.get));
    rt.count(c, h.get, 'busAccesses');
    const aligned = i32.eqz(i32.and(i32.wrap(pa), i32.sub(size.get, 1)));
    c.if(aligned, () =>
      c.if(rt.imports.busLoad.call(f64.fromI64U(pa), size.get), () => c.return(rt.word64(h.get, 'scratch'))),
    );
    c.return(rt.call64('accessFault', h.get, address.get, i32.const(ACCESS.LOAD)));
    c.unreachable();
  });

  rt.module.define(storeSlow, ['i32', 'i64', 'i32', 'i64'], (c, h, address, size, value) => {
    stopIfWatched(c, h.get, address.get, size.get, i32.const(ACCESS.STORE));
    c.if(crosses(address.get, size.get), () => {
      const { before, first, next } = translateBoth(c, h.get, address.get, size.get, ACCESS.STORE);
      const at = c.var(i32.const(0));
      c.loop((again) => {
        const later = i32.geU(at.get, before);
        c.if(
          later,
          () => c.store(ram, 'i64_8', i32.add(next, i32.sub(at.get, before)), value.get),
          () => c.store(ram, 'i64_8', i32.add(first, at.get), value.get),
        );
        c.set(value, i64.shrU(value.get, 8n));
        c.set(at, i32.add(at.get, 1));
        c.brIf(again, i32.ltU(at.get, size.get));
      });
      c.return();
    });
    const pa = c.let(rt.call64('walk', h.get, address.get, i32.const(ACCESS.STORE), size.get));
    c.if(rt.flag.get, () => c.return());
    c.if(inRam(h.get, pa, size.get), () => {
      storeRam(c, c.let(offsetOf(pa)), size.get, value.get);
      c.return();
    });
    rt.count(c, h.get, 'busAccesses');
    rt.setWord(c, h.get, 'scratch', value.get);
    const aligned = i32.eqz(i32.and(i32.wrap(pa), i32.sub(size.get, 1)));
    c.if(aligned, () => c.if(rt.imports.busStore.call(f64.fromI64U(pa), size.get), () => c.return()));
    c.do(rt.call64('accessFault', h.get, address.get, i32.const(ACCESS.STORE)));
  });

  const hit = (c: Code, h: I32, address: I64, size: I32, table: number, act: (offset: I32) => void): void => {
    const entry = c.let(i32.add(rt.word32(h, 'dataContext'), dataIndex(address)));
    const last = i64.add(address, i64.extendU(i32.sub(size, 1)));
    c.if(i64.eq(state.load('i64', entry, table), pageOf(last)), () =>
      act(c.let(i32.add(i32.wrap(address), state.load('i32', entry, table + 8)))),
    );
  };

  rt.module.define(load, ['i32', 'i64', 'i32'], (c, h, address, size) => {
    hit(c, h.get, address.get, size.get, 0, (offset) => loadRam(c, offset, size.get));
    c.return(loadSlow.call(h.get, address.get, size.get) as unknown as I64);
  });

  rt.module.define(store, ['i32', 'i64', 'i32', 'i64'], (c, h, address, size, value) => {
    hit(c, h.get, address.get, size.get, TLB_WRITE, (offset) => {
      storeRam(c, offset, size.get, value.get);
      c.return();
    });
    c.call(storeSlow, h.get, address.get, size.get, value.get);
  });

  // (h, address, size, 1: LR) -> offset in RAM. Atomics are for aligned addresses in RAM alone.
  rt.module.define(atomicAddress, ['i32', 'i64', 'i32', 'i32'], (c, h, address, size, reserve) => {
    const misaligned = i32.and(i32.wrap(address.get), i32.sub(size.get, 1));
    const byKind = (lr: number, other: number): I64 =>
      i64.extendU(i32.add(i32.mul(i32.sub(i32.const(1), reserve.get), other - lr), lr));
    c.if(misaligned, () =>
      rt.raise(c, h.get, byKind(CAUSE.LOAD_MISALIGNED, CAUSE.STORE_MISALIGNED), address.get, i32.const(0)),
    );
    c.if(
      reserve.get,
      () => hit(c, h.get, address.get, size.get, 0, (offset) => c.return(offset)),
      () => hit(c, h.get, address.get, size.get, TLB_WRITE, (offset) => c.return(offset)),
    );
    const access = c.let(i32.sub(i32.const(ACCESS.STORE), reserve.get));
    stopIfWatched(c, h.get, address.get, size.get, access, i32.const(0));
    const pa = c.let(rt.call64('walk', h.get, address.get, access, size.get));
    c.if(rt.flag.get, () => c.return(i32.const(0)));
    c.if(i32.eqz(inRam(h.get, pa, size.get)), () =>
      rt.raise(c, h.get, byKind(CAUSE.LOAD_ACCESS, CAUSE.STORE_ACCESS), address.get, i32.const(0)),
    );
    c.return(offsetOf(pa));
  });
}
