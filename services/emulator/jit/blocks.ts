// Basic blocks of guest code, found by following direct branches from one entry. Places are offsets in bytes from the start
// of the entry's page, so that a graph holds at whatever virtual address the page is mapped; code of other pages stands at
// its distance, below 0 or from 4096 on.

import type { Instruction } from '../isa/meaning.ts';
import type { Fields } from '../isa/pattern.ts';
import { decode, newDecoded } from '../isa/table.ts';
import { type Effects, effectsOf } from './effects.ts';

/** One instruction of guest code. */
export interface Step {
  readonly at: number;
  readonly length: 2 | 4;
  readonly instruction: Instruction;
  readonly fields: Readonly<Fields>;
  readonly effects: Effects;
}

/** How a block ends, after its last step. Targets are offsets; one that is no block of the graph leaves the region. */
export type Ending =
  | { readonly kind: 'go'; readonly to: number }
  | { readonly kind: 'branch'; readonly taken: number; readonly next: number }
  /** A call: the link register is written by the last step; `to` is undefined where a register says where it goes. */
  | { readonly kind: 'call'; readonly to: number | undefined; readonly next: number }
  /** To where a register says, for good. */
  | { readonly kind: 'jump'; readonly returns: boolean };

export interface Block {
  readonly at: number;
  readonly steps: readonly Step[];
  readonly end: Ending;
}

export interface BlockGraph {
  readonly entry: number;
  readonly blocks: ReadonlyMap<number, Block>;
  /** Pages that hold code of the graph, as distances from the entry's: 0 is always one of them. */
  readonly pages: readonly number[];
  readonly instructions: number;
}

/** 16 bits of code at an offset, or undefined where the code is not at hand. */
export type CodeReader = (offset: number) => number | undefined;

const RA = 1;
const T0 = 5;
const PAGE_SHIFT = 12;

const decoded = newDecoded();

function readStep(read: CodeReader, at: number): Step | undefined {
  const low = read(at);
  if (low === undefined) return undefined;
  let bits = low;
  if ((low & 3) === 3) {
    const high = read(at + 2);
    if (high === undefined) return undefined;
    bits |= high << 16;
  }
  const { instruction, length, rd, rs1, rs2, rs3, rm, imm } = decode(bits, decoded);
  const effects = instruction && effectsOf(instruction);
  if (!instruction || !effects) return undefined;
  return { at, length, instruction, fields: { rd, rs1, rs2, rs3, rm, imm }, effects };
}

/** Where an instruction leads; the first place is looked at first. */
function successors(step: Step): readonly number[] {
  const next = step.at + step.length;
  switch (step.effects.control) {
    case 'none':
      return [next];
    case 'branch':
      return [next, step.at + step.fields.imm];
    case 'jump':
      return step.fields.rd === 0 ? [step.at + step.fields.imm] : [next];
    case 'jumpTo':
      return step.fields.rd === 0 ? [] : [next];
  }
}

function ending(step: Step, previous: Step | undefined): Ending {
  const next = step.at + step.length;
  const { rd, rs1, imm } = step.fields;
  switch (step.effects.control) {
    case 'none':
      return { kind: 'go', to: next };
    case 'branch':
      return { kind: 'branch', taken: step.at + imm, next };
    case 'jump':
      return rd === 0 ? { kind: 'go', to: step.at + imm } : { kind: 'call', to: step.at + imm, next };
    case 'jumpTo': {
      if (rd === 0) return { kind: 'jump', returns: rs1 === RA || rs1 === T0 };
      // auipc before it makes it a call of a known place.
      const known = previous?.instruction.name === 'auipc' && previous.fields.rd === rs1 && rs1 !== 0;
      return { kind: 'call', to: known ? (previous.at + previous.fields.imm + imm) & ~1 : undefined, next };
    }
  }
}

export interface Limits {
  readonly instructions: number;
  /** Counting the entry's. */
  readonly pages: number;
  /** False: the instruction stays out. */
  readonly admits: (offset: number) => boolean;
}

/** Undefined: not even the first instruction can be translated. */
export function findBlocks(read: CodeReader, entry: number, limits: Limits): BlockGraph | undefined {
  const steps = new Map<number, Step>();
  const leaders = new Set<number>([entry]);
  const pages = new Set<number>([entry >> PAGE_SHIFT]);
  const admit = (page: number): boolean => {
    if (!pages.has(page) && pages.size >= limits.pages) return false;
    pages.add(page);
    return true;
  };
  const pending = [entry];
  for (let i = 0; i < pending.length; i++) {
    // A run of instructions up to where it is known already, or cannot go on.
    let at = pending[i]!;
    while (!steps.has(at) && steps.size < limits.instructions) {
      if (at !== entry && !limits.admits(at)) break;
      const step = readStep(read, at);
      if (!step || !admit(at >> PAGE_SHIFT) || !admit((at + step.length - 1) >> PAGE_SHIFT)) break;
      steps.set(at, step);
      const [first, ...others] = successors(step);
      const straight = step.effects.control === 'none';
      for (const place of others) {
        leaders.add(place);
        pending.push(place);
      }
      if (first === undefined) break;
      if (!straight) leaders.add(first);
      at = first;
    }
    // Where runs meet, a block begins.
    if (steps.has(at)) leaders.add(at);
  }
  if (!steps.has(entry)) return undefined;

  const blocks = new Map<number, Block>();
  for (const leader of leaders) {
    const run: Step[] = [];
    for (let step = steps.get(leader); step; ) {
      run.push(step);
      if (step.effects.control !== 'none') break;
      const next: number = step.at + step.length;
      if (leaders.has(next)) break;
      step = steps.get(next);
    }
    if (run.length > 0) {
      blocks.set(leader, { at: leader, steps: run, end: ending(run[run.length - 1]!, run[run.length - 2]) });
    }
  }
  const used = new Set<number>([entry >> PAGE_SHIFT]);
  for (const { at, length } of steps.values()) {
    used.add(at >> PAGE_SHIFT);
    used.add((at + length - 1) >> PAGE_SHIFT);
  }
  return { entry, blocks, pages: [...used], instructions: steps.size };
}
