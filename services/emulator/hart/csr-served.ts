// CSRs with a meaning of their own that running programs and kernels touch all the time, as generated code: counters,
// rounding and flags, enabled and pending interrupts of S-mode, stimecmp, satp. csr.ts says the same in JavaScript, for
// debuggers and saved states; both work on the same words, and a test compares them.

import type { Code } from '../wasm/code.ts';
import { f64, type I32, type I64, i32, i64, truncSat } from '../wasm/expr.ts';
import { LINE } from './contract.ts';
import { updatedCsr } from './csr-update.ts';
import { ENVCFG } from './envcfg.ts';
import { LINES } from './layout.ts';
import { CAUSE, EXIT, type Runtime, STATUS } from './runtime.ts';
import { MSTATUS } from './trap.ts';

/** servedCsr's answer when JavaScript has to serve the access. */
export const NOT_SERVED = -1;

const MACHINE = 3;
const SUPERVISOR = 1;
const SUPERVISOR_INTERRUPTS = BigInt(LINE.SSIP | LINE.STIP | LINE.SEIP);
const CY = 0;
const TM = 1;
const IR = 2;

interface Served {
  readonly number: number;
  /** Absent: whoever has the privilege that is in the number. */
  allowed?(h: I32): I32;
  read(c: Code, h: I32): I64;
  /** Absent: read-only. Returns from the function, or does not: then the instruction is over. */
  write?(c: Code, h: I32, value: I64): void;
}

export function defineServedCsrs(rt: Runtime): void {
  const { state } = rt;
  const servedCsr = rt.declare('servedCsr', ['i32', 'i32', 'i32', 'i64', 'i32', 'i64'], 'i32');

  const bit = (word: I64, place: number): I32 => i32.wrap(i64.and(i64.shrU(word, BigInt(place)), 1n));
  const privilege = (h: I32): I32 => rt.word32(h, 'privilege');
  const isMachine = (h: I32): I32 => i32.eq(privilege(h), MACHINE);
  /** mcounteren lets S-mode read a counter, scounteren U-mode as well. */
  const counter = (place: number) => (h: I32) => {
    const machine = bit(rt.word64(h, 'mcounteren'), place);
    const supervisor = i32.or(i32.eq(privilege(h), SUPERVISOR), bit(rt.word64(h, 'scounteren'), place));
    return i32.or(isMachine(h), i32.and(machine, supervisor));
  };
  const fpOn = (h: I32): I32 => i64.ne(i64.and(rt.word64(h, 'mstatus'), MSTATUS.FS), 0n);
  const fpDirty = (c: Code, h: I32): void => rt.setWord(c, h, 'mstatus', i64.or(rt.word64(h, 'mstatus'), MSTATUS.FS));
  /** `left` was counted down for the instruction under way already. */
  const retired = (h: I32): I64 =>
    i64.sub(rt.word64(h, 'retired'), i64.extendS(i32.add(i32.add(rt.word32(h, 'left'), rt.word32(h, 'traps')), 1)));
  const supervisorMask = (h: I32): I64 => i64.and(rt.word64(h, 'mideleg'), SUPERVISOR_INTERRUPTS);
  /** An interrupt may be pending now: it comes before the next instruction, whose address is in pc. */
  const settle = (c: Code, h: I32): void =>
    c.if(i32.geS(rt.call32('pending', h), 0), () => {
      rt.setWord(c, h, 'exit', i32.const(EXIT.POLL));
      c.return(i32.const(STATUS.EXIT));
    });
  const timerOn = (h: I32): I32 => i64.ne(i64.and(rt.word64(h, 'menvcfg'), ENVCFG.STCE), 0n);
  const frm = (h: I32): I64 => i64.extendU(rt.word32(h, 'frm'));
  const fflags = (h: I32): I64 => i64.extendU(rt.word32(h, 'fflags'));
  const setFflags = (c: Code, h: I32, value: I64): void => rt.setWord(c, h, 'fflags', i32.and(i32.wrap(value), 31));
  const setFrm = (c: Code, h: I32, value: I64): void => rt.setWord(c, h, 'frm', i32.and(i32.wrap(value), 7));

  const CSRS: readonly Served[] = [
    {
      number: 0xc01, // time
      allowed: counter(TM),
      read: () => truncSat.i64FromF64U(f64.floor(rt.imports.time.call())),
    },
    {
      number: 0x104, // sie
      read: (_c, h) => i64.and(rt.word64(h, 'mie'), supervisorMask(h)),
      write: (c, h, value) => {
        const mask = c.let(supervisorMask(h));
        const kept = i64.and(rt.word64(h, 'mie'), i64.xor(mask, -1n));
        rt.setWord(c, h, 'mie', i64.or(kept, i64.and(value, mask)));
        settle(c, h);
      },
    },
    {
      number: 0x144, // sip: S-mode writes only its software interrupt (10.1.3)
      read: (_c, h) => i64.and(rt.call64('interruptBits', h), supervisorMask(h)),
      write: (c, h, value) => {
        const at = i32.add(h, LINES);
        c.if(i64.ne(i64.and(supervisorMask(h), BigInt(LINE.SSIP)), 0n), () =>
          c.if(
            i64.ne(i64.and(value, BigInt(LINE.SSIP)), 0n),
            () => c.do(state.atomicUpdate('i32', 'or', at, i32.const(LINE.SSIP))),
            () => c.do(state.atomicUpdate('i32', 'and', at, i32.const(~LINE.SSIP))),
          ),
        );
        settle(c, h);
      },
    },
    {
      number: 0x14d, // stimecmp
      allowed: (h) => i32.or(isMachine(h), i32.and(timerOn(h), bit(rt.word64(h, 'mcounteren'), TM))),
      read: (_c, h) => rt.word64(h, 'stimecmp'),
      write: (c, h, value) => {
        rt.setWord(c, h, 'stimecmp', value);
        const due = f64.ge(rt.imports.time.call(), f64.fromI64U(value));
        rt.setWord(c, h, 'timerDue', i32.and(timerOn(h), due));
        settle(c, h);
      },
    },
    {
      number: 0x180, // satp
      allowed: (h) => i32.or(isMachine(h), i64.eqz(i64.and(rt.word64(h, 'mstatus'), MSTATUS.TVM))),
      read: (_c, h) => rt.word64(h, 'satp'),
      write: (c, h, value) => {
        const mode = c.let(i32.wrap(i64.shrU(value, 60n)));
        // Bare, Sv39, Sv48. Another mode leaves the whole register as it is (10.1.11).
        c.if(i32.or(i32.eqz(mode), i32.eq(i32.and(mode, -2), 8)), () => {
          c.call(rt.fn('writeSatp'), h, value);
          c.return(rt.call32('poll', h));
        });
      },
    },
    {
      number: 0x003, // fcsr
      allowed: fpOn,
      read: (_c, h) => i64.or(i64.shl(frm(h), 5n), fflags(h)),
      write: (c, h, value) => {
        setFflags(c, h, value);
        setFrm(c, h, i64.shrU(value, 5n));
        fpDirty(c, h);
      },
    },
    {
      number: 0x001,
      allowed: fpOn,
      read: (_c, h) => fflags(h),
      write: (c, h, value) => {
        setFflags(c, h, value);
        fpDirty(c, h);
      },
    },
    {
      number: 0x002,
      allowed: fpOn,
      read: (_c, h) => frm(h),
      write: (c, h, value) => {
        setFrm(c, h, value);
        fpDirty(c, h);
      },
    },
    {
      number: 0xc00, // cycle
      allowed: counter(CY),
      read: (_c, h) => i64.add(retired(h), rt.word64(h, 'mcycleOffset')),
    },
    { number: 0xc02, allowed: counter(IR), read: (_c, h) => retired(h) }, // instret
  ];

  // (h, number, update, operand, 1: writes, next instruction) -> STATUS, with the old value in scratch2; or NOT_SERVED.
  rt.module.define(
    servedCsr,
    ['i32', 'i32', 'i32', 'i64', 'i32', 'i64'],
    (c, h, number, update, operand, writes, next) => {
      const illegal = (): void => rt.raise(c, h.get, CAUSE.ILLEGAL, i64.const(0n), i32.const(STATUS.TRAP));
      for (const csr of CSRS) {
        c.if(i32.eq(number.get, csr.number), () => {
          if (csr.allowed) c.if(i32.eqz(csr.allowed(h.get)), illegal);
          if (!csr.write) c.if(writes.get, illegal);
          const old = c.let(csr.read(c, h.get));
          rt.setWord(c, h.get, 'scratch2', old);
          if (csr.write) {
            c.if(i32.eqz(writes.get), () => c.return(i32.const(STATUS.NEXT)));
            rt.setWord(c, h.get, 'pc', next.get);
            csr.write(c, h.get, c.let(updatedCsr(update.get, old, operand.get)));
          }
          c.return(i32.const(STATUS.NEXT));
        });
      }
      c.return(i32.const(NOT_SERVED));
    },
  );
}
