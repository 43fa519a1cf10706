// CSR instructions as a generated function: those that a kernel touches at each trap are served here and in
// csr-served.ts, all others by csr.ts in JavaScript.

import type { Code } from '../wasm/code.ts';
import { type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import { NOT_SERVED } from './csr-served.ts';
import { updatedCsr } from './csr-update.ts';
import { CSR_PLAIN, W } from './layout.ts';
import { CAUSE, EXIT, type Runtime, STATUS } from './runtime.ts';
import { MSTATUS } from './trap.ts';

/** What the JavaScript side answers. */
export const CSR_RESULT = { ILLEGAL: 0, DONE: 1, CHANGED: 2 } as const;

const SSTATUS_WRITE = MSTATUS.SIE | MSTATUS.SPIE | MSTATUS.SPP | MSTATUS.FS | MSTATUS.SUM | MSTATUS.MXR;
const SSTATUS_READ = SSTATUS_WRITE | MSTATUS.UXL | MSTATUS.SD;
const MSTATUS_WRITE =
  SSTATUS_WRITE | MSTATUS.MIE | MSTATUS.MPIE | MSTATUS.MPP | MSTATUS.MPRV | MSTATUS.TVM | MSTATUS.TW | MSTATUS.TSR;

const SSTATUS = 0x100;
const MSTATUS_NUMBER = 0x300;

/** CSRs that are a word and nothing else: [number, word, bit 0 reads as zero]. */
const PLAIN: readonly (readonly [number, keyof typeof W, boolean])[] = [
  [0x140, 'sscratch', false],
  [0x141, 'sepc', true],
  [0x142, 'scause', false],
  [0x143, 'stval', false],
  [0x340, 'mscratch', false],
  [0x341, 'mepc', true],
  [0x342, 'mcause', false],
  [0x343, 'mtval', false],
];

/** Writes the table of plain CSRs into the region of a hart. */
export function writePlainTable(view: DataView, hart: number): void {
  for (const [number, word, even] of PLAIN)
    view.setUint16(hart + CSR_PLAIN + number * 2, W[word] | (even ? 1 : 0), true);
}

export function defineCsrAccess(rt: Runtime): void {
  const { state } = rt;
  const readStatus = rt.declare('readStatus', ['i32', 'i64'], 'i64');
  const writeStatus = rt.declare('writeStatus', ['i32', 'i64', 'i64'], 'i64');
  const csrOp = rt.declare('csrOp', ['i32', 'i32', 'i32', 'i64', 'i32', 'i64'], 'i32');

  // (h, mask of the view) -> mstatus with SD as it follows from FS.
  rt.module.define(readStatus, ['i32', 'i64'], (c, h, mask) => {
    const status = c.let(rt.word64(h.get, 'mstatus'));
    const dirty = i64.eq(i64.and(status, MSTATUS.FS), MSTATUS.FS);
    c.return(i64.and(i64.or(status, i64.shl(i64.extendU(dirty), 63n)), mask.get));
  });

  // (h, value, mask of what is written) -> the bits of mstatus that changed. Keeps TLBs and contexts in step.
  rt.module.define(writeStatus, ['i32', 'i64', 'i64'], (c, h, value, mask) => {
    const old = c.let(rt.word64(h.get, 'mstatus'));
    const next = c.var(i64.or(i64.and(old, i64.xor(mask.get, -1n)), i64.and(value.get, mask.get)));
    // MPP is WARL and there is no privilege 2.
    c.if(i64.eq(i64.and(next.get, MSTATUS.MPP), 2n << 11n), () =>
      c.set(next, i64.or(i64.and(next.get, ~MSTATUS.MPP), i64.and(old, MSTATUS.MPP))),
    );
    rt.setWord(c, h.get, 'mstatus', next.get);
    const changed = c.let(i64.xor(old, next.get));
    c.if(i64.ne(i64.and(i64.and(changed, old), MSTATUS.SUM), 0n), () => c.call(rt.fn('dropTransients'), h.get));
    c.if(i64.ne(i64.and(changed, MSTATUS.MXR), 0n), () => c.call(rt.fn('flushAll'), h.get));
    c.if(i64.ne(i64.and(changed, MSTATUS.MPRV | MSTATUS.MPP), 0n), () => c.call(rt.fn('setContext'), h.get));
    c.return(changed);
  });

  // (h, number, update, operand, 1: writes, next instruction) -> STATUS, with the old value in scratch2.
  rt.module.define(csrOp, ['i32', 'i32', 'i32', 'i64', 'i32', 'i64'], (c, h, number, update, operand, writes, next) => {
    const illegal = (): void => rt.raise(c, h.get, CAUSE.ILLEGAL, i64.const(0n), i32.const(STATUS.TRAP));
    const lowest = i32.and(i32.shrU(number.get, 8), 3);
    c.if(i32.gtU(lowest, rt.word32(h.get, 'privilege')), illegal);
    const plain = c.let(state.load('i32_16u', i32.add(h.get, i32.shl(number.get, 1)), CSR_PLAIN));
    c.if(plain, () => {
      const word = c.let(i32.add(h.get, i32.and(plain, -2)));
      const old = c.let(state.load('i64', word));
      rt.setWord(c, h.get, 'scratch2', old);
      c.if(writes.get, () => {
        const value = updatedCsr(update.get, old, operand.get);
        const even = i64.xor(i64.extendU(i32.and(plain, 1)), -1n);
        c.store(state, 'i64', word, i64.and(value, even));
      });
      c.return(i32.const(STATUS.NEXT));
    });
    for (const [csr, readable, writable] of [
      [SSTATUS, SSTATUS_READ, SSTATUS_WRITE],
      [MSTATUS_NUMBER, -1n, MSTATUS_WRITE],
    ] as const) {
      c.if(i32.eq(number.get, csr), () => {
        const old = c.let(readStatus.call(h.get, i64.const(readable)));
        rt.setWord(c, h.get, 'scratch2', old);
        c.if(i32.eqz(writes.get), () => c.return(i32.const(STATUS.NEXT)));
        const value = updatedCsr(update.get, old, operand.get);
        afterStatus(c, h.get, next.get, c.let(writeStatus.call(h.get, value, i64.const(writable))));
      });
    }
    const served = c.let(rt.call32('servedCsr', h.get, number.get, update.get, operand.get, writes.get, next.get));
    c.if(i32.ne(served, NOT_SERVED), () => c.return(served));
    rt.setWord(c, h.get, 'scratch', operand.get);
    const result = c.let(rt.imports.csr.call(number.get, update.get, writes.get));
    c.if(i32.eqz(result), illegal);
    c.if(i32.eq(result, CSR_RESULT.DONE), () => c.return(i32.const(STATUS.NEXT)));
    rt.setWord(c, h.get, 'pc', next.get);
    c.return(rt.call32('poll', h.get));
  });

  /** What a changed mstatus asks of the interpreter. */
  function afterStatus(c: Code, h: I32, next: I64, changed: I64): void {
    rt.setWord(c, h, 'pc', next);
    c.if(i64.ne(i64.and(changed, MSTATUS.MPRV | MSTATUS.MPP | MSTATUS.MXR), 0n), () => c.return(rt.call32('poll', h)));
    c.if(i64.ne(i64.and(changed, MSTATUS.SIE | MSTATUS.MIE), 0n), () =>
      c.if(i32.geS(rt.call32('pending', h), 0), () => {
        rt.setWord(c, h, 'exit', i32.const(EXIT.POLL));
        c.return(i32.const(STATUS.EXIT));
      }),
    );
    c.return(i32.const(STATUS.NEXT));
  }
}

export const STATUS_MASKS = { SSTATUS_READ, SSTATUS_WRITE, MSTATUS_WRITE } as const;
