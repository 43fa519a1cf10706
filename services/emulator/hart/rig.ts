// A hart with a little RAM and nothing around it: for tests that place code, run it and look at registers.

import { assemble } from '../isa/assemble.ts';
import { type HartBus, RAM_BASE, REQUEST } from './contract.ts';
import { Hart } from './hart.ts';
import { compileInterpreter } from './interpreter.ts';
import { hartWords, newRamMemory, newStateMemory } from './layout.ts';

const module = compileInterpreter();

export const BASE = BigInt(RAM_BASE);
const RAM_BYTES = 8 * 1024 * 1024;

export interface RigOptions {
  readonly bus?: Partial<HartBus>;
  readonly firmware?: 'sbi' | 'none';
  readonly harts?: number;
  readonly translate?: boolean;
  readonly hotThreshold?: number;
}

export class Rig {
  readonly ram = newRamMemory(RAM_BYTES);
  readonly state: WebAssembly.Memory;
  readonly view = new DataView(this.ram.buffer);
  readonly harts: readonly Hart[];
  /** mtime. */
  ticks = 0;

  constructor(options: RigOptions = {}) {
    const count = options.harts ?? 1;
    this.state = newStateMemory(count);
    const bus: HartBus = {
      load: () => undefined,
      store: () => false,
      time: () => this.ticks,
      ...options.bus,
    };
    const { ram, state } = this;
    const { translate, hotThreshold } = options;
    const firmware = options.firmware ?? 'none';
    this.harts = Array.from(
      { length: count },
      (_, id) => new Hart({ id, ram, state, bus, firmware, module, translate, hotThreshold }),
    );
    for (const hart of this.harts) hart.reset(BASE, 3, 0n, 0n);
  }

  get hart(): Hart {
    return this.harts[0]!;
  }

  /** Places code at an offset of RAM and points the hart to it. */
  place(text: string, offset = 0): void {
    new Uint8Array(this.ram.buffer).set(assemble(text), offset);
    this.hart.pc = BASE + BigInt(offset);
  }

  /** Places one instruction or a few at the start, executes them, and no more. */
  execute(text: string, offset = 0): void {
    const lines = text.split(/[\n;]/).filter((line) => line.trim() !== '' && !line.trim().endsWith(':')).length;
    this.place(text, offset);
    this.hart.setCsr(0x305, BASE + 0x10_0000n);
    this.refreshCode();
    this.hart.run(lines);
  }

  /** Code was written from outside: what fence.i does for the hart. */
  refreshCode(): void {
    Atomics.or(new Int32Array(this.state.buffer), hartWords(0).requests / 4, REQUEST.FENCE_I);
  }
}
