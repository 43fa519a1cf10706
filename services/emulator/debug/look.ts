// A hart as people look at it: everything that it knows, as plain data that can be sent to another thread or printed.

import type { Hart } from '../hart/hart.ts';
import type { ExitCount, ExitCounts } from './exits.ts';
import type { TlbLook } from './tlb.ts';

export type PrivilegeName = 'U' | 'S' | 'M';

export interface HartLook {
  readonly id: number;
  readonly pc: string;
  readonly privilege: PrivilegeName;
  /** In WFI. */
  readonly waiting: boolean;
  /** x0..x31 and f0..f31 as hex text. */
  readonly x: readonly string[];
  readonly f: readonly string[];
  /** By name. */
  readonly csrs: Readonly<Record<string, string>>;
  /** Instructions retired by mode since the last reset. */
  readonly modes: { readonly user: number; readonly supervisor: number; readonly machine: number };
  readonly counters: Readonly<Record<string, number>>;
  readonly exits: readonly ExitCount[];
  readonly tlb: TlbLook;
}

const PRIVILEGES: Readonly<Record<number, PrivilegeName>> = { 0: 'U', 1: 'S', 3: 'M' };

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** On the hart's own thread, between two slices. */
export function lookAtHart(hart: Hart, exits: ExitCounts): HartLook {
  const csrs = Object.fromEntries(Object.entries(hart.csrs()).map(([name, value]) => [name, hex(value)]));
  const counters = hart.counters();
  const traps = Object.entries(counters)
    .filter(([name]) => name.startsWith('trap_'))
    .map(([name, count]): ExitCount => {
      const cause = name.slice('trap_'.length);
      const interrupt = /^interrupt_(\d+)$/.exec(cause);
      if (interrupt === null) return { reason: 'exception', detail: cause, count };
      return { reason: 'interrupt', detail: INTERRUPTS[Number(interrupt[1])] ?? cause, count };
    });
  return {
    id: hart.id,
    pc: hex(hart.pc),
    privilege: PRIVILEGES[hart.privilege]!,
    waiting: hart.waiting,
    x: Array.from({ length: 32 }, (_, i) => hex(hart.getX(i))),
    f: Array.from({ length: 32 }, (_, i) => hex(hart.getF(i))),
    csrs,
    modes: hart.retiredByMode(),
    counters,
    exits: [...exits.counts(), ...traps],
    tlb: hart.tlb(),
  };
}

/** Privileged spec, table 14. */
const INTERRUPTS: Readonly<Record<number, string>> = {
  1: 'supervisor_software',
  3: 'machine_software',
  5: 'supervisor_timer',
  7: 'machine_timer',
  9: 'supervisor_external',
  11: 'machine_external',
};
