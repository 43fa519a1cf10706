// The interpreter's dispatcher: one generated function with a loop over decoded slots and a br_table over handlers. It
// holds what programs execute most: integer arithmetic, loads, stores, branches; everything else is a call of a function of cold.ts.
//
//   exec(h, budget) -> EXIT          the pc word says where to start and, afterwards, where to go on
//
// V8 does not replace a running function by its optimized version: exec() must return often until it is optimized.

import type { AmoKind, AtomicWidth, Emit, Instruction, LoadWidth, StoreWidth } from '../isa/meaning.ts';
import { COMPRESSED, INSTRUCTIONS } from '../isa/table.ts';
import { dataIndex, fetchIndex, pageOf } from '../mmu/tlb.ts';
import type { Code, Label, Local, TableRef } from '../wasm/code.ts';
import {
  type Expr,
  type I32,
  type I64,
  i32,
  i64,
  type LoadKind,
  type StoreKind,
  type ValueType,
} from '../wasm/expr.ts';
import { CAUSE_WATCHPOINT } from './break.ts';
import { callCold, extend } from './cold.ts';
import {
  HEAT,
  HEAT_ENTRIES,
  HOT_ENTRY_SIZE,
  HOT_QUEUE,
  HOT_QUEUE_LIMIT,
  REGION_SLOTS,
  SLOTS_SIZE,
  TLB_FETCH,
  TLB_WRITE,
  X,
} from './layout.ts';
import { EXIT, type Runtime, STATUS } from './runtime.ts';
import { HANDLER } from './slot.ts';

interface Handler {
  readonly name: string;
  readonly length: 2 | 4;
  /** For rd = x0: the result is not written. */
  readonly discards: boolean;
}

/** Instructions with handlers of their own, in their 32-bit form. */
const HOT =
  'lui auipc jal jalr beq bne blt bge bltu bgeu lb lh lw ld lbu lhu lwu sb sh sw sd addi slti sltiu xori ori andi ' +
  'slli srli srai add sub sll slt sltu xor srl sra or and addiw slliw srliw sraiw addw subw sllw srlw sraw ' +
  'mul mulhu mulw div divu rem remu divw divuw remw remuw';

const hotNames = new Set(HOT.split(' '));
const compressedNames = new Set(COMPRESSED.map((c) => c.base).filter((base) => hotNames.has(base)));

const HANDLERS: readonly Handler[] = [
  ...INSTRUCTIONS.filter((i) => hotNames.has(i.name)).flatMap((i): Handler[] => {
    const lengths: (2 | 4)[] = compressedNames.has(i.name) ? [4, 2] : [4];
    return lengths.map((length) => ({ name: i.name, length, discards: false }));
  }),
  ...(['jal', 'jalr'] as const).flatMap((name): Handler[] => [
    { name, length: 4, discards: true },
    { name, length: 2, discards: true },
  ]),
  { name: 'nop', length: 4, discards: true },
  { name: 'nop', length: 2, discards: true },
];

const key = (name: string, length: number, discards: boolean): string => `${name}/${length}/${discards}`;
const NUMBERS = new Map(HANDLERS.map((h, i) => [key(h.name, h.length, h.discards), HANDLER.FIRST + i]));

/** The handler of an instruction, or undefined: it is a cold one. */
export function hotHandler(instruction: Instruction, length: 2 | 4, rd: number): number | undefined {
  const writesX0 = instruction.writes && rd === 0;
  if (writesX0 && instruction.pure) return NUMBERS.get(key('nop', length, true));
  return NUMBERS.get(key(instruction.name, length, writesX0));
}

/** Calls of regions by regions. Each takes a frame of this thread's stack, of 2 KiB at most until it is optimized. */
const MAX_NESTING = 100;

const FIELD_BYTE = { rd: 1, rs1: 2, rs2: 3 } as const;
const SLOT = 8;

export const LOADS: Readonly<Record<LoadWidth, { kind: LoadKind; size: number }>> = {
  b: { kind: 'i64_8s', size: 1 },
  bu: { kind: 'i64_8u', size: 1 },
  h: { kind: 'i64_16s', size: 2 },
  hu: { kind: 'i64_16u', size: 2 },
  w: { kind: 'i64_32s', size: 4 },
  wu: { kind: 'i64_32u', size: 4 },
  d: { kind: 'i64', size: 8 },
};
export const STORES: Readonly<Record<StoreWidth, { kind: StoreKind; size: number }>> = {
  b: { kind: 'i64_8', size: 1 },
  h: { kind: 'i64_16', size: 2 },
  w: { kind: 'i64_32', size: 4 },
  d: { kind: 'i64', size: 8 },
};

/** The registers of the dispatcher itself, as WebAssembly locals. */
interface Registers {
  readonly h: I32;
  /** The slot that is executed. */
  readonly slot: Local<'i32'>;
  /** The first slot of the page. */
  readonly base: Local<'i32'>;
  /** Virtual address of the page. */
  readonly page: Local<'i64'>;
  /** TLB tables of loads and stores. */
  readonly tlb: Local<'i32'>;
  /** Where a jump out of the page goes. */
  readonly target: Local<'i64'>;
}

class HotEmit implements Emit {
  readonly code: Code;
  readonly #rt: Runtime;
  readonly #r: Registers;
  readonly #handler: Handler;
  readonly #next: Label;
  readonly #warm: Label;
  readonly #far: Label;
  readonly #trap: Label;

  constructor(
    rt: Runtime,
    code: Code,
    r: Registers,
    handler: Handler,
    labels: { next: Label; warm: Label; far: Label; trap: Label },
  ) {
    this.#rt = rt;
    this.code = code;
    this.#r = r;
    this.#handler = handler;
    this.#next = labels.next;
    this.#warm = labels.warm;
    this.#far = labels.far;
    this.#trap = labels.trap;
  }

  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    return this.code.let(value);
  }

  #register(field: 'rd' | 'rs1' | 'rs2'): I32 {
    return i32.add(this.#r.h, this.#rt.state.load('i32_8u', this.#r.slot.get, FIELD_BYTE[field]));
  }

  x(register: 'rs1' | 'rs2'): I64 {
    return this.#rt.state.load('i64', this.#register(register), X);
  }

  setX(value: I64): void {
    if (!this.#handler.discards) this.code.store(this.#rt.state, 'i64', this.#register('rd'), value, X);
  }

  imm(): I64 {
    return this.#rt.state.load('i64_32s', this.#r.slot.get, 4);
  }

  number(): I32 {
    throw new Error('field numbers are for cold instructions');
  }

  pc(): I64 {
    return currentPc(this.#r);
  }

  link(): I64 {
    return i64.add(this.pc(), this.#handler.length);
  }

  load(width: LoadWidth, address: I64): I64 {
    const { kind, size } = LOADS[width];
    const { code } = this;
    const at = this.let(address);
    const entry = this.let(i32.add(this.#r.tlb.get, dataIndex(at)));
    const last = size === 1 ? at : i64.add(at, size - 1);
    const value = code.local('i64');
    code.if(
      i64.eq(this.#rt.state.load('i64', entry), pageOf(last)),
      () => {
        const offset = i32.add(i32.wrap(at), this.#rt.state.load('i32', entry, 8));
        code.set(value, this.#rt.ram.load(kind, offset) as I64);
      },
      () => {
        code.set(value, extend(width, this.#rt.call64('loadSlow', this.#r.h, at, i32.const(size))));
        code.brIf(this.#trap, this.#rt.flag.get);
      },
    );
    return value.get;
  }

  store(width: StoreWidth, address: I64, value: I64): void {
    const { kind, size } = STORES[width];
    const { code } = this;
    const at = this.let(address);
    const entry = this.let(i32.add(this.#r.tlb.get, dataIndex(at)));
    const last = size === 1 ? at : i64.add(at, size - 1);
    code.if(
      i64.eq(this.#rt.state.load('i64', entry, TLB_WRITE), pageOf(last)),
      () => {
        const offset = i32.add(i32.wrap(at), this.#rt.state.load('i32', entry, TLB_WRITE + 8));
        code.store(this.#rt.ram, kind, offset, value);
      },
      () => {
        code.call(this.#rt.fn('storeSlow'), this.#r.h, at, i32.const(size), value);
        code.brIf(this.#trap, this.#rt.flag.get);
      },
    );
  }

  branch(condition: I32): void {
    this.code.if(condition, () => this.jump());
  }

  /** The slot's immediate is a distance in slots already. */
  jump(): void {
    const { code } = this;
    const { slot, base, target } = this.#r;
    const distance = this.let(this.#rt.state.load('i32', slot.get, 4));
    const to = this.let(i32.add(slot.get, distance));
    code.if(i32.ltU(i32.sub(to, base.get), SLOTS_SIZE), () => {
      code.set(slot, to);
      // Loops and calls: what is worth translating is reached by one of them.
      if (this.#handler.name === 'jal' && !this.#handler.discards) code.br(this.#warm);
      code.brIf(this.#warm, i32.ltS(distance, 0));
      code.br(this.#next);
    });
    code.set(target, i64.add(this.pc(), i64.extendS(i32.shrS(distance, 2))));
    code.br(this.#far);
  }

  jumpTo(address: I64): void {
    const { code } = this;
    const { slot, base, page, target } = this.#r;
    code.set(target, address);
    code.if(i64.eq(pageOf(target.get), page.get), () => {
      code.set(slot, i32.add(base.get, i32.shl(i32.and(i32.wrap(target.get), 0xffe), 2)));
      code.br(this.#warm);
    });
    code.br(this.#far);
  }

  raise(): void {
    throw new Error('instructions that raise exceptions are cold');
  }

  loadReserved(_width: AtomicWidth, _address: I64): I64 {
    throw new Error('atomics are cold');
  }
  storeConditional(_width: AtomicWidth, _address: I64, _value: I64): I64 {
    throw new Error('atomics are cold');
  }
  amo(_kind: AmoKind, _width: AtomicWidth, _address: I64, _value: I64): I64 {
    throw new Error('atomics are cold');
  }
  fence(): void {
    throw new Error('fences are cold');
  }
  csr(): I64 {
    throw new Error('system instructions are cold');
  }
  system(): void {
    throw new Error('system instructions are cold');
  }
  sfenceVma(): void {
    throw new Error('system instructions are cold');
  }
  requireCacheZero(): void {
    throw new Error('operations on cache blocks are cold');
  }
  requireFp(): void {
    throw new Error('floating point is cold');
  }
  f(): I64 {
    throw new Error('floating point is cold');
  }
  setF(): void {
    throw new Error('floating point is cold');
  }
  unbox(): I32 {
    throw new Error('floating point is cold');
  }
  roundingMode(): I32 {
    throw new Error('floating point is cold');
  }
  fp<R extends ValueType>(): Expr<R> {
    throw new Error('floating point is cold');
  }
  fpDirty(): void {
    throw new Error('floating point is cold');
  }
}

/** Counts a visit of the slot, and queues a place that has become hot. */
function countVisit(rt: Runtime, c: Code, r: Registers): void {
  const { state } = rt;
  const { h } = r;
  const threshold = c.let(rt.word32(h, 'hotThreshold'));
  c.if(threshold, () => {
    const slot = r.slot.get;
    const hash = i32.and(i32.xor(i32.shrU(slot, 3), i32.shrU(slot, 14)), HEAT_ENTRIES - 1);
    const counter = c.let(i32.add(h, i32.shl(hash, 1)));
    const visits = c.let(i32.add(state.load('i32_16u', counter, HEAT), 1));
    c.store(state, 'i32_16', counter, visits, HEAT);
    c.if(i32.geU(visits, threshold), () => {
      c.store(state, 'i32_16', counter, i32.const(0), HEAT);
      const count = c.let(rt.word32(h, 'hotCount'));
      const known = i32.eq(state.load('i32_8u', slot), HANDLER.REGION);
      c.if(i32.and(i32.ltU(count, HOT_QUEUE_LIMIT), i32.eqz(known)), () => {
        const entry = c.let(i32.add(i32.add(h, HOT_QUEUE), i32.mul(count, HOT_ENTRY_SIZE)));
        c.store(state, 'i32', entry, slot);
        c.store(state, 'i32', entry, rt.word32(h, 'fetchContext'), 4);
        c.store(state, 'i64', entry, r.page.get, 8);
        rt.setWord(c, h, 'hotCount', i32.add(count, 1));
      });
    });
  });
}

/** A slot of 8 bytes stands for 2 bytes of code. */
const currentPc = (r: Registers): I64 => i64.add(r.page.get, i64.extendU(i32.shrU(i32.sub(r.slot.get, r.base.get), 2)));

export function defineHot(rt: Runtime, cold: TableRef): void {
  const { state } = rt;
  const exec = rt.declare('exec', ['i32', 'i32'], 'i32');
  const meanings = new Map(INSTRUCTIONS.map((i) => [i.name, i.meaning]));

  rt.module.define(exec, ['i32', 'i32'], (c, hart, budget) => {
    const h = hart.get;
    const r: Registers = {
      h,
      slot: c.local('i32'),
      base: c.local('i32'),
      page: c.local('i64'),
      tlb: c.local('i32'),
      target: c.local('i64'),
    };
    const left = c.local('i32');
    c.set(left, budget.get);
    c.set(r.target, rt.word64(h, 'pc'));
    const status = c.local('i32');

    /** Leaves with the present pc. */
    const leave = (pc: I64, reason: I32): void => {
      rt.setWord(c, h, 'pc', pc);
      rt.setWord(c, h, 'left', left.get);
      c.return(reason);
    };
    const reload = (enter: Label): void => {
      c.set(r.target, rt.word64(h, 'pc'));
      c.br(enter);
    };

    c.loop((enter) => {
      // Here: `target` is the pc, privilege and translation may have changed.
      c.set(r.tlb, rt.word32(h, 'dataContext'));
      const entry = c.let(i32.add(rt.word32(h, 'fetchContext'), fetchIndex(r.target.get)));
      c.set(r.page, pageOf(r.target.get));
      c.if(
        i64.eq(state.load('i64', entry, TLB_FETCH), r.page.get),
        () => c.set(r.base, state.load('i32', entry, TLB_FETCH + 8)),
        () => {
          c.set(r.base, rt.call32('fetchPage', h, r.target.get));
          c.if(i32.eqz(r.base.get), () => {
            // A fetch that faults costs an instruction, or a trap handler that is not there would never return.
            rt.setWord(c, h, 'pc', r.target.get);
            rt.setWord(c, h, 'left', left.get);
            c.call(rt.fn('takeTrap'), h);
            rt.count(c, h, 'traps');
            c.set(r.target, rt.word64(h, 'pc'));
            c.set(left, i32.sub(left.get, 1));
            c.brIf(enter, i32.gtS(left.get, 0));
            c.set(left, i32.const(0));
            leave(r.target.get, i32.const(EXIT.BUDGET));
          });
        },
      );
      c.set(r.slot, i32.add(r.base.get, i32.shl(i32.and(i32.wrap(r.target.get), 0xffe), 2)));

      const trap = c.begin(0x02);
      const far = c.begin(0x02);
      const warm = c.begin(0x03);
      countVisit(rt, c, r);
      c.loop((next) => {
        c.set(left, i32.sub(left.get, 1));
        c.if(i32.ltS(left.get, 0), () => {
          c.set(left, i32.const(0));
          leave(currentPc(r), i32.const(EXIT.BUDGET));
        });
        /** Goes to the following instruction. */
        const advance = (length: 2 | 4): void => {
          c.set(r.slot, i32.add(r.slot.get, (length / 2) * SLOT));
          c.br(next);
        };
        const afterCall = (then: () => void): void => {
          c.if(i32.eqz(status.get), then);
          c.brIf(trap, i32.eq(status.get, STATUS.TRAP));
          c.if(i32.eq(status.get, STATUS.GO), () => reload(enter));
          leave(rt.word64(h, 'pc'), rt.word32(h, 'exit'));
        };
        const runCold = (length: 2 | 4) => (): void => {
          rt.setWord(c, h, 'left', left.get);
          c.set(status, callCold(rt, c, cold, h, r.slot.get, currentPc(r), i32.const(length)));
          afterCall(() => advance(length));
        };
        const cases: (() => void)[] = [];
        cases[HANDLER.DECODE] = () => {
          c.call(rt.fn('decodeSlot'), h, r.slot.get);
          c.set(left, i32.add(left.get, 1));
          c.br(next);
        };
        cases[HANDLER.PAGE_END] = () => {
          c.set(left, i32.add(left.get, 1));
          c.set(r.target, i64.add(r.page.get, 4096));
          c.br(enter);
        };
        cases[HANDLER.STEP] = () => {
          rt.setWord(c, h, 'left', left.get);
          c.set(status, rt.call32('step', h, currentPc(r)));
          afterCall(() => c.unreachable());
        };
        cases[HANDLER.REGION] = () => {
          const budget = c.let(i32.add(left.get, 1));
          const number = c.let(state.load('i32', r.slot.get, 4));
          rt.count(c, h, 'regionRuns');
          c.set(left, rt.regions.call(number, h, r.page.get, budget, i32.const(MAX_NESTING)));
          c.if(i32.ne(left.get, budget), () => reload(enter));
          // It could not do anything: a short budget, pages that are mapped elsewhere, an instruction that traps.
          rt.count(c, h, 'regionStays');
          c.set(left, i32.sub(left.get, 1));
          rt.setWord(c, h, 'left', left.get);
          const first = c.let(i32.add(i32.add(h, REGION_SLOTS), i32.shl(number, 3)));
          const length = c.let(state.load('i32_8u', r.slot.get, 1));
          c.set(status, callCold(rt, c, cold, h, first, currentPc(r), length));
          afterCall(() => {
            c.set(r.slot, i32.add(r.slot.get, i32.shl(length, 2)));
            c.br(next);
          });
        };
        cases[HANDLER.COLD_2] = runCold(2);
        cases[HANDLER.COLD_4] = runCold(4);
        HANDLERS.forEach((handler, i) => {
          cases[HANDLER.FIRST + i] = () =>
            c.scope(() => {
              meanings.get(handler.name)?.(new HotEmit(rt, c, r, handler, { next, warm, far, trap }));
              advance(handler.length);
            });
        });
        c.switch(state.load('i32_8u', r.slot.get), cases, () => c.unreachable());
      });
      c.end(warm);
      c.unreachable();
      c.end(far);
      c.br(enter);
      c.end(trap);
      // Cause and tval are in their words.
      rt.setWord(c, h, 'pc', currentPc(r));
      c.if(i64.eq(rt.word64(h, 'cause'), CAUSE_WATCHPOINT), () => {
        c.set(rt.flag, i32.const(0));
        leave(rt.word64(h, 'pc'), i32.const(EXIT.BREAKPOINT));
      });
      rt.setWord(c, h, 'left', left.get);
      rt.count(c, h, 'traps');
      c.call(rt.fn('takeTrap'), h);
      reload(enter);
    });
    c.unreachable();
  });
}
