// The interpreter's module: all generated functions of a hart, put together. Its bytes are the same for every hart and
// every machine; compile it once and share the module.

import { defineSoftFloat } from '../fp/soft.ts';
import { defineAccess } from '../mmu/access.ts';
import { defineFetch } from '../mmu/fetch.ts';
import { definePmp } from '../mmu/pmp.ts';
import { defineTlb } from '../mmu/tlb.ts';
import { defineWalk } from '../mmu/walk.ts';
import { defineBreak } from './break.ts';
import { defineCache } from './cache.ts';
import { defineCold } from './cold.ts';
import { defineCsrAccess } from './csr-access.ts';
import { defineServedCsrs } from './csr-served.ts';
import { defineDecoder } from './decoder.ts';
import { defineHot } from './hot.ts';
import { Runtime } from './runtime.ts';
import { defineTraps } from './trap.ts';

/** Functions that JavaScript calls. */
export interface InterpreterExports {
  exec(hart: number, budget: number): number;
  takeInterrupt(hart: number): number;
  interruptBits(hart: number): bigint;
  readStatus(hart: number, mask: bigint): bigint;
  writeStatus(hart: number, value: bigint, mask: bigint): bigint;
  writeSatp(hart: number, value: bigint): void;
  setContext(hart: number): void;
  flushAll(hart: number): void;
  flushWrites(hart: number): void;
  fenceI(hart: number): void;
  decodeBits(hart: number, slot: number, bits: number, cold: number): void;
}

const EXPORTS: readonly (keyof InterpreterExports)[] = [
  'exec',
  'takeInterrupt',
  'interruptBits',
  'readStatus',
  'writeStatus',
  'writeSatp',
  'setContext',
  'flushAll',
  'flushWrites',
  'fenceI',
  'decodeBits',
];

/** What translated regions call, besides the functions of fp/. */
const REGION_FUNCTIONS = ['loadSlow', 'storeSlow', 'load', 'store', 'atomicAddress'];

/** The bytes of the interpreter. */
export function generateInterpreter(): Uint8Array<ArrayBuffer> {
  const rt = new Runtime();
  definePmp(rt);
  defineBreak(rt);
  defineTlb(rt);
  defineWalk(rt);
  defineAccess(rt);
  defineFetch(rt);
  defineTraps(rt);
  defineCsrAccess(rt);
  defineServedCsrs(rt);
  defineCache(rt);
  defineSoftFloat(rt);
  defineDecoder(rt);
  defineHot(rt, defineCold(rt));
  for (const name of EXPORTS) rt.module.export(name, rt.fn(name));
  for (const name of REGION_FUNCTIONS) rt.module.export(name, rt.fn(name));
  for (const name of rt.names()) if (name.startsWith('fp_')) rt.module.export(name, rt.fn(name));
  rt.module.exportGlobal('flag', rt.flag);
  return rt.module.bytes();
}

/** Compiles the interpreter. The module can be sent to other threads. */
export const compileInterpreter = (): WebAssembly.Module => new WebAssembly.Module(generateInterpreter());
