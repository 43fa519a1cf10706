// What the I/O thread tells a hart's worker, and its answers. A worker reads its mail when PAUSE is raised, and keeps
// reading while it is held.
//
//   held ──run──► running ──hold, breakpoint──► held          reset, restore, save, step, write: held only

import type { BreakHit, HartLook, HartStateV1, VirtioSlot, WatchedBytes } from '#emulator';

export interface HartWorkerStart {
  readonly id: number;
  readonly harts: number;
  readonly ram: WebAssembly.Memory;
  readonly state: WebAssembly.Memory;
  readonly slots: readonly VirtioSlot[];
  /** Compiled once, for all harts. */
  readonly module: WebAssembly.Module;
  readonly translate: boolean;
}

export type Firmware = 'sbi' | 'none';

export type HartRequest =
  | { readonly op: 'run' }
  | { readonly op: 'hold' }
  /** pc and arguments as hex text. */
  | {
      readonly op: 'reset';
      readonly firmware: Firmware;
      readonly pc: string;
      readonly privilege: 1 | 3;
      readonly a1: string;
      readonly a2: string;
    }
  | { readonly op: 'restore'; readonly firmware: Firmware; readonly state: HartStateV1 }
  | { readonly op: 'save' }
  | { readonly op: 'counters' }
  /** Everything about the hart, for people; also while it runs. */
  | { readonly op: 'look' }
  /** A debugger's breakpoints and watchpoints, all of them. */
  | { readonly op: 'breaks'; readonly breakpoints: readonly bigint[]; readonly watched: readonly WatchedBytes[] }
  /** One instruction. */
  | { readonly op: 'step' }
  | { readonly op: 'write'; readonly register: WrittenRegister; readonly value: bigint };

export type WrittenRegister =
  | { readonly kind: 'x' | 'f'; readonly index: number }
  | { readonly kind: 'pc' | 'privilege' }
  | { readonly kind: 'csr'; readonly number: number };

/** What a worker says unasked: the hart has met a breakpoint, and is held. */
export interface HartStopped {
  readonly event: 'breakpoint';
  readonly hit: BreakHit;
}

export interface HartAnswer {
  readonly result?: HartStateV1 | HartLook | boolean | Readonly<Record<string, number>>;
  readonly error?: string;
}
