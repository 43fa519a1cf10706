// What flows through the blocks of a region: which registers may differ from memory (dirty), which must be in their locals
// (live), and how many instructions may pass until the budget is looked at again. Sets of registers are pairs of 32-bit
// masks, x and f.

import type { Block, BlockGraph, Step } from './blocks.ts';
import { type Shape, shapeOf } from './structure.ts';

export interface RegisterSet {
  readonly x: number;
  readonly f: number;
}

const NONE: RegisterSet = { x: 0, f: 0 };
const union = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x | b.x, f: a.f | b.f });
const without = (a: RegisterSet, b: RegisterSet): RegisterSet => ({ x: a.x & ~b.x, f: a.f & ~b.f });
const same = (a: RegisterSet, b: RegisterSet): boolean => a.x === b.x && a.f === b.f;
const key = (set: RegisterSet): string => `${set.x}:${set.f}`;

/** Ways out that store different sets of registers; more share one that stores all. */
const EXIT_LIMIT = 16;

export interface Node {
  readonly block: Block;
  /** What the block may have written when it begins, and at its ways out. */
  readonly dirtyIn: RegisterSet;
  readonly dirty: RegisterSet;
  /** Registers that are in their locals when the block begins. */
  readonly live: RegisterSet;
  /** The budget is looked at when the block begins: it must be `need` at least. */
  readonly checked: boolean;
  readonly need: number;
  /** Of `live`, what the block itself needs; and what it writes. */
  readonly first: RegisterSet;
  readonly written: RegisterSet;
}

export interface Flow {
  readonly shape: Shape;
  /** By number, as in the shape; dispatchers have none. */
  readonly nodes: readonly Node[];
  readonly numbers: ReadonlyMap<number, number>;
  readonly exits: readonly RegisterSet[];
  /** On this edge all that is dirty is stored. */
  readonly flushes: (from: number, to: number) => boolean;
  /** Blocks that are entered from memory alone and load on the way out what only their successors need. */
  readonly sinks: readonly boolean[];
}

/** Nodes of the loop that begins at `header`. */
function loopOf(shape: Shape, header: number): number[] {
  const inside = new Set<number>([header]);
  const predecessors: number[][] = shape.successors.map(() => []);
  shape.successors.forEach((targets, from) => {
    for (const to of targets) if (shape.order[from]! >= 0) predecessors[to]!.push(from);
  });
  const pending = predecessors[header]!.filter((from) => shape.order[from]! >= shape.order[header]!);
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (inside.has(node)) continue;
    inside.add(node);
    pending.push(...predecessors[node]!);
  }
  return [...inside];
}

/** Targets of an ending that the next instruction is at without a call in between. */
function directTargets(block: Block): readonly number[] {
  const { end } = block;
  switch (end.kind) {
    case 'go':
      return [end.to];
    case 'branch':
      return [end.taken, end.next];
    case 'call':
    case 'jump':
      return [];
  }
}

function reads({ effects, fields }: Step): RegisterSet {
  let [x, f] = [0, 0];
  for (const name of effects.readsX) x |= 1 << fields[name];
  for (const name of effects.readsF) f |= 1 << fields[name];
  return { x: x & ~1, f };
}

function writes({ effects, fields }: Step): RegisterSet {
  return { x: effects.writesX ? (1 << fields.rd) & ~1 : 0, f: effects.writesF ? 1 << fields.rd : 0 };
}

export function flowOf(graph: BlockGraph): Flow {
  const blocks = [graph.blocks.get(graph.entry)!, ...[...graph.blocks.values()].filter((b) => b.at !== graph.entry)];
  const numbers = new Map(blocks.map((block, i) => [block.at, i]));
  const direct = blocks.map((block) => directTargets(block).flatMap((at) => numbers.get(at) ?? []));
  const returns = blocks.map(({ end }) => (end.kind === 'call' ? numbers.get(end.next) : undefined));
  const shape = shapeOf(direct.map((to, i) => (returns[i] === undefined ? to : [...to, returns[i]])));

  const written = blocks.map((block) => block.steps.reduce((set, step) => union(set, writes(step)), NONE));
  // A loop with a call in it begins clean: what was written before is stored on the way in, once, and not at each call.
  const cleanLoops = blocks.map(
    (_, i) => shape.loops[i]! && loopOf(shape, i).some((node) => returns[node] !== undefined),
  );
  const flushes = (from: number, to: number): boolean =>
    cleanLoops[to]! && !shape.dispatch.has(to) && shape.order[from]! < shape.order[to]!;
  const dirtyIn: RegisterSet[] = blocks.map(() => NONE);
  const dirtyOut = (i: number): RegisterSet => union(dirtyIn[i]!, written[i]!);
  for (let changed = true; changed; ) {
    changed = false;
    blocks.forEach((_, i) => {
      // After a call memory holds everything.
      for (const to of direct[i]!) {
        if (flushes(i, to)) continue;
        const now = union(dirtyIn[to]!, dirtyOut(i));
        if (!same(now, dirtyIn[to]!)) {
          dirtyIn[to] = now;
          changed = true;
        }
      }
    });
  }

  const checked = blocks.map((_, i) => shape.loops[i]! || shape.dispatch.has(i));
  const leavesWithin = blocks.map((block) => block.steps.some((step) => step.effects.leaves));
  const exits = new Map<string, { set: RegisterSet; uses: number }>();
  const use = (set: RegisterSet): void => {
    const known = exits.get(key(set));
    exits.set(key(set), { set, uses: (known?.uses ?? 0) + 1 });
  };
  blocks.forEach((_, i) => {
    use(dirtyOut(i));
    if (checked[i]) use(dirtyIn[i]!);
  });
  const kept = new Map<string, RegisterSet>();
  const sorted = [...exits.values()].sort((a, b) => b.uses - a.uses);
  const rest = sorted.slice(EXIT_LIMIT - 1).reduce((all, { set }) => union(all, set), NONE);
  sorted.forEach(({ set }, i) => {
    kept.set(key(set), i < EXIT_LIMIT - 1 ? set : rest);
  });
  const exitSet = (set: RegisterSet): RegisterSet => kept.get(key(set))!;
  const inExit = dirtyIn.map((set, i) => (checked[i] ? exitSet(set) : set));
  const outExit = blocks.map((_, i) => exitSet(dirtyOut(i)));

  const exposed = blocks.map((block, i) => {
    let [seen, before]: [RegisterSet, RegisterSet] = [leavesWithin[i] ? outExit[i]! : NONE, NONE];
    for (const step of block.steps) {
      seen = union(seen, without(reads(step), before));
      before = union(before, writes(step));
    }
    return checked[i] ? union(seen, inExit[i]!) : seen;
  });
  const outward = blocks.map((block) => {
    const targets = directTargets(block);
    return targets.length === 0 || targets.some((at) => !numbers.has(at));
  });
  const live: RegisterSet[] = [...exposed];
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = blocks.length - 1; i >= 0; i--) {
      let after: RegisterSet = outward[i] ? outExit[i]! : NONE;
      for (const to of direct[i]!) {
        after = union(after, live[to]!);
        if (flushes(i, to)) after = union(after, outExit[i]!);
      }
      const now = union(exposed[i]!, without(after, written[i]!));
      if (!same(now, live[i]!)) {
        live[i] = now;
        changed = true;
      }
    }
  }

  // Longest ways: from the last block in reverse postorder to the first, all edges but those to checked blocks lead on.
  const needs = blocks.map(({ steps }) => steps.length);
  const byOrder = blocks.map((_, i) => i).sort((a, b) => shape.order[b]! - shape.order[a]!);
  for (const i of byOrder) {
    let longest = 0;
    for (const to of direct[i]!) if (!checked[to]) longest = Math.max(longest, needs[to]!);
    needs[i] = needs[i]! + longest;
  }
  const nodes = blocks.map(
    (block, i): Node => ({
      block,
      dirtyIn: inExit[i]!,
      dirty: outExit[i]!,
      live: live[i]!,
      checked: checked[i]!,
      need: needs[i]!,
      first: exposed[i]!,
      written: written[i]!,
    }),
  );
  const sets = new Map([...kept.values()].map((set) => [key(set), set]));
  // Where all comes from memory, a block needs few registers, and each way out of it has its own: they are loaded there.
  const entered = new Array<number>(blocks.length).fill(0);
  for (const to of direct) for (const node of to) entered[node]!++;
  for (const node of returns) if (node !== undefined) entered[node]!++;
  const sinks = blocks.map((_, i) => entered[i] === (i === 0 ? 0 : 1) && direct[i]!.length === 2 && !checked[i]);
  sinks.forEach((_, i) => {
    const fromMemory = i === 0 || returns.includes(i);
    sinks[i] = sinks[i]! && fromMemory && !outward[i];
  });
  return { shape, nodes, numbers, exits: [...sets.values()], flushes, sinks };
}
