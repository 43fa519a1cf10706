// Operations on cache blocks as generated functions: (h, pc, address of the next instruction, address) -> STATUS.

import type { Code } from '../wasm/code.ts';
import { type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { ENVCFG } from './envcfg.ts';
import { ACCESS, CAUSE, type Linkage, type Runtime, STATUS } from './runtime.ts';

const MACHINE = 3;
/** The present mode may not do what these bits of envcfg stand for: menvcfg rules all below M-mode, senvcfg U-mode too. */
export function barred(rt: Linkage, h: I32, bits: bigint): I32 {
  const lacks = (word: 'menvcfg' | 'senvcfg'): I32 => i64.eqz(i64.and(rt.word64(h, word), bits));
  const privilege = rt.word32(h, 'privilege');
  return i32.or(i32.and(i32.ne(privilege, MACHINE), lacks('menvcfg')), i32.and(i32.eqz(privilege), lacks('senvcfg')));
}

const PARAMETERS = ['i32', 'i64', 'i64', 'i64'] as const;

export function defineCache(rt: Runtime): void {
  const inval = rt.declare('cbo_inval', PARAMETERS, 'i32');
  const manage = rt.declare('cbo_manage', PARAMETERS, 'i32');
  const next = i32.const(STATUS.NEXT);
  const trap = i32.const(STATUS.TRAP);

  const allowed = (c: Code, h: I32, bits: bigint): void =>
    c.if(barred(rt, h, bits), () => rt.raise(c, h, CAUSE.ILLEGAL, i64.const(0n), trap));

  /** Faults as a store does where neither loads nor stores are allowed: what may be stored to may be loaded. */
  const probe = (c: Code, h: I32, address: I64): void => {
    c.do(rt.call64('walk', h, address, i32.const(ACCESS.LOAD), i32.const(1)));
    c.if(rt.flag.get, () => {
      const cause = i64.add(rt.word64(h, 'cause'), CAUSE.STORE_PAGE - CAUSE.LOAD_PAGE);
      rt.setWord(c, h, 'cause', cause);
      c.return(trap);
    });
    c.return(next);
  };

  rt.module.define(inval, PARAMETERS, (c, h, _pc, _next, address) => {
    allowed(c, h.get, ENVCFG.CBIE);
    probe(c, h.get, address.get);
  });
  rt.module.define(manage, PARAMETERS, (c, h, _pc, _next, address) => {
    allowed(c, h.get, ENVCFG.CBCFE);
    probe(c, h.get, address.get);
  });
}
