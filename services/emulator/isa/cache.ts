// Zicbom and Zicboz (CMO specification 1.0): operations on cache blocks. There is no cache: what is left of them is that
// they may not be allowed (envcfg) or fault as an access would, and that cbo.zero writes zeros.

import { i64 } from '../wasm/expr.ts';
import { define } from './definition.ts';
import type { Instruction, SystemCall } from './meaning.ts';

/** Bytes of a block, of both kinds: the devicetree says so (board/devicetree.ts). */
export const CACHE_BLOCK = 64;

const block = (name: string, funct12: string, call: SystemCall): Instruction =>
  define(name, `${funct12} rs1 010 00000 0001111`, '(rs1)', (e) => e.system(call, e.x('rs1')));

export const CMO: readonly Instruction[] = [
  block('cbo.inval', '000000000000', 'cbo_inval'),
  block('cbo.clean', '000000000001', 'cbo_manage'),
  block('cbo.flush', '000000000010', 'cbo_manage'),
  // A block lies within one page: where the first store goes through, all do.
  define('cbo.zero', '000000000100 rs1 010 00000 0001111', '(rs1)', (e) => {
    e.requireCacheZero();
    const start = e.let(i64.and(e.x('rs1'), -BigInt(CACHE_BLOCK)));
    for (let at = 0; at < CACHE_BLOCK; at += 8) e.store('d', i64.add(start, at), i64.const(0n));
  }),
];
