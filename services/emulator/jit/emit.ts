// An instruction within a region: operands are constants of the encoding, registers are locals, and loads and stores look
// into the TLB inline. What cannot be done here leaves the region in front of the instruction, and the interpreter does it
// again from the start: so traps are taken in one place, with the state that they must see.

import { boxedSingle, type FpSite, inlineFp, plainSite } from '../fp/inline.ts';
import { emitAmo, emitLoadReserved, emitStoreConditional } from '../hart/atomics.ts';
import { barred } from '../hart/cache.ts';
import { extend, SIZE } from '../hart/cold.ts';
import { ENVCFG } from '../hart/envcfg.ts';
import { LOADS, STORES } from '../hart/hot.ts';
import { TLB_WRITE } from '../hart/layout.ts';
import { MSTATUS } from '../hart/trap.ts';
import type { AmoKind, AtomicWidth, Emit, LoadWidth, StoreWidth } from '../isa/meaning.ts';
import type { FieldName } from '../isa/pattern.ts';
import { dataIndex, pageOf } from '../mmu/tlb.ts';
import type { Code, Local } from '../wasm/code.ts';
import { type Expr, f32, f64, type I32, type I64, i32, i64, select, type ValueType } from '../wasm/expr.ts';
import type { Step } from './blocks.ts';
import { Untranslatable } from './effects.ts';
import type { RegionModule } from './linkage.ts';

/** What an instruction shares with the region around it. */
export interface Surroundings {
  readonly rt: RegionModule;
  readonly code: Code;
  readonly h: I32;
  /** TLB tables of loads and stores. */
  readonly tlb: I32;
  readonly frm: I32;
  /** See FpSite: for the mode in frm. */
  readonly limit: Local<'i32'>;
  x(number: number): Local<'i64'>;
  f(number: number): Local<'f64'>;
  /** A register's value as a single, beside it. */
  single(number: number): Local<'f32'>;
  /** The virtual address of a place. */
  address(offset: number): I64;
  /** Leaves the region in front of the present instruction. */
  leave(): void;
  /** The access is not the only one of its block by its register. */
  sharesBase(step: Step): boolean;
}

/** An address register, and the page that an access by it was found in: loads and stores have entries of their own. */
interface Base {
  readonly tag: Local<'i64'>;
  readonly addend: Local<'i32'>;
}

const DYNAMIC = 7;
const LAST_MODE = 4;
/** Keys of bases: the register, and of stores so much more. */
const STORES_FROM = 32;
const CANONICAL_NAN = 0x7fc0_0000;
const BOX = 0xffff_ffff_0000_0000n;

export class RegionEmit implements Emit {
  readonly code: Code;
  readonly #s: Surroundings;
  #step!: Step;
  /** Registers that are known to be constants, in this block. */
  readonly #constants = new Map<number, I64>();
  /** Registers that addresses of this block were made from, with the TLB entry that was found last. */
  readonly #bases = new Map<number, Base>();
  #fpOn = false;
  #fpDirty = false;
  #modeChecked = false;
  /** Registers whose value as a single is at hand, in this block. */
  readonly #singles = new Set<number>();
  /** What a branch or an indirect jump came to. */
  condition: I32 | undefined;
  target: I64 | undefined;

  readonly #plain: FpSite;
  readonly #site: FpSite;

  constructor(surroundings: Surroundings) {
    this.#s = surroundings;
    this.code = surroundings.code;
    const { rt, h, code, frm, limit } = surroundings;
    this.#plain = plainSite(rt, code, h);
    this.#site = {
      code,
      fuses: this.#plain.fuses,
      inexact: () => this.#plain.inexact(),
      limit: (mode) => (mode === frm ? limit.get : this.#plain.limit(mode)),
      call: (name, result, args) => {
        const value = code.let(this.#plain.call(name, result, args));
        this.refreshLimit();
        return value;
      },
    };
  }

  /** NX may have changed: on entry, and behind what is called. */
  refreshLimit(): void {
    this.code.set(this.#s.limit, this.#plain.limit(this.#s.frm));
  }

  beginBlock(): void {
    this.#constants.clear();
    this.#singles.clear();
    this.#bases.clear();
    this.#fpOn = this.#fpDirty = this.#modeChecked = false;
  }

  emit(step: Step): void {
    this.#step = step;
    this.condition = this.target = undefined;
    step.instruction.meaning(this);
  }

  let<T extends ValueType>(value: Expr<T>): Expr<T> {
    return this.code.let(value);
  }

  x(register: 'rs1' | 'rs2'): I64 {
    const number = this.#step.fields[register];
    if (number === 0) return i64.const(0n);
    return this.#constants.get(number) ?? this.#s.x(number).get;
  }

  setX(value: I64): void {
    const { rd } = this.#step.fields;
    if (rd === 0) return;
    this.code.set(this.#s.x(rd), value);
    this.#bases.delete(rd);
    this.#bases.delete(rd + STORES_FROM);
    if (value.constant !== undefined) this.#constants.set(rd, value);
    else this.#constants.delete(rd);
  }

  imm(): I64 {
    return i64.const(this.#step.fields.imm);
  }

  number(field: FieldName): I32 {
    return i32.const(this.#step.fields[field]);
  }

  pc(): I64 {
    return this.#s.address(this.#step.at);
  }

  link(): I64 {
    return this.#s.address(this.#step.at + this.#step.length);
  }

  #leaveIfTrapped(): void {
    const { rt } = this.#s;
    this.code.if(rt.flag.get, () => {
      this.code.set(rt.flag, i32.const(0));
      this.#s.leave();
    });
  }

  /** What is known of the page that the register of this access points to. */
  #base(table: number): { base: Base; known: boolean } | undefined {
    const { rs1 } = this.#step.fields;
    if (!this.#s.sharesBase(this.#step)) return undefined;
    const key = table === 0 ? rs1 : rs1 + STORES_FROM;
    const known = this.#bases.get(key);
    if (known) return { base: known, known: true };
    const base = this.code.withoutScope(() => ({ tag: this.code.local('i64'), addend: this.code.local('i32') }));
    this.#bases.set(key, base);
    return { base, known: false };
  }

  /** Runs `hit` with the offset in RAM where the address is in the TLB, else `miss`; `again` where a known page does not fit. */
  #translated(
    at: I64,
    size: number,
    table: number,
    hit: (offset: I32) => void,
    miss: () => void,
    again: () => void,
  ): void {
    const { code } = this;
    const { rt, tlb } = this.#s;
    const last = size === 1 ? at : i64.add(at, size - 1);
    const shared = this.#base(table);
    if (shared?.known) {
      const { tag, addend } = shared.base;
      code.if(i64.eq(tag.get, pageOf(last)), () => hit(i32.add(i32.wrap(at), addend.get)), again);
      return;
    }
    const entry = this.let(i32.add(tlb, dataIndex(at)));
    const found = rt.state.load('i64', entry, table);
    const addend = rt.state.load('i32', entry, table + 8);
    if (shared) {
      const { base } = shared;
      code.set(base.tag, found);
      code.set(base.addend, addend);
      code.if(i64.eq(base.tag.get, pageOf(last)), () => hit(i32.add(i32.wrap(at), base.addend.get)), miss);
    } else code.if(i64.eq(found, pageOf(last)), () => hit(i32.add(i32.wrap(at), addend)), miss);
  }

  load(width: LoadWidth, address: I64): I64 {
    const { kind, size } = LOADS[width];
    const { code } = this;
    const { rt, h } = this.#s;
    const at = this.let(address);
    const value = code.local('i64');
    const slowly = (name: string) => (): void => {
      code.set(value, extend(width, rt.call64(name, h, at, i32.const(size))));
      this.#leaveIfTrapped();
    };
    const hit = (offset: I32): void => code.set(value, rt.ram.load(kind, offset) as I64);
    this.#translated(at, size, 0, hit, slowly('loadSlow'), slowly('load'));
    return value.get;
  }

  store(width: StoreWidth, address: I64, value: I64): void {
    const { kind, size } = STORES[width];
    const { code } = this;
    const { rt, h } = this.#s;
    const at = this.let(address);
    const slowly = (name: string) => (): void => {
      code.call(rt.fn(name), h, at, i32.const(size), value);
      this.#leaveIfTrapped();
    };
    const hit = (offset: I32): void => code.store(rt.ram, kind, offset, value);
    this.#translated(at, size, TLB_WRITE, hit, slowly('storeSlow'), slowly('store'));
  }

  branch(condition: I32): void {
    this.condition = condition;
  }

  /** Where it goes is in the graph. */
  jump(): void {}

  jumpTo(address: I64): void {
    this.target = address;
  }

  raise(): void {
    throw new Untranslatable();
  }

  #atomic(address: I64, width: AtomicWidth, reserve: number): I32 {
    const { rt, h } = this.#s;
    const offset = this.let(rt.call32('atomicAddress', h, address, i32.const(SIZE[width]), i32.const(reserve)));
    this.#leaveIfTrapped();
    return offset;
  }

  loadReserved(width: AtomicWidth, address: I64): I64 {
    const { rt, h } = this.#s;
    return emitLoadReserved(rt, this.code, h, width, this.#atomic(address, width, 1));
  }

  storeConditional(width: AtomicWidth, address: I64, value: I64): I64 {
    const { rt, h } = this.#s;
    return emitStoreConditional(rt, this.code, h, width, value, () => this.#atomic(address, width, 0));
  }

  amo(kind: AmoKind, width: AtomicWidth, address: I64, value: I64): I64 {
    return emitAmo(this.#s.rt, this.code, kind, width, this.#atomic(address, width, 0), value);
  }

  fence(): void {
    this.code.fence();
  }

  csr(): I64 {
    throw new Untranslatable();
  }

  system(): void {
    throw new Untranslatable();
  }

  sfenceVma(): void {
    throw new Untranslatable();
  }

  requireCacheZero(): void {
    const { rt, h } = this.#s;
    this.code.if(barred(rt, h, ENVCFG.CBZE), () => this.#s.leave());
  }

  /** mstatus.FS and frm change by CSR instructions alone, and none stands in a region: one look in a block is enough. */
  requireFp(): void {
    if (this.#fpOn) return;
    this.#fpOn = true;
    const { rt, h } = this.#s;
    this.code.if(i64.eqz(i64.and(rt.word64(h, 'mstatus'), MSTATUS.FS)), () => this.#s.leave());
  }

  f(register: 'rs1' | 'rs2' | 'rs3'): I64 {
    return i64.reinterpret(this.#s.f(this.#step.fields[register]).get);
  }

  setF(value: I64): void {
    const { rd } = this.#step.fields;
    const single = boxedSingle(value);
    this.#singles.delete(rd);
    if (single) {
      const kept = this.#s.single(rd);
      this.code.set(kept, single);
      this.#singles.add(rd);
      this.code.set(this.#s.f(rd), f64.reinterpret(i64.or(i64.extendU(i32.reinterpret(kept.get)), BOX)));
    } else {
      this.code.set(this.#s.f(rd), f64.reinterpret(value));
    }
    this.fpDirty();
  }

  fpDirty(): void {
    if (this.#fpDirty) return;
    this.#fpDirty = true;
    const { rt, h } = this.#s;
    rt.setWord(this.code, h, 'mstatus', i64.or(rt.word64(h, 'mstatus'), MSTATUS.FS));
  }

  unbox(bits: I64): I32 {
    const number = (['rs1', 'rs2', 'rs3'] as const)
      .map((field) => this.#step.fields[field])
      .find((register) => bits.args[0] === this.#s.f(register).get);
    if (number !== undefined && this.#singles.has(number)) return i32.reinterpret(this.#s.single(number).get);
    const value = this.let(bits);
    const boxed = i64.eq(i64.shrU(value, 32n), 0xffff_ffffn);
    const single = select(boxed, i32.wrap(value), i32.const(CANONICAL_NAN));
    if (number === undefined) return single;
    this.code.set(this.#s.single(number), f32.reinterpret(single));
    this.#singles.add(number);
    return i32.reinterpret(this.#s.single(number).get);
  }

  roundingMode(): I32 {
    const { rm } = this.#step.fields;
    const { frm } = this.#s;
    if (rm <= LAST_MODE) return i32.const(rm);
    if (rm < DYNAMIC) {
      this.#s.leave();
      return i32.const(0);
    }
    if (!this.#modeChecked) this.code.if(i32.gtU(frm, LAST_MODE), () => this.#s.leave());
    this.#modeChecked = true;
    return frm;
  }

  fp<R extends ValueType>(name: string, result: R, ...args: Expr[]): Expr<R> {
    return inlineFp(this.#site, name, result, args);
  }
}
