// How a CSR instruction changes a register (unprivileged spec 6.1).

import { type I32, type I64, i32, i64, select } from '../wasm/expr.ts';

export const UPDATE = { write: 0, set: 1, clear: 2 } as const;

export const updatedCsr = (update: I32, old: I64, operand: I64): I64 =>
  select(
    i32.eq(update, UPDATE.set),
    i64.or(old, operand),
    select(i32.eq(update, UPDATE.clear), i64.and(old, i64.xor(operand, -1n)), operand),
  );
