// The module that a batch of regions stands in: what it imports from its hart.

import { RAM_MAXIMUM_PAGES, STATE_MAXIMUM_PAGES } from '../hart/layout.ts';
import { Linkage, REGION_PARAMETERS } from '../hart/runtime.ts';
import type { FunctionRef, Global, TableRef } from '../wasm/code.ts';
import type { MemoryRef, ValueType } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import type { FpFunction } from './effects.ts';

const ALWAYS: readonly (readonly [string, readonly ValueType[], ValueType | undefined])[] = [
  ['loadSlow', ['i32', 'i64', 'i32'], 'i64'],
  ['storeSlow', ['i32', 'i64', 'i32', 'i64'], undefined],
  ['load', ['i32', 'i64', 'i32'], 'i64'],
  ['store', ['i32', 'i64', 'i32', 'i64'], undefined],
  ['atomicAddress', ['i32', 'i64', 'i32', 'i32'], 'i32'],
];

export class RegionModule extends Linkage {
  readonly module = new ModuleBuilder();
  readonly state: MemoryRef;
  readonly ram: MemoryRef;
  readonly regions: TableRef<'i32'>;
  readonly flag: Global<'i32'>;
  /** The regions of this module by the slot, from the start of the hart's region, where each begins. */
  readonly roots = new Map<number, FunctionRef<'i32'>>();

  constructor(calls: Iterable<FpFunction>) {
    super();
    const m = this.module;
    // Memory 0 is the faster one. Registers are in locals here, so it is RAM (measured: 1.4 x on loads and stores).
    this.ram = m.importMemory('env', 'ram', RAM_MAXIMUM_PAGES);
    this.state = m.importMemory('env', 'state', STATE_MAXIMUM_PAGES);
    this.regions = m.importTable('env', 'regions', REGION_PARAMETERS, 'i32');
    this.flag = m.importGlobal('env', 'flag', 'i32');
    const wanted = [...ALWAYS, ...[...calls].map((call) => [call.name, call.params, call.result] as const)];
    for (const [name, params, result] of wanted) {
      if (!this.functions.has(name)) this.functions.set(name, m.importFunction('env', name, params, result));
    }
  }
}
