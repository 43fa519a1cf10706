// One region as a WebAssembly function:
//
//   region(h, virtual page of the entry, budget, calls that may nest) -> budget left
//
// Registers live in locals. Wherever the function is left, memory has the exact state of the processor: registers, the pc
// in its word, the budget for what was not executed. Going on from there with the interpreter, with another region or with
// the caller's is the same thing, so nothing ever needs to be undone or patched:
//
//   entry ─► blocks ──┬─► leave    a trap, an instruction for the interpreter, a short budget
//              ▲      ├─► chain    to a place outside: a tail call, where that place has a region
//              │      ├─► return   the guest returns: so does the function
//              └──────┴── call     the callee's region; on with the next block if it came back to the link address

import { CODE_PAGE, F, TLB_FETCH, X } from '../hart/layout.ts';
import { HANDLER } from '../hart/slot.ts';
import { fetchIndex, pageOf } from '../mmu/tlb.ts';
import type { Code, FunctionRef, Label, Local } from '../wasm/code.ts';
import { type I32, type I64, i32, i64 } from '../wasm/expr.ts';
import type { BlockGraph, Ending, Step } from './blocks.ts';
import { RegionEmit, type Surroundings } from './emit.ts';
import { type Flow, flowOf, type Node, type RegisterSet } from './flow.ts';
import type { RegionModule } from './linkage.ts';

const PAGE_SHIFT = 12;
const PAGE_SIZE = 4096;

/** A decoded page: where it lies, from the start of the hart's region, and what it was decoded from. */
export interface PageVersion {
  readonly decoded: number;
  readonly version: number;
}

export interface RegionCode {
  readonly graph: BlockGraph;
  /** By distance from the entry's page. */
  readonly pages: ReadonlyMap<number, PageVersion>;
}

interface Parameters {
  readonly h: Local<'i32'>;
  readonly page: Local<'i64'>;
  readonly left: Local<'i32'>;
  readonly depth: Local<'i32'>;
}

/** A way out: registers to store, and how to go on. */
interface Exit {
  readonly set: RegisterSet;
  readonly leave: Label;
  readonly chain: Label;
  leaveUsed: boolean;
  chainUsed: boolean;
}

export function defineRegion(rt: RegionModule, name: string, region: RegionCode): FunctionRef<'i32'> {
  const params = ['i32', 'i64', 'i32', 'i32'] as const;
  const ref = rt.module.declare(name, params, 'i32');
  rt.roots.set(region.pages.get(0)!.decoded + region.graph.entry * 4, ref);
  rt.module.define(ref, params, (code, h, page, left, depth) => {
    new RegionWriter(rt, code, { h, page, left, depth }, region).write();
  });
  return ref;
}

class RegionWriter {
  readonly #rt: RegionModule;
  readonly #c: Code;
  readonly #p: Parameters;
  readonly #region: RegionCode;
  readonly #flow: Flow;
  readonly #x = new Map<number, Local<'i64'>>();
  /** As doubles, which keep all bits: see fp/inline.ts. */
  readonly #f = new Map<number, Local<'f64'>>();
  readonly #singles = new Map<number, Local<'f32'>>();
  readonly #tlb: Local<'i32'>;
  readonly #frm: Local<'i32'>;
  readonly #limit: Local<'i32'>;
  readonly #usesFp: boolean;
  /** Where a way out goes. */
  readonly #exitPc: Local<'i64'>;
  /** Which entry of an irreducible loop comes next. */
  readonly #label: Local<'i32'>;
  readonly #exits = new Map<string, Exit>();
  readonly #emit: RegionEmit;
  /** Where each loop begins and each merge node's block ends. */
  readonly #loopLabels = new Map<number, Label>();
  readonly #mergeLabels = new Map<number, Label>();
  #leave: () => void = () => undefined;
  /** Loads and stores that can go by the page of another one of their block. */
  readonly #sharers = new Set<Step>();

  constructor(rt: RegionModule, code: Code, parameters: Parameters, region: RegionCode) {
    this.#rt = rt;
    this.#c = code;
    this.#p = parameters;
    this.#region = region;
    this.#flow = flowOf(region.graph);
    this.#tlb = code.local('i32');
    this.#frm = code.local('i32');
    this.#limit = code.local('i32');
    this.#usesFp = this.#flow.nodes.some((node) => node.block.steps.some((step) => step.effects.calls.length > 0));
    this.#exitPc = code.local('i64');
    this.#label = code.local('i32');
    const surroundings: Surroundings = {
      rt,
      code,
      h: parameters.h.get,
      tlb: this.#tlb.get,
      frm: this.#frm.get,
      limit: this.#limit,
      x: (number) => this.#register(this.#x, 'i64', number),
      f: (number) => this.#register(this.#f, 'f64', number),
      single: (number) => this.#register(this.#singles, 'f32', number),
      address: (offset) => this.#address(offset),
      leave: () => this.#leave(),
      sharesBase: (step) => this.#sharers.has(step),
    };
    this.#emit = new RegionEmit(surroundings);
  }

  #register<T extends 'i64' | 'f64' | 'f32'>(file: Map<number, Local<T>>, type: T, number: number): Local<T> {
    const known = file.get(number);
    if (known) return known;
    const outer = this.#c.withoutScope(() => this.#c.local(type));
    file.set(number, outer);
    return outer;
  }

  #address(offset: number): I64 {
    return i64.add(this.#p.page.get, offset);
  }

  write(): void {
    const { h, left, page } = this.#p;
    const { nodes, exits } = this.#flow;
    const c = this.#c;
    const rt = this.#rt;
    const entry = nodes[0]!;
    const steps = nodes.flatMap((node) => node.block.steps);

    const stay = c.begin(0x02);
    if (!entry.checked) c.brIf(stay, i32.ltS(left.get, entry.need));
    this.#checkPages(stay);
    if (steps.some((step) => step.effects.accesses)) c.set(this.#tlb, rt.word32(h.get, 'dataContext'));
    if (this.#usesFp) {
      c.set(this.#frm, rt.word32(h.get, 'frm'));
      this.#emit.refreshLimit();
    }
    this.#load(this.#flow.sinks[0] ? entry.first : entry.live);

    const end = c.begin(0x02);
    const chain = c.begin(0x02);
    for (const set of exits) {
      const exit = { set, chain: c.begin(0x02), leave: c.begin(0x02), leaveUsed: false, chainUsed: false };
      this.#exits.set(`${set.x}:${set.f}`, exit);
    }
    this.#tree(0);
    for (const set of [...exits].reverse()) {
      const exit = this.#exits.get(`${set.x}:${set.f}`)!;
      c.end(exit.leave);
      if (exit.leaveUsed) {
        this.#store(set);
        c.br(end);
      }
      c.end(exit.chain);
      if (exit.chainUsed) {
        this.#store(set);
        c.br(chain);
      }
      c.unreachable();
    }
    c.end(chain);
    this.#chain();
    c.end(end);
    rt.setWord(c, h.get, 'pc', this.#exitPc.get);
    c.return(left.get);
    c.end(stay);
    rt.setWord(c, h.get, 'pc', i64.add(page.get, this.#region.graph.entry));
    c.return(left.get);
    c.unreachable();
  }

  /** Pages other than the entry's must be mapped as they were, to the code as it was. */
  #checkPages(stay: Label): void {
    const { h } = this.#p;
    const c = this.#c;
    const { state } = this.#rt;
    for (const distance of this.#region.graph.pages) {
      if (distance === 0) continue;
      const { decoded, version } = this.#region.pages.get(distance)!;
      const virtual = c.let(this.#address(distance * PAGE_SIZE));
      const at = c.let(i32.add(this.#rt.word32(h.get, 'fetchContext'), fetchIndex(virtual)));
      c.brIf(stay, i64.ne(state.load('i64', at, TLB_FETCH), virtual));
      c.brIf(stay, i32.ne(state.load('i32', at, TLB_FETCH + 8), i32.add(h.get, decoded)));
      c.brIf(stay, i32.ne(state.load('i32', h.get, decoded + CODE_PAGE.version), version));
    }
  }

  #load({ x, f }: RegisterSet): void {
    const { state } = this.#rt;
    const h = this.#p.h.get;
    for (let i = 1; i < 32; i++) {
      if ((x >>> i) & 1) this.#c.set(this.#register(this.#x, 'i64', i), state.load('i64', h, X + i * 8));
    }
    for (let i = 0; i < 32; i++) {
      if ((f >>> i) & 1) this.#c.set(this.#register(this.#f, 'f64', i), state.load('f64', h, F + i * 8));
    }
  }

  #store({ x, f }: RegisterSet): void {
    const { state } = this.#rt;
    const h = this.#p.h.get;
    for (let i = 1; i < 32; i++) {
      if ((x >>> i) & 1) this.#c.store(state, 'i64', h, this.#register(this.#x, 'i64', i).get, X + i * 8);
    }
    for (let i = 0; i < 32; i++) {
      if ((f >>> i) & 1) this.#c.store(state, 'f64', h, this.#register(this.#f, 'f64', i).get, F + i * 8);
    }
  }

  /** Leaves with the pc `target`. */
  #exit(set: RegisterSet, how: 'leave' | 'chain', target: I64): void {
    const exit = this.#exits.get(`${set.x}:${set.f}`)!;
    if (how === 'leave') exit.leaveUsed = true;
    else exit.chainUsed = true;
    this.#c.set(this.#exitPc, target);
    this.#c.br(exit[how]);
  }

  // --- Structure ---

  #tree(number: number): void {
    const { shape } = this.#flow;
    const c = this.#c;
    const body = (): void => this.#within(number, [...shape.following[number]!].reverse());
    if (!shape.loops[number]) {
      body();
      return;
    }
    c.loop((label) => {
      this.#loopLabels.set(number, label);
      body();
    });
  }

  /** The node in a block for each merge node that follows it; `following` begins with the last of them. */
  #within(number: number, following: readonly number[]): void {
    const [last, ...others] = following;
    if (last === undefined) {
      this.#content(number);
      return;
    }
    this.#c.block((label) => {
      this.#mergeLabels.set(last, label);
      this.#within(number, others);
    });
    this.#tree(last);
  }

  #content(number: number): void {
    const { nodes, shape } = this.#flow;
    const node = nodes[number];
    if (node) this.#block(number, node);
    else {
      // A dispatcher.
      const entries = shape.successors[number]!;
      const cases = entries.map((entry) => () => this.#branch(number, entry));
      this.#c.switch(this.#label.get, cases, () => this.#c.unreachable());
      this.#c.unreachable();
    }
  }

  #branch(from: number, to: number): void {
    const { shape } = this.#flow;
    const c = this.#c;
    const via = shape.dispatch.get(to);
    if (via && via.dispatcher !== from) {
      c.set(this.#label, i32.const(via.label));
      this.#branch(from, via.dispatcher);
      return;
    }
    if (shape.order[to]! <= shape.order[from]!) c.br(this.#loopLabels.get(to)!);
    else if (shape.merges[to]) c.br(this.#mergeLabels.get(to)!);
    else this.#tree(to);
  }

  /** On to a place: a block of the region, or out. */
  #go(from: number, node: Node, to: number): void {
    const number = this.#flow.numbers.get(to);
    if (number === undefined) {
      this.#exit(node.dirty, 'chain', this.#address(to));
      return;
    }
    const flushes = this.#flow.flushes(from, number);
    if (this.#flow.sinks[from]) {
      const { live } = this.#flow.nodes[number]!;
      const has = { x: node.first.x | node.written.x, f: node.first.f | node.written.f };
      const stored = flushes ? node.dirty : { x: 0, f: 0 };
      this.#load({ x: (live.x | stored.x) & ~has.x, f: (live.f | stored.f) & ~has.f });
    }
    if (flushes) this.#store(node.dirty);
    this.#branch(from, number);
  }

  // --- Blocks ---

  #block(number: number, node: Node): void {
    const { left } = this.#p;
    const c = this.#c;
    const { steps, end, at } = node.block;
    if (node.checked) {
      c.if(i32.ltS(left.get, node.need), () => this.#exit(node.dirtyIn, 'leave', this.#address(at)));
    }
    c.set(left, i32.sub(left.get, steps.length));
    this.#emit.beginBlock();
    this.#findSharers(steps);
    steps.forEach((step, i) => {
      this.#leave = () => {
        c.set(left, i32.add(left.get, steps.length - i));
        this.#exit(node.dirty, 'leave', this.#address(step.at));
      };
      c.scope(() => this.#emit.emit(step));
    });
    this.#end(number, node, end);
  }

  /** Accesses by a register that is not written between them, of one kind. */
  #findSharers(steps: readonly Step[]): void {
    const first = new Map<string, Step>();
    for (const step of steps) {
      const { effects, fields } = step;
      if (effects.loads || effects.stores) {
        const key = `${fields.rs1} ${effects.stores}`;
        const other = first.get(key);
        if (other) this.#sharers.add(other).add(step);
        else first.set(key, step);
      }
      if (!effects.writesX) continue;
      first.delete(`${fields.rd} false`);
      first.delete(`${fields.rd} true`);
    }
  }

  #end(number: number, node: Node, end: Ending): void {
    const c = this.#c;
    const { condition, target } = this.#emit;
    switch (end.kind) {
      case 'go':
        this.#go(number, node, end.to);
        break;
      case 'branch':
        c.if(condition!, () => this.#go(number, node, end.taken));
        this.#go(number, node, end.next);
        break;
      case 'jump':
        this.#exit(node.dirty, end.returns ? 'leave' : 'chain', target!);
        break;
      case 'call':
        this.#call(number, node, end.to, end.next, target);
        break;
    }
  }

  /** The slot of a place whose page the region has checked; undefined: it must be looked up. */
  #knownSlot(offset: number): number | undefined {
    const page = this.#region.pages.get(offset >> PAGE_SHIFT);
    if (!page || !this.#region.graph.pages.includes(offset >> PAGE_SHIFT)) return undefined;
    return page.decoded + (offset & (PAGE_SIZE - 1)) * 4;
  }

  /** Runs `found` with the slot of an address, if its page is in the fetch table. */
  #lookUp(target: I64, found: (slot: I32) => void): void {
    const c = this.#c;
    const { state } = this.#rt;
    const entry = c.let(i32.add(this.#rt.word32(this.#p.h.get, 'fetchContext'), fetchIndex(target)));
    c.if(i64.eq(state.load('i64', entry, TLB_FETCH), pageOf(target)), () => {
      const within = i32.shl(i32.and(i32.wrap(target), 0xffe), 2);
      found(c.let(i32.add(state.load('i32', entry, TLB_FETCH + 8), within)));
    });
  }

  #isRegion(slot: I32): I32 {
    return i32.eq(this.#rt.state.load('i32_8u', slot), HANDLER.REGION);
  }

  #call(number: number, node: Node, to: number | undefined, next: number, dynamic: I64 | undefined): void {
    const { h, left, depth } = this.#p;
    const c = this.#c;
    const rt = this.#rt;
    const follow = this.#flow.numbers.get(next);
    this.#store(node.dirty);
    c.set(this.#exitPc, to === undefined ? dynamic! : this.#address(to));
    const target = this.#exitPc.get;
    const deeper = i32.sub(depth.get, 1);
    c.scope(() => {
      const back = c.begin(0x02);
      const returned = (): void => {
        if (follow === undefined) c.return(left.get);
        else {
          const { need } = this.#flow.nodes[follow]!;
          c.if(i64.ne(rt.word64(h.get, 'pc'), this.#address(next)), () => c.return(left.get));
          c.if(i32.ltS(left.get, need), () => c.return(left.get));
          c.br(back);
        }
      };
      const throughSlot = (slot: I32): void =>
        c.if(i32.and(this.#isRegion(slot), i32.gtS(depth.get, 0)), () => {
          const index = rt.state.load('i32', slot, 4);
          c.set(left, rt.regions.call(index, h.get, pageOf(target), left.get, deeper));
          returned();
        });
      const known = to === undefined ? undefined : this.#knownSlot(to);
      // A region of this module that begins in a page of this region is right as long as this one is.
      const neighbour = known === undefined ? undefined : rt.roots.get(known);
      if (neighbour) {
        c.if(i32.gtS(depth.get, 0), () => {
          c.set(left, neighbour.call(h.get, this.#address(to! & -PAGE_SIZE), left.get, deeper));
          returned();
        });
      } else if (known !== undefined) throughSlot(c.let(i32.add(h.get, known)));
      else this.#lookUp(target, throughSlot);
      rt.setWord(c, h.get, 'pc', target);
      c.return(left.get);
      c.end(back);
    });
    if (follow === undefined) {
      c.unreachable();
      return;
    }
    if (this.#usesFp) this.#emit.refreshLimit();
    const { live, first } = this.#flow.nodes[follow]!;
    this.#load(this.#flow.sinks[follow] ? first : live);
    this.#branch(number, follow);
  }

  #chain(): void {
    const { h, left, depth } = this.#p;
    const c = this.#c;
    const rt = this.#rt;
    const target = this.#exitPc.get;
    this.#lookUp(target, (slot) =>
      c.if(this.#isRegion(slot), () => {
        const index = rt.state.load('i32', slot, 4);
        c.tailCall(rt.regions, index, h.get, pageOf(target), left.get, depth.get);
      }),
    );
  }
}
