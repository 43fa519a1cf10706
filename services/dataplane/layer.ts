// What a layer is. A frame from a port passes the layers in order (vswitch.ts) until one of them is done with it: has
// dropped it, answered it (hairpin) or sent it on. Layers keep no state of their own: it lies in the tables.

import type { DropReason } from './counters.ts';
import type { Frame } from './frame.ts';
import type { Port, Vtep } from './tables.ts';

/** Where a layer may send frames. */
export interface Outputs {
  /** To the guest of a local port. */
  toPort(port: Port, frame: Frame): void;
  /** To another node. */
  toVtep(vtep: Vtep, vni: number, frame: Frame): void;
  /** The switch's own answer, to the port that the frame came from. */
  answer(port: Port, bytes: Uint8Array): void;
  /** To the metadata service of this node: a TCP frame to the service address. */
  toService(port: Port, frame: Frame): void;
  drop(reason: DropReason, frame: Frame): void;
  /** Monotonic milliseconds. */
  readonly now: number;
}

export interface Layer {
  /** Stable: traces name it. */
  readonly name: string;
  /** True: the next layer has it. */
  step(frame: Frame, port: Port, outputs: Outputs): boolean;
}
