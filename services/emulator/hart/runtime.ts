// What the generated functions of a hart share: memories, imports, the trap flag, and references to each other. Each
// file that generates functions fills in its own (mmu/, fp/, trap.ts ...); interpreter.ts puts them together.
//
// Conventions. Every function takes `h` first: where the hart's region starts in the state memory. A function that may
// trap leaves cause and tval in the hart's words, sets `flag`, and returns anything; its caller looks at `flag` at once.

import type { Code, FunctionRef, Global, TableRef } from '../wasm/code.ts';
import { type Expr, type I32, type I64, i32, i64, type MemoryRef } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { type CSR_WORDS, RAM_MAXIMUM_PAGES, STATE_MAXIMUM_PAGES, W } from './layout.ts';

type Word = keyof typeof W;
type Word64 =
  | (typeof CSR_WORDS)[number]
  | 'pc'
  | 'cause'
  | 'tval'
  | 'scratch'
  | 'scratch2'
  | 'ramBytes'
  | 'retired'
  | 'reservation'
  | 'reserved'
  | 'modeSince';

/** Exceptions (privileged spec, table 14). */
export const CAUSE = {
  FETCH_MISALIGNED: 0,
  FETCH_ACCESS: 1,
  ILLEGAL: 2,
  BREAKPOINT: 3,
  LOAD_MISALIGNED: 4,
  LOAD_ACCESS: 5,
  STORE_MISALIGNED: 6,
  STORE_ACCESS: 7,
  ECALL_U: 8,
  ECALL_S: 9,
  ECALL_M: 11,
  FETCH_PAGE: 12,
  LOAD_PAGE: 13,
  STORE_PAGE: 15,
} as const;

/** Why exec() returned. */
export const EXIT = { BUDGET: 0, POLL: 1, WFI: 2, ECALL: 3, BREAKPOINT: 4 } as const;

/** What an instruction that may do more than write a register tells the interpreter. */
export const STATUS = {
  NEXT: 0,
  /** Cause and tval are set; the pc is that of this instruction. */
  TRAP: 1,
  /** The pc word holds where to go on; privilege or translation may have changed. */
  GO: 2,
  /** Leave exec(): the pc and exit words are set. */
  EXIT: 3,
} as const;

/** Kinds of access, as the walk and PMP count them. */
export const ACCESS = { FETCH: 0, LOAD: 1, STORE: 2 } as const;

/** What generated code refers to, in whatever module it stands. */
export abstract class Linkage {
  abstract readonly module: ModuleBuilder;
  abstract readonly state: MemoryRef;
  abstract readonly ram: MemoryRef;
  abstract readonly flag: Global<'i32'>;
  protected readonly functions = new Map<string, FunctionRef>();

  fn(name: string): FunctionRef {
    const ref = this.functions.get(name);
    if (!ref) throw new Error(`no runtime function ${name}`);
    return ref;
  }

  names(): Iterable<string> {
    return this.functions.keys();
  }

  /** The result of a runtime function. */
  call32(name: string, ...args: Expr[]): I32 {
    return this.fn(name).call(...args) as unknown as I32;
  }

  call64(name: string, ...args: Expr[]): I64 {
    return this.fn(name).call(...args) as unknown as I64;
  }

  word64(h: I32, name: Word64): I64 {
    return this.state.load('i64', h, W[name]);
  }

  word32(h: I32, name: Exclude<Word, Word64>): I32 {
    return this.state.load('i32', h, W[name]);
  }

  setWord(code: Code, h: I32, name: Word, value: I32 | I64): void {
    code.store(this.state, value.type, h, value, W[name]);
  }

  /** Adds 1 to a counter. */
  count(code: Code, h: I32, name: Exclude<Word, Word64>): void {
    this.setWord(code, h, name, i32.add(this.word32(h, name), 1));
  }
}

/** The type of a translated region: (h, virtual page, budget, calls that may nest) -> budget left; the pc is in its word. */
export const REGION_PARAMETERS = ['i32', 'i64', 'i32', 'i32'] as const;

export class Runtime extends Linkage {
  readonly module = new ModuleBuilder();
  // Memory 0 is the faster one: registers, slots and TLBs are touched more often than guest RAM.
  readonly state: MemoryRef;
  readonly ram: MemoryRef;
  readonly imports;
  readonly regions: TableRef<'i32'>;
  readonly flag: Global<'i32'>;

  constructor() {
    super();
    const m = this.module;
    this.state = m.importMemory('env', 'state', STATE_MAXIMUM_PAGES);
    this.ram = m.importMemory('env', 'ram', RAM_MAXIMUM_PAGES);
    this.imports = {
      /** (address, size) -> 1 with the value in `scratch`, or 0: nothing there. */
      busLoad: m.importFunction('env', 'busLoad', ['f64', 'i32'], 'i32'),
      /** (address, size), the value in `scratch` -> 1, or 0: nothing there. */
      busStore: m.importFunction('env', 'busStore', ['f64', 'i32'], 'i32'),
      time: m.importFunction('env', 'time', [], 'f64'),
      /** (number, update, writes): operand in `scratch`, old value in `scratch2` -> CSR_RESULT. */
      csr: m.importFunction('env', 'csr', ['i32', 'i32', 'i32'], 'i32'),
    };
    this.regions = m.importTable('env', 'regions', REGION_PARAMETERS, 'i32');
    this.flag = m.global('i32');
  }

  /** Declares a function of the runtime; others call it by name, also before it is defined. */
  declare<R extends 'i32' | 'i64' | undefined>(
    name: string,
    params: readonly ('i32' | 'i64')[],
    result: R,
  ): FunctionRef<R> {
    const ref = this.module.declare(name, params, result);
    this.functions.set(name, ref);
    return ref;
  }

  /** Notes the trap and returns from the function under construction. */
  raise(code: Code, h: I32, cause: number | I64, tval: I64, result?: Expr): void {
    this.setWord(code, h, 'cause', typeof cause === 'number' ? i64.const(cause) : cause);
    this.setWord(code, h, 'tval', tval);
    code.set(this.flag, i32.const(1));
    code.return(result);
  }
}
