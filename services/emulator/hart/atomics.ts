// LR, SC and AMOs on an offset in RAM that was translated and checked (mmu/access.ts, atomicAddress), for whoever generates
// them. All are sequentially consistent.

import type { AmoKind, AtomicWidth } from '../isa/meaning.ts';
import type { Code } from '../wasm/code.ts';
import { type I32, type I64, i32, i64, select } from '../wasm/expr.ts';
import type { Linkage } from './runtime.ts';

export function emitLoadReserved(rt: Linkage, code: Code, h: I32, width: AtomicWidth, offset: I32): I64 {
  const { ram } = rt;
  const value = code.let(width === 'd' ? ram.atomicLoad('i64', offset) : i64.extendS(ram.atomicLoad('i32', offset)));
  rt.setWord(code, h, 'reservation', i64.extendU(offset));
  rt.setWord(code, h, 'reserved', value);
  return value;
}

/** `translate` gives the offset; it may leave with a trap. */
export function emitStoreConditional(
  rt: Linkage,
  code: Code,
  h: I32,
  width: AtomicWidth,
  value: I64,
  translate: () => I32,
): I64 {
  const stored = code.let(value);
  const failed = code.var(i64.const(1n));
  // Without a reservation it fails before the address is looked at, as on QEMU.
  code.if(i64.ne(rt.word64(h, 'reservation'), -1n), () => {
    const offset = translate();
    code.if(i64.eq(rt.word64(h, 'reservation'), i64.extendU(offset)), () => {
      const expected = code.let(rt.word64(h, 'reserved'));
      // Another hart's store of the very same value is not noticed; nothing can tell the difference.
      const changed =
        width === 'd'
          ? i64.ne(rt.ram.atomicCompareExchange('i64', offset, expected, stored), expected)
          : i32.ne(
              rt.ram.atomicCompareExchange('i32', offset, i32.wrap(expected), i32.wrap(stored)),
              i32.wrap(expected),
            );
      code.set(failed, i64.extendU(changed));
    });
  });
  rt.setWord(code, h, 'reservation', i64.const(-1n));
  return failed.get;
}

/** The old value, sign-extended. */
export function emitAmo(rt: Linkage, code: Code, kind: AmoKind, width: AtomicWidth, offset: I32, operand: I64): I64 {
  if (width === 'd') return code.let(amo64(rt, code, kind, offset, operand));
  return code.let(i64.extendS(amo32(rt, code, kind, offset, code.let(i32.wrap(operand)))));
}

function amo64({ ram }: Linkage, code: Code, kind: AmoKind, offset: I32, operand: I64): I64 {
  switch (kind) {
    case 'swap':
      return ram.atomicUpdate('i64', 'xchg', offset, operand);
    case 'add':
    case 'xor':
    case 'and':
    case 'or':
      return ram.atomicUpdate('i64', kind, offset, operand);
    default: {
      const better = { min: i64.ltS, max: i64.gtS, minu: i64.ltU, maxu: i64.gtU }[kind];
      const old = code.var(ram.atomicLoad('i64', offset));
      const seen = code.var(old.get);
      code.loop((again) => {
        code.set(old, seen.get);
        const chosen = select(better(operand, old.get), operand, old.get);
        code.set(seen, ram.atomicCompareExchange('i64', offset, old.get, chosen));
        code.brIf(again, i64.ne(seen.get, old.get));
      });
      return old.get;
    }
  }
}

function amo32({ ram }: Linkage, code: Code, kind: AmoKind, offset: I32, operand: I32): I32 {
  switch (kind) {
    case 'swap':
      return ram.atomicUpdate('i32', 'xchg', offset, operand);
    case 'add':
    case 'xor':
    case 'and':
    case 'or':
      return ram.atomicUpdate('i32', kind, offset, operand);
    default: {
      const better = { min: i32.ltS, max: i32.gtS, minu: i32.ltU, maxu: i32.gtU }[kind];
      const old = code.var(ram.atomicLoad('i32', offset));
      const seen = code.var(old.get);
      code.loop((again) => {
        code.set(old, seen.get);
        const chosen = select(better(operand, old.get), operand, old.get);
        code.set(seen, ram.atomicCompareExchange('i32', offset, old.get, chosen));
        code.brIf(again, i32.ne(seen.get, old.get));
      });
      return old.get;
    }
  }
}
