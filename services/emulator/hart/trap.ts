// Traps as generated functions (privileged spec, 3.1.6 to 3.3): entry with delegation, returns, pending interrupts, and
// the instructions that are about them. All return a STATUS unless said otherwise.

import type { Code } from '../wasm/code.ts';
import { choose, type I32, type I64, i32, i64, select } from '../wasm/expr.ts';
import { CAUSE_WATCHPOINT } from './break.ts';
import { LINES, TRAP_COUNTS, W } from './layout.ts';
import { CAUSE, EXIT, type Runtime, STATUS } from './runtime.ts';

/** Bits of mstatus. */
export const MSTATUS = {
  SIE: 1n << 1n,
  MIE: 1n << 3n,
  SPIE: 1n << 5n,
  MPIE: 1n << 7n,
  SPP: 1n << 8n,
  MPP: 3n << 11n,
  FS: 3n << 13n,
  MPRV: 1n << 17n,
  SUM: 1n << 18n,
  MXR: 1n << 19n,
  TVM: 1n << 20n,
  TW: 1n << 21n,
  TSR: 1n << 22n,
  UXL: 3n << 32n,
  SXL: 3n << 34n,
  SD: 1n << 63n,
} as const;

const USER = 0;
const SUPERVISOR = 1;
const MACHINE = 3;

/** Interrupts from the most urgent on (3.1.9). */
const PRIORITY = [11, 3, 7, 9, 1, 5];

const has = (status: I64, bits: bigint): I32 => i64.ne(i64.and(status, bits), 0n);
/** The bit `from` of `status`, moved to bit `to`. */
const moveBit = (status: I64, from: bigint, to: bigint): I64 => i64.shl(i64.and(i64.shrU(status, from), 1n), to);

export function defineTraps(rt: Runtime): void {
  const takeTrap = rt.declare('takeTrap', ['i32'], undefined);
  const interruptBits = rt.declare('interruptBits', ['i32'], 'i64');
  const pending = rt.declare('pending', ['i32'], 'i32');
  const takeInterrupt = rt.declare('takeInterrupt', ['i32'], 'i32');
  const poll = rt.declare('poll', ['i32'], 'i32');
  const mret = rt.declare('mret', ['i32', 'i64', 'i64'], 'i32');
  const sret = rt.declare('sret', ['i32', 'i64', 'i64'], 'i32');
  const wfi = rt.declare('wfi', ['i32', 'i64', 'i64'], 'i32');
  const ecall = rt.declare('ecall', ['i32', 'i64', 'i64'], 'i32');
  const ebreak = rt.declare('ebreak', ['i32', 'i64', 'i64'], 'i32');
  const fence_i = rt.declare('fence_i', ['i32', 'i64', 'i64'], 'i32');
  const sfenceOrder = rt.declare('sfenceOrder', ['i32', 'i64', 'i64'], 'i32');
  const sfence = rt.declare('sfence', ['i32', 'i64', 'i64', 'i32', 'i64', 'i32'], 'i32');
  const status = (value: number): I32 => i32.const(value);

  // What was executed since the last change of mode is the present mode's. `left` is right wherever a trap begins.
  const countMode = rt.declare('countMode', ['i32'], undefined);
  rt.module.define(countMode, ['i32'], (c, h) => {
    const open = i32.add(rt.word32(h.get, 'left'), rt.word32(h.get, 'traps'));
    const now = c.let(i64.sub(rt.word64(h.get, 'retired'), i64.extendS(open)));
    const place = c.let(i32.add(h.get, i32.shl(rt.word32(h.get, 'privilege'), 3)));
    const counted = i64.add(rt.state.load('i64', place, W.retiredUser), i64.sub(now, rt.word64(h.get, 'modeSince')));
    c.store(rt.state, 'i64', place, counted, W.retiredUser);
    rt.setWord(c, h.get, 'modeSince', now);
  });

  const illegal = (c: Code, h: I32): void => rt.raise(c, h, CAUSE.ILLEGAL, i64.const(0n), status(STATUS.TRAP));
  const leave = (c: Code, h: I32, reason: number): void => {
    rt.setWord(c, h, 'exit', i32.const(reason));
    c.return(status(STATUS.EXIT));
  };

  // Cause, tval and pc are in their words.
  rt.module.define(takeTrap, ['i32'], (c, h) => {
    const cause = c.let(rt.word64(h.get, 'cause'));
    const pc = c.let(rt.word64(h.get, 'pc'));
    const tval = c.var(rt.word64(h.get, 'tval'));
    c.set(rt.flag, i32.const(0));
    // A watchpoint is no trap of the guest's: run() sees the cause.
    c.if(i64.eq(cause, CAUSE_WATCHPOINT), () => c.return());
    // The tval of an illegal instruction is the instruction. Who raised it did not have it at hand.
    c.if(i64.eq(cause, CAUSE.ILLEGAL), () => {
      const bits = c.var(rt.call32('fetch16', h.get, pc));
      c.if(i32.eq(i32.and(bits.get, 3), 3), () =>
        c.set(bits, i32.or(bits.get, i32.shl(rt.call32('fetch16', h.get, i64.add(pc, 2n)), 16))),
      );
      c.set(tval, select(rt.flag.get, i64.const(0n), i64.extendU(bits.get)));
      c.set(rt.flag, i32.const(0));
    });
    c.call(countMode, h.get);
    const interrupt = c.let(i64.ltS(cause, 0n));
    const code = c.let(i64.and(cause, 63n));
    const counter = i32.add(i32.wrap(i64.and(code, 15n)), i32.shl(interrupt, 4));
    const counted = c.let(i32.add(h.get, i32.shl(counter, 2)));
    c.store(rt.state, 'i32', counted, i32.add(rt.state.load('i32', counted, TRAP_COUNTS), 1), TRAP_COUNTS);
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    const old = c.let(rt.word64(h.get, 'mstatus'));
    const vector = c.local('i64');
    const delegation = choose(interrupt, rt.word64(h.get, 'mideleg'), rt.word64(h.get, 'medeleg'));
    const delegated = i32.wrap(i64.and(i64.shrU(delegation, code), 1n));
    const P = i64.extendU(privilege);
    c.if(
      i32.and(i32.ne(privilege, MACHINE), delegated),
      () => {
        rt.setWord(c, h.get, 'scause', cause);
        rt.setWord(c, h.get, 'sepc', pc);
        rt.setWord(c, h.get, 'stval', tval.get);
        const kept = i64.and(old, ~(MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP));
        rt.setWord(c, h.get, 'mstatus', i64.or(i64.or(kept, moveBit(old, 1n, 5n)), i64.shl(P, 8n)));
        rt.setWord(c, h.get, 'privilege', i32.const(SUPERVISOR));
        c.set(vector, rt.word64(h.get, 'stvec'));
      },
      () => {
        rt.setWord(c, h.get, 'mcause', cause);
        rt.setWord(c, h.get, 'mepc', pc);
        rt.setWord(c, h.get, 'mtval', tval.get);
        const kept = i64.and(old, ~(MSTATUS.MIE | MSTATUS.MPIE | MSTATUS.MPP));
        rt.setWord(c, h.get, 'mstatus', i64.or(i64.or(kept, moveBit(old, 3n, 7n)), i64.shl(P, 11n)));
        rt.setWord(c, h.get, 'privilege', i32.const(MACHINE));
        c.set(vector, rt.word64(h.get, 'mtvec'));
      },
    );
    const vectored = i32.and(interrupt, i32.wrap(i64.and(vector.get, 1n)));
    const offset = select(vectored, i64.shl(code, 2n), i64.const(0n));
    rt.setWord(c, h.get, 'pc', i64.add(i64.and(vector.get, -4n), offset));
    rt.setWord(c, h.get, 'reservation', i64.const(-1n));
    c.call(rt.fn('setContext'), h.get);
  });

  // mip as it is now: what software wrote, the lines that devices hold, the timer.
  rt.module.define(interruptBits, ['i32'], (c, h) => {
    const lines = rt.state.atomicLoad('i32', h.get, LINES);
    const timer = i32.shl(rt.word32(h.get, 'timerDue'), 5);
    c.return(i64.or(rt.word64(h.get, 'mip'), i64.extendU(i32.or(lines, timer))));
  });

  // The interrupt to take now, or -1.
  rt.module.define(pending, ['i32'], (c, h) => {
    const enabled = c.let(i64.and(rt.call64('interruptBits', h.get), rt.word64(h.get, 'mie')));
    c.if(i64.eqz(enabled), () => c.return(i32.const(-1)));
    const delegated = c.let(rt.word64(h.get, 'mideleg'));
    const mstatus = c.let(rt.word64(h.get, 'mstatus'));
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    const choice = c.var(i64.const(0n));
    c.if(i32.or(i32.ne(privilege, MACHINE), has(mstatus, MSTATUS.MIE)), () =>
      c.set(choice, i64.and(enabled, i64.xor(delegated, -1n))),
    );
    const supervisorOn = i32.and(i32.eq(privilege, SUPERVISOR), has(mstatus, MSTATUS.SIE));
    c.if(i32.and(i64.eqz(choice.get), i32.or(i32.eq(privilege, USER), supervisorOn)), () =>
      c.set(choice, i64.and(enabled, delegated)),
    );
    for (const code of PRIORITY) c.if(has(choice.get, 1n << BigInt(code)), () => c.return(i32.const(code)));
    c.return(i32.const(-1));
  });

  // Takes the most urgent pending interrupt, if there is one: 1 where it did.
  rt.module.define(takeInterrupt, ['i32'], (c, h) => {
    const code = c.let(rt.call32('pending', h.get));
    c.if(i32.ltS(code, 0), () => c.return(i32.const(0)));
    rt.setWord(c, h.get, 'cause', i64.or(i64.const(-(2n ** 63n)), i64.extendU(code)));
    rt.setWord(c, h.get, 'tval', i64.const(0n));
    c.call(takeTrap, h.get);
    c.return(i32.const(1));
  });

  // Goes on at the pc word, unless an interrupt is to be taken first.
  rt.module.define(poll, ['i32'], (c, h) => {
    c.if(i32.geS(rt.call32('pending', h.get), 0), () => leave(c, h.get, EXIT.POLL));
    c.return(status(STATUS.GO));
  });

  // The functions below have the signature (h, pc, address of the next instruction).
  const call = ['i32', 'i64', 'i64'] as const;

  rt.module.define(mret, call, (c, h) => {
    c.if(i32.ne(rt.word32(h.get, 'privilege'), MACHINE), () => illegal(c, h.get));
    c.call(countMode, h.get);
    const old = c.let(rt.word64(h.get, 'mstatus'));
    const to = c.let(i32.and(i32.wrap(i64.shrU(old, 11n)), 3));
    const kept = c.var(i64.and(old, ~(MSTATUS.MIE | MSTATUS.MPP)));
    c.if(i32.ne(to, MACHINE), () => c.set(kept, i64.and(kept.get, ~MSTATUS.MPRV)));
    rt.setWord(c, h.get, 'mstatus', i64.or(i64.or(kept.get, moveBit(old, 7n, 3n)), MSTATUS.MPIE));
    rt.setWord(c, h.get, 'privilege', to);
    rt.setWord(c, h.get, 'pc', rt.word64(h.get, 'mepc'));
    c.call(rt.fn('setContext'), h.get);
    c.return(rt.call32('poll', h.get));
  });

  rt.module.define(sret, call, (c, h) => {
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    const old = c.let(rt.word64(h.get, 'mstatus'));
    const barred = i32.and(i32.eq(privilege, SUPERVISOR), has(old, MSTATUS.TSR));
    c.if(i32.or(i32.eq(privilege, USER), barred), () => illegal(c, h.get));
    c.call(countMode, h.get);
    const kept = i64.and(old, ~(MSTATUS.SIE | MSTATUS.SPP | MSTATUS.MPRV));
    rt.setWord(c, h.get, 'mstatus', i64.or(i64.or(kept, moveBit(old, 5n, 1n)), MSTATUS.SPIE));
    rt.setWord(c, h.get, 'privilege', i32.and(i32.wrap(i64.shrU(old, 8n)), 1));
    rt.setWord(c, h.get, 'pc', rt.word64(h.get, 'sepc'));
    c.call(rt.fn('setContext'), h.get);
    c.return(rt.call32('poll', h.get));
  });

  rt.module.define(wfi, call, (c, h, _pc, next) => {
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    const barred = i32.and(i32.ne(privilege, MACHINE), has(rt.word64(h.get, 'mstatus'), MSTATUS.TW));
    c.if(i32.or(i32.eq(privilege, USER), barred), () => illegal(c, h.get));
    rt.setWord(c, h.get, 'pc', next.get);
    c.if(i64.ne(i64.and(rt.call64('interruptBits', h.get), rt.word64(h.get, 'mie')), 0n), () =>
      c.return(rt.call32('poll', h.get)),
    );
    rt.setWord(c, h.get, 'waiting', i32.const(1));
    leave(c, h.get, EXIT.WFI);
    c.unreachable();
  });

  rt.module.define(ecall, call, (c, h, pc) => {
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    c.if(i32.and(i32.eq(privilege, SUPERVISOR), rt.word32(h.get, 'firmware')), () => {
      rt.setWord(c, h.get, 'pc', pc.get);
      leave(c, h.get, EXIT.ECALL);
    });
    const cause = i64.add(i64.extendU(privilege), CAUSE.ECALL_U);
    rt.raise(c, h.get, cause, i64.const(0n), status(STATUS.TRAP));
    c.unreachable();
  });

  rt.module.define(ebreak, call, (c, h, pc) => {
    c.if(rt.word32(h.get, 'debug'), () => {
      rt.setWord(c, h.get, 'pc', pc.get);
      leave(c, h.get, EXIT.BREAKPOINT);
    });
    // tval 0, as QEMU has it; the spec allows 0 or the pc.
    rt.raise(c, h.get, CAUSE.BREAKPOINT, i64.const(0n), status(STATUS.TRAP));
    c.unreachable();
  });

  rt.module.define(fence_i, call, (c, h, _pc, next) => {
    rt.setWord(c, h.get, 'pc', next.get);
    c.fence();
    c.call(rt.fn('fenceI'), h.get);
    c.return(status(STATUS.GO));
  });

  // sfence.w.inval and sfence.inval.ir
  rt.module.define(sfenceOrder, call, (c, h) => {
    c.if(i32.eqz(rt.word32(h.get, 'privilege')), () => illegal(c, h.get));
    c.fence();
    c.return(status(STATUS.NEXT));
  });

  // (h, next instruction, address, 1: all addresses, asid, 1: all address spaces)
  rt.module.define(sfence, ['i32', 'i64', 'i64', 'i32', 'i64', 'i32'], (c, h, next, address, everywhere, asid, all) => {
    const privilege = c.let(rt.word32(h.get, 'privilege'));
    const barred = i32.and(i32.eq(privilege, SUPERVISOR), has(rt.word64(h.get, 'mstatus'), MSTATUS.TVM));
    c.if(i32.or(i32.eq(privilege, USER), barred), () => illegal(c, h.get));
    rt.setWord(c, h.get, 'pc', next.get);
    c.fence();
    c.call(rt.fn('sfenceVma'), h.get, address.get, everywhere.get, asid.get, all.get);
    c.return(status(STATUS.GO));
  });
}
