// Physical memory protection as a generated function (privileged spec, 3.7). The hart keeps the ranges of the entries
// ready in its region whenever a pmp CSR is written; here they are only compared.

import { PMP, PMP_ENTRY_SIZE } from '../hart/layout.ts';
import type { Runtime } from '../hart/runtime.ts';
import { i32, i64 } from '../wasm/expr.ts';

/** What an access needs: the R, W and X bits of pmpcfg. */
export const PMP_NEED = { R: 1, W: 2, X: 4 } as const;
const LOCKED = 0x80;
const MACHINE = 3;

/** pmp(h, first byte, last byte, need, privilege) -> 1 where the entry that decides allows the whole access. */
export function definePmp(rt: Runtime): void {
  const ref = rt.declare('pmp', ['i32', 'i64', 'i64', 'i32', 'i32'], 'i32');
  rt.module.define(ref, ['i32', 'i64', 'i64', 'i32', 'i32'], (c, h, first, last, need, privilege) => {
    const left = c.var(rt.word32(h.get, 'pmpActive'));
    const entry = c.var(h.get);
    const machine = c.let(i32.eq(privilege.get, MACHINE));
    c.block((none) => {
      c.loop((again) => {
        c.brIf(none, i32.eqz(left.get));
        const low = c.let(rt.state.load('i64', entry.get, PMP));
        const high = c.let(rt.state.load('i64', entry.get, PMP + 8));
        // The lowest-numbered entry that matches any byte decides, and it must match all of them (3.7.1.3).
        c.if(i32.and(i64.leU(low, last.get), i64.geU(high, first.get)), () => {
          c.if(i32.or(i64.gtU(low, first.get), i64.ltU(high, last.get)), () => c.return(i32.const(0)));
          const cfg = c.let(rt.state.load('i32', entry.get, PMP + 16));
          c.if(i32.and(machine, i32.eqz(i32.and(cfg, LOCKED))), () => c.return(i32.const(1)));
          c.return(i32.eq(i32.and(cfg, need.get), need.get));
        });
        c.set(entry, i32.add(entry.get, PMP_ENTRY_SIZE));
        c.set(left, i32.sub(left.get, 1));
        c.br(again);
      });
    });
    c.return(machine);
  });
}
