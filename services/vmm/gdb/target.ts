// What a debugging session needs of its machine. One thread of GDB's is one hart; harts are numbered from 0 here, and from
// 1 in the protocol, where 0 means "any" and -1 "all".

import type { CsrName, Register } from './registers.ts';

/** Why the machine stands still. */
export type Stop =
  | { readonly kind: 'interrupt'; readonly hart: number }
  | { readonly kind: 'step'; readonly hart: number }
  | { readonly kind: 'breakpoint'; readonly hart: number }
  | { readonly kind: 'watchpoint'; readonly hart: number; readonly access: WatchAccess; readonly address: bigint }
  /** The guest has ended: it powered off, or crashed. */
  | { readonly kind: 'ended'; readonly crashed: boolean };

export type WatchAccess = 'write' | 'read' | 'access';

export interface Watchpoint {
  readonly access: WatchAccess;
  readonly address: bigint;
  readonly length: number;
}

/** What each hart does when the machine goes on. */
export type Action = 'continue' | 'step' | 'stay';

export interface GdbTarget {
  readonly harts: number;
  readonly csrs: readonly CsrName[];
  /** How a hart is doing, for `info threads`. */
  describe(hart: number): Promise<string>;
  readRegister(hart: number, register: Register): Promise<bigint>;
  /** Throws CumuletError where the register cannot hold the value. */
  writeRegister(hart: number, register: Register, value: bigint): Promise<void>;
  /** As the hart would address it now, or physical. Undefined: not all of it is RAM (reading a device would act on it). */
  readMemory(hart: number, address: bigint, length: number, physical: boolean): Promise<Uint8Array | undefined>;
  writeMemory(hart: number, address: bigint, bytes: Uint8Array, physical: boolean): Promise<boolean>;
  /** All that there are from now on. False: more than the machine has room for. */
  setBreakpoints(addresses: readonly bigint[], watchpoints: readonly Watchpoint[]): Promise<boolean>;
  /** Stops every hart. The answer is no stop of its own. */
  pause(): Promise<void>;
  /** Goes on; `stopped` is called once, when all stand still again. */
  resume(actions: readonly Action[], stopped: (stop: Stop) => void): Promise<void>;
  /** The debugger leaves: everything runs as if it had never been there. */
  detach(): Promise<void>;
  kill(): Promise<void>;
  /** `monitor ...`: text for the person. */
  command(hart: number, text: string): Promise<string>;
}
