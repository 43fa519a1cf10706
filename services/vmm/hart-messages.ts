// What the I/O thread tells a hart's worker, and its answers. A worker reads its mail when PAUSE is raised, and keeps
// reading while it is held.
//
//   held ──run──► running ──hold──► held          reset, restore, save: held only

import type { HartStateV1, VirtioSlot } from '#emulator';

export interface HartWorkerStart {
  readonly id: number;
  readonly harts: number;
  readonly ram: WebAssembly.Memory;
  readonly state: WebAssembly.Memory;
  readonly slots: readonly VirtioSlot[];
  /** Compiled once, for all harts. */
  readonly module: WebAssembly.Module;
  readonly translate: boolean | 'check';
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
  | { readonly op: 'counters' };

export interface HartAnswer {
  readonly result?: HartStateV1 | Readonly<Record<string, number>>;
  readonly error?: string;
}
